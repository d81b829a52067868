"""The trace format, pure: frames, records, the chain and the manifest."""
