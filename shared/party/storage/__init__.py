"""Logs that outlive a room: the interface, in memory, and in SQLite."""
