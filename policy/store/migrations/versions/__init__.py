"""The versions themselves, in order."""
