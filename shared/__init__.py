"""Code that all stages share."""
