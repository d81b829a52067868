"""Watching a session while it lasts: what its trace shows, as far as it has come to the store."""
