"""RELP, the protocol of rsyslog that acknowledges: one session over one connection.

A frame is ``TXNR SP COMMAND SP DATALEN [SP DATA] LF``. Each command of the client has a number, from 1 on, and its
``rsp`` frame bears the same; a hint of the server (``serverclose``) bears 0. ``open`` offers version and commands,
``syslog`` holds a message, ``close`` ends the session once everything before it is answered.
"""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from admin_api.syslog.errors import CollectorRefuses, CollectorUnreachable, CollectorUntrusted, ExportError
from admin_api.syslog.senders import hang_up, reason
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
    """One session, with one command unanswered at a time. Make it with ``begin``."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, settings: SyslogSettings
    ) -> None:
        """Speak over *reader* and *writer*."""
        self._reader = reader
        self._writer = writer
        self._seconds = settings.answer_seconds
        self._number = 0
        self._usable = True

    @classmethod
    async def begin(
        cls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, settings: SyslogSettings
    ) -> "RelpSender":
        """Open a session. Raises CollectorRefuses where it does not take syslog, CollectorUnreachable."""
        sender = cls(reader, writer, settings)
        try:
            answer = await sender._acknowledged(b"open", _OFFERS)
            commands = next(
                (line for line in answer.split(b"\n") if line.startswith(b"commands=")),
                b"commands=syslog",
            )
            if b"syslog" not in commands.partition(b"=")[2].split(b","):
                raise CollectorRefuses("the collector takes no syslog messages over RELP")
        except CollectorUnreachable as error:
            await hang_up(writer)
            why = (
                f"the collector hung up before it answered ({error}): it may not accept the certificate shown"
            )
            raise CollectorUntrusted(why) from error
        except BaseException:
            await hang_up(writer)
            raise
        return sender

    async def deliver(self, message: bytes) -> None:
        """Send *message*, and return once the collector says that it has it. Raises ExportError."""
        await self._acknowledged(b"syslog", message)

    async def close(self) -> None:
        """End the session, and close the connection."""
        if self._usable:
            with suppress(ExportError):
                await self._answered(b"close")
        await hang_up(self._writer)

    async def _acknowledged(self, command: bytes, data: bytes) -> bytes:
        answer = await self._answered(command, data)
        if not answer.startswith(b"200"):
            self._usable = False
            raise CollectorRefuses(f"the collector answered {answer[:200].decode('ascii', 'replace')!r}")
        return answer

    async def _answered(self, command: bytes, data: bytes = b"") -> bytes:
        """Send a command, and return what its answer holds. Whatever fails, or stops waiting, ends the session's use."""
        if not self._usable:
            raise CollectorUnreachable("the connection was closed")
        self._usable = False
        self._number = self._number % LAST_NUMBER + 1
        try:
            async with asyncio.timeout(self._seconds):
                self._writer.write(frame(self._number, command, data))
                await self._writer.drain()
                found = await read_frame(self._reader)
        except TimeoutError as error:
            raise CollectorUnreachable(f"no answer within {self._seconds:g} s") from error
        except EOFError as error:
            raise CollectorUnreachable("the collector has closed the connection") from error
        except OSError as error:
            kind = CollectorUntrusted if isinstance(error, ssl.SSLError) else CollectorUnreachable
            raise kind(reason(error)) from error
        if found.command == b"serverclose":
            raise CollectorUnreachable("the collector ends the session")
        if found.command != b"rsp" or found.number != self._number:
            raise CollectorRefuses("the collector answers what it was not asked")
        self._usable = True
        return found.data
