"""A client that sends what no stock client would: asyncssh's own, logged in, with its channels in the test's hands."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncssh
from typing_extensions import override

from tests.support.bastion import Bastion
from tests.support.waiting import PATIENCE


class Answering(asyncssh.SSHClient):
    """Answers what a log-in asks in one round, and the same whenever it is asked again."""

    def __init__(self, answers: Sequence[str]) -> None:
        """Answer with *answers*, in their order."""
        self._answers = list(answers)

    @override
    def kbdint_auth_requested(self) -> str:
        return ""

    @override
    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: "asyncssh.auth.KbdIntPrompts"
    ) -> list[str]:
        return self._answers[: len(prompts)]


class Heard(asyncssh.SSHClientSession[bytes]):
    """What a channel said, and how it ended."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.out = b""
        self.err = b""
        self.status: int | None = None
        self.signal: tuple[str, str] | None = None
        self.closed = asyncio.Event()
        self._more = asyncio.Event()

    @override
    def data_received(self, data: bytes, datatype: int | None) -> None:
        if datatype is None:
            self.out += data
        else:
            self.err += data
        self._more.set()

    @override
    def exit_status_received(self, status: int) -> None:
        self.status = status

    @override
    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self.signal = (signal, msg)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
        self._more.set()

    async def until(self, wanted: bytes, seconds: float = PATIENCE) -> bytes:
        """Wait until *wanted* is on standard output and return all of it; ends with the channel, too."""
        async with asyncio.timeout(seconds):
            while wanted not in self.out and not self.closed.is_set():
                self._more.clear()
                await self._more.wait()
        return self.out


@asynccontextmanager
async def logged_in(
    bastion: Bastion,
    user: str = "alice+scan01",
    answers: Sequence[str] | None = None,
    keys: Sequence[Any] = (),
) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """Yield a connection of *user* after both factors; with *keys*, one of them is the first. Closed at the end."""
    given = bastion.answers() if answers is None else answers
    options: dict[str, Any] = {"config": None, "agent_path": None, "known_hosts": None}
    options["client_keys"] = list(keys) or None
    connection = await asyncssh.connect(
        "127.0.0.1",
        bastion.gateway.port,
        username=user,
        client_factory=lambda: Answering(given),
        preferred_auth="publickey,keyboard-interactive" if keys else "keyboard-interactive",
        **options,
    )
    try:
        yield connection
    finally:
        connection.abort()


async def channel(connection: asyncssh.SSHClientConnection, **request: Any) -> tuple[Any, Heard]:
    """Open a session channel of bytes; *request* is as ``create_session`` takes it."""
    heard = Heard()
    opened, _ = await connection.create_session(lambda: heard, encoding=None, **request)
    return opened, heard
