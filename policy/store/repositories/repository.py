"""What every repository is: some tables, read and written over the connection of one unit of work."""

from typing import Any

from sqlalchemy import Row, Select
from sqlalchemy.ext.asyncio import AsyncConnection

from policy.errors import NotFound


class Repository:
    """A collection of values in the store. Nothing is committed here."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work on *connection*."""
        self._connection = connection

    async def _only(self, query: Select[*tuple[Any, ...]], noun: str, key: str) -> Row[Any]:
        """Return the row that *query* finds; raises NotFound, which names the *noun* and its *key*."""
        row = (await self._connection.execute(query)).first()
        if row is None:
            raise NotFound(noun, key)
        return row
