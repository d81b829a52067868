"""Many rows of a query in one column of another: what would be a question more, or rows many times over."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import JSON, Boolean, ScalarSelect, Select, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ColumnElement, FromClause
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from policy.store.columns import Microseconds, UtcDateTime


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
    columns = ((compiler.process(each, **given), isinstance(each.type, JSON)) for each in element.clauses)
    # what is JSON is text to SQLite, and would become a string in the list
    written = ", ".join(f"json({column})" if structured else column for column, structured in columns)
    return f"json_group_array(json_array({written}))"


def listed(source: FromClause, where: ColumnElement[bool], *columns: ColumnElement[Any]) -> ScalarSelect[Any]:
    """Return, as a column, the rows of *source* that are so: a list of lists of *columns*, empty where there is none.

    In no order. An instant comes as its text: read it with ``instant``.
    """
    return select(_Listed(*columns)).select_from(source).where(where).scalar_subquery()


def instant(text: str) -> datetime:
    """Return the aware UTC instant that stands in a list as *text*."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


class Listing:
    """A whole query as one column, and its rows read back: attributes by the query's labels, values as rows have them."""

    def __init__(self, query: Select[*tuple[Any, ...]]) -> None:
        """List what *query* finds, in no order."""
        source = query.subquery()
        self.column = select(_Listed(*source.c)).scalar_subquery()
        self._row: Any = NamedTuple("_Row", [(column.name, Any) for column in source.c])  # type: ignore[misc]  # named by the query
        readers = [(place, _reader(column.type)) for place, column in enumerate(source.c)]
        self._readers = [(place, reader) for place, reader in readers if reader is not None]

    def rows(self, listed: Iterable[list[Any]]) -> Iterator[Any]:
        """Yield the rows of *listed*, which is what ``column`` held."""
        for values in listed:
            for place, reader in self._readers:
                if values[place] is not None:
                    values[place] = reader(values[place])
            yield self._row(*values)


def _reader(kind: TypeEngine[Any]) -> Callable[[Any], Any] | None:
    """Return what makes a value of this kind of what JSON says of it; None where JSON says it as it is."""
    match kind:
        case UtcDateTime():
            return instant
        case Microseconds():
            return lambda whole: timedelta(microseconds=whole)
        case Boolean():
            return bool
    return None
