"""The write side: a session is recorded before its bytes pass."""
