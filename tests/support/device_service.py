"""A service of the device's own, such as a web console: it listens on loopback, as such consoles do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policy.domain.windows import Forward
from tests.support.bastion import Bastion, running_bastion

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(kw_only=True)
class Service:
    """A listening service; ``visits`` counts who came, ``open`` who is there; ``close`` ends it."""

    port: int = 0
    visits: int = 0
    open: int = 0
    close: Callable[[], None] = lambda: None


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Give back what comes, and say goodbye after the end of it."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write(b"goodbye")


@asynccontextmanager
async def service(serve: Serve = echo) -> AsyncIterator[Service]:
    """Serve each visitor by *serve* until the block ends."""
    made = Service()
    tasks: set[asyncio.Task[None]] = set()

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.visits += 1
        made.open += 1
        task = asyncio.current_task()
        if task is not None:
            tasks.add(task)
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the visitor left
        finally:
            made.open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(visit, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    made.close = server.close
    try:
        yield made
    finally:
        server.close()
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def bastion_with_port(
    directory: Path, serve: Serve = echo, label: str | None = "console", **settings: Any
) -> AsyncIterator[tuple[Bastion, Service]]:
    """Run a bastion whose window lets the port of a service through."""
    async with service(serve) as made:
        world = {"forwards": [Forward(port=made.port, label=label)], **settings.pop("world_settings", {})}
        async with running_bastion(directory, world_settings=world, **settings) as running:
            yield running, made
