"""The command tree, one module a noun."""
