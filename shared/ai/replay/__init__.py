"""Recordings of replies, and their playback."""
