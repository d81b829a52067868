"""The write side: recordings, the spool and its recovery."""
