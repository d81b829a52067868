"""RELP, the protocol of rsyslog that acknowledges: one session over one connection.

A frame is ``TXNR SP COMMAND SP DATALEN [SP DATA] LF``. Each command of the client has a number, from 1 on, and its
``rsp`` frame bears the same; a hint of the server (``serverclose``) bears 0. ``open`` offers version and commands,
``syslog`` holds a message, ``close`` ends the session once everything before it is answered.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from admin_api.syslog.errors import CollectorRefuses, CollectorUnreachable, CollectorUntrusted, ExportError
from admin_api.syslog.senders import Arrived, hang_up, reason
from admin_api.syslog.settings import SyslogSettings

LAST_NUMBER: Final = 999_999_999
LARGEST_ANSWER: Final = 64 * 1024
_LONGEST_WORD: Final = 32
_OFFERS: Final = b"relp_version=0\nrelp_software=ecluse\ncommands=syslog"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it was read."""

    number: int
    command: bytes
    data: bytes


def frame(number: int, command: bytes, data: bytes = b"") -> bytes:
    """Return the bytes of a frame."""
    head = b"%d %s %d" % (number, command, len(data))
    return head + (b" " + data if data else b"") + b"\n"


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    """Read one frame. Raises CollectorRefuses for what is none, EOFError at the end, OSError."""
    number = _number(await _word(reader, b" "))
    command = await _word(reader, b" ")
    length, end = await _length(reader)
    data = b""
    if end == b" ":
        data = await reader.readexactly(length)
        end = await reader.readexactly(1)
    elif length:
        raise CollectorRefuses("the answer is no RELP frame")
    if end != b"\n":
        raise CollectorRefuses("the answer is no RELP frame")
    return Frame(number, command, data)


async def _word(reader: asyncio.StreamReader, end: bytes) -> bytes:
    word = b""
    while (one := await reader.readexactly(1)) != end:
        word += one
        if len(word) > _LONGEST_WORD:
            raise CollectorRefuses("the answer is no RELP frame")
    return word


async def _length(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    digits = b""
    while (one := await reader.readexactly(1)).isdigit():
        digits += one
        if len(digits) > _LONGEST_WORD:
            raise CollectorRefuses("the answer is no RELP frame")
    length = _number(digits)
    if length > LARGEST_ANSWER:
        raise CollectorRefuses(f"the answer takes more than {LARGEST_ANSWER} bytes")
    return length, one


def _number(word: bytes) -> int:
    if not word.isdigit():
        raise CollectorRefuses("the answer is no RELP frame")
    return int(word)


class RelpSender:
    """One session. Make it with ``begin``."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, settings: SyslogSettings
    ) -> None:
        """Speak over *reader* and *writer*."""
        self._reader = reader
        self._writer = writer
        self._seconds = settings.answer_seconds
        self._window = settings.window
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._broken: ExportError | None = None
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def begin(
        cls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, settings: SyslogSettings
    ) -> "RelpSender":
        """Open a session. Raises CollectorRefuses where it does not take syslog, CollectorUnreachable."""
        sender = cls(reader, writer, settings)
        try:
            answer = await sender._answered(await sender._send(b"open", _OFFERS))
            commands = next(
                (line for line in answer.data.split(b"\n") if line.startswith(b"commands=")),
                b"commands=syslog",
            )
            if b"syslog" not in commands.partition(b"=")[2].split(b","):
                raise CollectorRefuses("the collector takes no syslog messages over RELP")
        except CollectorUnreachable as error:
            await sender.abandon()
            why = (
                f"the collector hung up before it answered ({error}): it may not accept the certificate shown"
            )
            raise CollectorUntrusted(why) from error
        except BaseException:
            await sender.abandon()
            raise
        return sender

    async def deliver(self, messages: Sequence[bytes], arrived: Arrived) -> None:
        """Send *messages*, at most ``window`` of them unanswered at a time. Raises ExportError."""
        sent: list[asyncio.Future[Frame]] = []
        answered = 0
        for message in messages:
            if len(sent) - answered >= self._window:
                await self._answered(sent[answered])
                arrived(answered)
                answered += 1
            sent.append(await self._send(b"syslog", message))
        for number in range(answered, len(sent)):
            await self._answered(sent[number])
            arrived(number)

    async def close(self) -> None:
        """End the session, and close the connection."""
        if self._broken is None:
            with suppress(ExportError):
                await self._answered(await self._send(b"close"))
        await self.abandon()

    async def abandon(self) -> None:
        """Close the connection as it is."""
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading
        self._break(CollectorUnreachable("the connection was closed"))
        await hang_up(self._writer)

    async def _send(self, command: bytes, data: bytes = b"") -> "asyncio.Future[Frame]":
        if self._broken is not None:
            raise self._broken
        self._number = self._number % LAST_NUMBER + 1
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_seen)
        self._waiting[self._number] = answer
        try:
            async with asyncio.timeout(self._seconds):
                self._writer.write(frame(self._number, command, data))
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise self._break(CollectorUnreachable(reason(error))) from error
        return answer

    async def _answered(self, answer: "asyncio.Future[Frame]") -> Frame:
        try:
            async with asyncio.timeout(self._seconds):
                found = await asyncio.shield(answer)
        except TimeoutError as error:
            raise self._break(CollectorUnreachable(f"no answer within {self._seconds:g} s")) from error
        if found.data and not found.data.startswith(b"200"):
            text = found.data[:200].decode("ascii", "replace")
            refused = CollectorRefuses(f"the collector answered {text!r}")
            self._break(refused)
            raise refused
        return found

    async def _read(self) -> None:
        try:
            while True:
                found = await read_frame(self._reader)
                if found.command == b"serverclose":
                    self._break(CollectorUnreachable("the collector ends the session"))
                    return
                if found.command != b"rsp" or found.number not in self._waiting:
                    self._break(CollectorRefuses("the collector answers what it was not asked"))
                    return
                waiting = self._waiting.pop(found.number)
                if not waiting.done():
                    waiting.set_result(found)
        except ExportError as error:
            self._break(error)
        except EOFError:
            self._break(CollectorUnreachable("the collector has closed the connection"))
        except OSError as error:
            untrusted = type(error).__name__.startswith("SSL")
            kind = CollectorUntrusted if untrusted else CollectorUnreachable
            self._break(kind(reason(error)))

    def _break(self, error: ExportError) -> ExportError:
        """Let nobody wait any more; the first error counts."""
        if self._broken is None:
            self._broken = error
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            if not one.done():
                one.set_exception(self._broken)
        return self._broken


def _seen(answer: "asyncio.Future[Frame]") -> None:
    """Take note of an error that nobody is left to hear."""
    if not answer.cancelled():
        answer.exception()
