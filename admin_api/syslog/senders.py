"""Ways to the collector: one connection over TLS, that takes a message and says that it has arrived."""

import asyncio
import os
import socket
import ssl
from typing import Final, Protocol

from admin_api.syslog.errors import CollectorUnreachable, CollectorUntrusted
from admin_api.syslog.settings import SyslogSettings

CONNECT_SECONDS: Final = 10.0


class Sender(Protocol):
    """One open connection."""

    async def deliver(self, message: bytes) -> None:
        """Send *message*, and return once it has arrived. Raises ExportError where it may have arrived or not."""

    async def close(self) -> None:
        """Say good-bye, and close. Never fails."""


def trust(settings: SyslogSettings) -> ssl.SSLContext:
    """Return what the collector's certificate is judged by, and what is shown to it; raises OSError, ssl.SSLError."""
    authority = None if settings.authority is None else str(settings.authority)
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.certificate is not None and settings.key is not None:
        context.load_cert_chain(settings.certificate, settings.key)
    return context


async def dial(
    settings: SyslogSettings, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection to the collector. Raises CollectorUnreachable, CollectorUntrusted."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(
                settings.host, settings.port, ssl=context, server_hostname=settings.name
            )
    except ssl.SSLError as error:
        raise CollectorUntrusted(reason(error)) from error
    except (OSError, TimeoutError) as error:
        raise CollectorUnreachable(reason(error)) from error
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return reader, writer


def reason(error: BaseException) -> str:
    """Return in few words why a connection failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    if (
        isinstance(error, OSError) and error.errno and error.errno > 0
    ):  # a name that is unknown has its own words
        return os.strerror(error.errno)
    return str(error) or type(error).__name__


class StreamSender:
    """RFC 5425: octet counting over TLS. Nobody acknowledges: what was in flight when a connection broke may be lost."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, settings: SyslogSettings
    ) -> None:
        """Send by *writer*; what *reader* gives is the end of the connection."""
        self._reader = reader
        self._writer = writer
        self._seconds = settings.answer_seconds

    async def deliver(self, message: bytes) -> None:
        """Write *message*; it counts as arrived once the system has taken it. Raises CollectorUnreachable."""
        if self._reader.at_eof():
            raise CollectorUnreachable("the collector has closed the connection")
        try:
            async with asyncio.timeout(self._seconds):
                self._writer.write(b"%d %s" % (len(message), message))
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise CollectorUnreachable(reason(error)) from error

    async def close(self) -> None:
        """Close the connection."""
        await hang_up(self._writer)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection, whatever state it is in."""
    writer.close()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()
