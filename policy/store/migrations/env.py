"""Alembic's entry: uses the connection it is handed, and its transaction."""

from alembic import context

from policy.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
