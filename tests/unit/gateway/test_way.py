"""One stream of the two-tier lock, at its end."""

import asyncio
from types import SimpleNamespace
from typing import cast

from gateway.airlock.way import Stream


class Forgetful:
    """A TLS transport that was closed twice, as Debian 12's Python leaves it: no newer one can be brought there."""

    def __init__(self) -> None:
        self.asked = 0

    def abort(self) -> None:
        """Fail as that one does."""
        self.asked += 1
        raise AttributeError("'NoneType' object has no attribute '_abort'")


async def test_a_stream_that_was_closed_twice_may_still_be_aborted() -> None:
    """Both directions of a way end it, and the second finds a TLS connection that is over: no exception is left."""
    transport = Forgetful()
    writer = cast(asyncio.StreamWriter, SimpleNamespace(transport=transport))
    Stream(asyncio.StreamReader(), writer).abort()
    assert transport.asked == 1
