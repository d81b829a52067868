"""What an expanding migration may do: told from the operations it asks of alembic, which are not carried out."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from types import ModuleType
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations, ops
from alembic.operations.base import AbstractOperations
from alembic.operations.batch import BatchOperationsImpl
from sqlalchemy import Column

from schema.contract import Kind, Migration


def operations(module: ModuleType) -> list[ops.MigrateOperation]:
    """Return what the migration in *module* asks of a PostgreSQL that is in use; nothing is done."""
    asked: list[ops.MigrateOperation] = []
    with _noting(asked):
        module.upgrade()
    return asked


@contextmanager
def _noting(asked: list[ops.MigrateOperation]) -> Iterator[None]:
    def note(_operations: AbstractOperations, operation: ops.MigrateOperation) -> None:
        asked.append(operation)

    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "apart": True, "output_buffer": StringIO()}
    )
    with pytest.MonkeyPatch.context() as patched, Operations.context(context):
        patched.setattr(AbstractOperations, "invoke", note)
        patched.setattr(BatchOperationsImpl, "flush", lambda _impl: None)
        yield


def faults(module: ModuleType) -> list[str]:
    """Say what is wrong with the migration in *module*: nothing where it contracts, or only adds as it says."""
    if Migration.of(vars(module)).kind is Kind.CONTRACT:
        return []
    asked = operations(module)
    new = {each.table_name for each in asked if isinstance(each, ops.CreateTableOp)}
    built = {
        str(each.index_name)
        for each in asked
        if isinstance(each, ops.CreateIndexOp) and each.kw.get("postgresql_concurrently")
    }
    found = [fault for each in asked if (fault := _fault(each, new, built)) is not None]
    if built and len({type(each) for each in asked} - _BUILDING):
        found.append("an index is built alone: give it a migration of its own")
    return found


_BUILDING = {ops.CreateIndexOp, ops.DropIndexOp, ops.ExecuteSQLOp}


def _fault(asked: ops.MigrateOperation, new: set[str], built: set[str]) -> str | None:
    table = getattr(asked, "table_name", None) or getattr(asked, "source_table", None)
    match asked:
        case ops.CreateTableOp():
            return None
        case ops.AddColumnOp() if table not in new:
            return _column(table, asked.column)
        case ops.CreateIndexOp() if table not in new:
            if asked.unique:
                return f"a unique index on {table} refuses what programs write that do not know it"
            return (
                None if asked.index_name in built else f"{table} has rows: use schema.operations.create_index"
            )
        case ops.DropIndexOp() if asked.index_name in built:
            return None  # what an interrupted try left behind
        case ops.ExecuteSQLOp() if built and str(asked.sqltext) == "SET lock_timeout = 0":
            return None
        case _ if table in new:
            return None
    return f"{type(asked).__name__} on {table or 'something'}: not only an addition"


def _column(table: str | None, column: Column[Any]) -> str | None:
    default = column.server_default
    if not column.nullable and default is None:
        return f"{table}.{column.name}: programs that do not know it write no value: nullable, or a server_default"
    if default is not None and "(" in str(getattr(default, "arg", "(")):
        return f"{table}.{column.name}: a default that is computed writes every row anew: a constant"
    if column.unique:
        return f"{table}.{column.name}: unique refuses the default's second row"
    return None
