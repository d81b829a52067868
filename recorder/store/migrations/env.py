"""Alembic's entry: uses the connection it is handed, and its transaction where there is one."""

from alembic import context

from recorder.store.tables import metadata

context.configure(**context.config.attributes["context"], target_metadata=metadata)
context.run_migrations()
