"""Tickets: what a page shows once, within a short time, so that a WebSocket is that page's and nobody else's."""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

LASTS: Final = timedelta(seconds=30)
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Ticket:
    """For what one was given: a session of the console, and a session to watch. ``until``: aware UTC."""

    console_session_id: str
    session_id: str
    until: datetime


class Tickets:
    """The tickets of one console process that were not shown yet; only their hashes are kept."""

    def __init__(self) -> None:
        """Begin without any."""
        self._given: OrderedDict[bytes, Ticket] = OrderedDict()

    def give(self, console_session_id: str, session_id: str, now: datetime) -> str:
        """Return a new ticket, good once until a short time after *now* (aware UTC)."""
        token = secrets.token_urlsafe(32)
        self._given[_digest(token)] = Ticket(console_session_id, session_id, now + LASTS)
        while len(self._given) > _MOST:
            self._given.popitem(last=False)
        return token

    def take(self, token: str, console_session_id: str, session_id: str, now: datetime) -> bool:
        """Tell whether *token* is a ticket for exactly this, and let it be one no more."""
        found = self._given.pop(_digest(token), None)
        return (
            found is not None
            and now < found.until
            and found.console_session_id == console_session_id
            and found.session_id == session_id
        )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
