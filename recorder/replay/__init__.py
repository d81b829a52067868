"""The read side: replay, export, transcript and verification."""
