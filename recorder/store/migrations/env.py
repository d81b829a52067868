"""Alembic's entry: works in the transaction of the connection it is handed."""

from alembic import context

from recorder.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=context.config.get_main_option("version_table"),
    transactional_ddl=True,
)
context.run_migrations()
