"""What a migration may do to a big table while programs use it."""

from collections.abc import Sequence

from alembic import op


def create_index(name: str, table: str, columns: Sequence[str]) -> None:
    """Make an index on a *table* that has rows, without keeping anybody from writing to it meanwhile.

    The migration does nothing else: on PostgreSQL it is built outside any transaction, and what an interrupted try left
    behind is removed first.
    """
    context = op.get_context()
    if not context.opts.get("apart"):
        op.create_index(name, table, list(columns))
        return
    with context.autocommit_block():
        # whoever is writing is waited for, and nobody waits for us
        op.execute("SET lock_timeout = 0")
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.create_index(name, table, list(columns), postgresql_concurrently=True)
