"""Who stands before the door: a stranger for whom there is no room is sent away before anything is made for her."""

import asyncio
from collections.abc import Callable
from typing import cast

from typing_extensions import override

from gateway.sshfix import ServerConnection


class Doorkeeper(asyncio.Protocol):
    """Takes a connection just accepted, and hands it to SSH where there is room.

    An SSH connection costs ten times what its refusal costs. Thousands of strangers at once would otherwise hold up
    those inside, a hundred milliseconds at a time.
    """

    def __init__(self, has_room: Callable[[str], bool], make: Callable[[], ServerConnection]) -> None:
        """Ask *has_room* about the source address; *make* the SSH connection where it says yes."""
        self._has_room = has_room
        self._make = make

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)
        peer = stream.get_extra_info("peername") or ("",)
        if not self._has_room(str(peer[0])):
            stream.abort()
            return
        connection = self._make()
        stream.set_protocol(connection)
        connection.connection_made(stream)
