"""RELP's frames, and a session against answers that no honest collector gives."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from admin_api.syslog.errors import CollectorRefuses, CollectorUnreachable, CollectorUntrusted, ExportError
from admin_api.syslog.relp import Frame, RelpSender, frame, read_frame
from admin_api.syslog.settings import SyslogSettings

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GREETING = frame(1, b"rsp", b"200 OK\nrelp_version=0\ncommands=syslog")


def stream(data: bytes) -> asyncio.StreamReader:
    """A stream that holds *data* and ends."""
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


async def test_frames_are_read_as_they_were_written() -> None:
    """With data, without, and with line breaks in it: one after the other."""
    written = [Frame(1, b"syslog", b"a\nb"), Frame(2, b"close", b""), Frame(0, b"serverclose", b"")]
    reader = stream(b"".join(frame(one.number, one.command, one.data) for one in written))
    assert [await read_frame(reader) for _ in written] == written


@pytest.mark.parametrize(
    "data",
    [
        b"x rsp 0\n",
        b"1 rsp x\n",
        b"1 rsp 3 abcd\n",
        b"1 rsp 3\n",
        b"1 rsp 99999999 x",
        b"1" * 40,
        b"1 " + b"r" * 40,
    ],
)
async def test_what_is_no_frame_is_refused(data: bytes) -> None:
    """Words that are too long, lengths that are none or too large, and a wrong end are refused before they are read."""
    with pytest.raises(CollectorRefuses):
        await read_frame(stream(data))


@asynccontextmanager
async def session(answer: Answer) -> AsyncIterator[RelpSender]:
    """A session with a collector that behaves as *answer* does after the greeting."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_frame(reader)
        writer.write(GREETING)
        await answer(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sender = await RelpSender.begin(reader, writer, SyslogSettings(host="127.0.0.1", port=port, name="x"))
    try:
        yield sender
    finally:
        await sender.close()
        server.close()


async def test_one_message_is_unanswered_at_a_time() -> None:
    """The next one is sent once the answer is there: what an end leaves in doubt is one message."""
    ahead: list[bytes] = []

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(5):
            number = (await read_frame(reader)).number
            ahead.append(bytes(reader._buffer))  # type: ignore[attr-defined]  # asyncio's own
            writer.write(frame(number, b"rsp", b"200 OK"))

    async with session(late) as sender:
        for _ in range(5):
            await sender.deliver(b"x")
    assert ahead == [b""] * 5


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (frame(2, b"rsp", b"500 disk full"), CollectorRefuses),
        (frame(2, b"rsp"), CollectorRefuses),
        (frame(9, b"rsp", b"200 OK"), CollectorRefuses),
        (frame(2, b"syslog", b"x"), CollectorRefuses),
        (b"HTTP/1.1 400 Bad Request\r\n", CollectorRefuses),
        (frame(0, b"serverclose"), CollectorUnreachable),
        (b"", CollectorUnreachable),
    ],
    ids=["error", "nothing", "stranger", "command", "http", "close", "end"],
)
async def test_an_answer_that_acknowledges_nothing_counts_for_nothing(
    said: bytes, error: type[ExportError]
) -> None:
    """An error, an answer to something else, a close or an end of the connection: the message has not arrived."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_frame(reader)
        writer.write(said)
        await writer.drain()

    async with session(answer) as sender:
        with pytest.raises(error):
            await sender.deliver(b"x")
        with pytest.raises(ExportError):
            await sender.deliver(b"x")


async def test_a_collector_that_says_nothing_is_given_up_in_time() -> None:
    """No answer within the limit is an error, not a wait for ever."""
    over = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await over.wait()

    async with session(silent) as sender:
        sender._seconds = 0.1
        with pytest.raises(CollectorUnreachable, match=r"no answer within 0\.1 s"):
            await sender.deliver(b"x")
        over.set()


async def test_a_collector_that_takes_no_syslog_is_refused_at_the_greeting() -> None:
    """What it offers is read; who hangs up instead is said to refuse the certificate shown."""

    async def begin(greeting: bytes) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_frame(reader)
            writer.write(greeting)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await RelpSender.begin(reader, writer, SyslogSettings(host="127.0.0.1", port=port, name="x"))
        finally:
            server.close()

    with pytest.raises(CollectorRefuses, match="no syslog"):
        await begin(frame(1, b"rsp", b"200 OK\ncommands=eventlog"))
    with pytest.raises(CollectorUntrusted, match="certificate"):
        await begin(b"")
