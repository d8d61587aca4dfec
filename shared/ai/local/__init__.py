"""The local model and its process."""
