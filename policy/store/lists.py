"""Many rows of a subquery in one column of another: what would be a question more, or rows many times over."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, ScalarSelect, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ColumnElement, FromClause
from sqlalchemy.sql.functions import FunctionElement


class _Listed(FunctionElement[Any]):
    """All rows as one JSON list, each of them a list of its columns; in no order."""

    name = "listed"
    type = JSON()
    inherit_cache = True


@compiles(_Listed, "postgresql")
def _on_postgresql(element: _Listed, compiler: SQLCompiler, **given: Any) -> str:
    return f"coalesce(json_agg(json_build_array({compiler.process(element.clauses, **given)})), '[]')"


@compiles(_Listed, "sqlite")
def _on_sqlite(element: _Listed, compiler: SQLCompiler, **given: Any) -> str:
    return f"json_group_array(json_array({compiler.process(element.clauses, **given)}))"


def listed(source: FromClause, where: ColumnElement[bool], *columns: ColumnElement[Any]) -> ScalarSelect[Any]:
    """Return, as a column, the rows of *source* that are so: a list of lists of *columns*, empty where there is none.

    In no order. An instant comes as its text: read it with ``instant``.
    """
    return select(_Listed(*columns)).select_from(source).where(where).scalar_subquery()


def instant(text: str) -> datetime:
    """Return the aware UTC instant that stands in a list as *text*."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
