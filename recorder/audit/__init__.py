"""The security journal: chained events and their verification."""
