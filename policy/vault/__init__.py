"""The secrets of dedicated accounts: sealed at rest, released to a Grant alone."""
