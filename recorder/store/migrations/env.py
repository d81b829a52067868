"""Alembic's entry: works in the transaction of the connection it is handed."""

from alembic import context

from recorder.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="recorder_version",
    transactional_ddl=True,
)
context.run_migrations()
