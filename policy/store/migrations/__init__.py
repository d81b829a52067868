"""Versions of the schema, brought up in order by alembic, from this package alone."""
