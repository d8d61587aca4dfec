"""The closing page of `make present`."""
