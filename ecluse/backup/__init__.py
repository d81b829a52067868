"""Backups of an installation: one sealed and signed archive, how it is made, restored and rehearsed."""
