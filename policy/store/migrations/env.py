"""Alembic's entry: uses the connection it is handed, and its transaction where there is one."""

from alembic import context

from policy.store.tables import metadata

told = context.config.attributes
context.configure(
    connection=told["connection"],
    target_metadata=metadata,
    version_table=context.config.get_main_option("version_table"),
    on_version_apply=told["note"],
    apart=told["apart"],
    transaction_per_migration=True,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
