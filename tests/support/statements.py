"""Statements compiled once a process: SQLAlchemy keeps them by engine, and each test opens engines of its own."""

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
