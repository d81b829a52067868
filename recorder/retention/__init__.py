"""What becomes of traces whose time is over: which are due, how one is purged, and what legal holds keep in the store."""
