"""The fixture hospital, for tests that hurt its database."""

from tests.support.policy_databases import clock, copied_url, database_kind, database_url, world

__all__ = ["clock", "copied_url", "database_kind", "database_url", "world"]
