"""Statements: compiled once a process (SQLAlchemy keeps them by engine, and each test opens engines of its own), and told."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event
from typing_extensions import override


class Compiled(dict[Any, Any]):
    """SQLAlchemy's cache of compiled statements, by the kind of dialect in place of each engine's own dialect."""

    @override
    def get(self, key: Any, default: Any = None) -> Any:
        """Return what was compiled for a dialect of that kind."""
        return super().get((type(key[0]), *key[1:]), default)

    @override
    def __setitem__(self, key: Any, compiled: Any) -> None:
        """Keep what was compiled."""
        super().__setitem__((type(key[0]), *key[1:]), compiled)


_compiled = Compiled()


@event.listens_for(Engine, "engine_connect")
def share(connection: Connection) -> None:
    """Let *connection* use what any engine of this process has compiled."""
    connection.execution_options(compiled_cache=_compiled)


@contextmanager
def statements(database: Any) -> Iterator[list[str]]:
    """Collect what is asked of *database*, policy's or the recorder's, but for what begins and ends a transaction."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith(("BEGIN", "SET", "ROLLBACK")):
            sent.append(statement)

    engine = database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)
