"""Repositories: one module a noun, each a few queries that take the hospital first."""
