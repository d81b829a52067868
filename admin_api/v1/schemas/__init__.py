"""The shapes of version 1: what is read and what is answered, one module a noun."""
