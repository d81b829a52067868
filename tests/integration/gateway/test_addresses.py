"""Where people come from: IPv6 as IPv4, and how many may stand before the door."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from recorder.replay.reader import TraceReader
from tests.support.bastion import Bastion, running_bastion
from tests.support.waiting import eventually


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


pytestmark = pytest.mark.integration
needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 loopback")


@needs_ipv6
async def test_a_declared_ipv6_source_comes_in(tmp_path: Path) -> None:
    """The gateway listens on IPv6, and C2 holds for a source of a declared IPv6 network, which the trace names."""
    async with running_bastion(tmp_path, networks=("::1/128",), host="::1") as bastion:
        ended = await bastion.client.ssh("alice+scan01", "echo in", answers=bastion.answers())
        assert (ended.rc, ended.stdout) == (0, b"in\n"), ended.said
        await bastion.closed()
        await eventually(lambda: len(bastion.sessions()) == 1)
        folder = bastion.recorder.store.open(bastion.world.id, bastion.sessions()[0])
        with TraceReader(folder) as reader:
            assert reader.header.source == "::1"


@needs_ipv6
async def test_an_undeclared_ipv6_source_is_refused(tmp_path: Path) -> None:
    """A supplier who declared IPv4 alone is refused with C2 over IPv6."""
    async with running_bastion(tmp_path, networks=("127.0.0.0/8",), host="::1") as bastion:
        ended = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
        assert ended.rc == 1
        assert "PGSSIS-C2" in ended.said


@asynccontextmanager
async def waiting(bastion: Bastion, source: str) -> AsyncIterator[asyncio.StreamReader]:
    """A connection from *source* that does not log in."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bastion.gateway.port, local_addr=(source, 0))
    try:
        yield reader
    finally:
        writer.close()


async def test_few_may_wait_at_the_door_in_all(tmp_path: Path) -> None:
    """Beyond the cap of all sources together, each below its own, the next is closed; who is inside stays."""
    async with running_bastion(tmp_path, max_unauthenticated=2) as bastion:
        inside = await bastion.client.start(
            bastion.client.command("alice+scan01", "echo in; cat"), answers=bastion.answers()
        )
        assert inside.stdout is not None
        assert await asyncio.wait_for(inside.stdout.readline(), 10) == b"in\n"
        async with (
            waiting(bastion, "127.0.0.2") as first,
            waiting(bastion, "127.0.0.3") as second,
            asyncio.timeout(5),
        ):
            for reader in (first, second):
                assert (await reader.readline()).startswith(b"SSH-2.0")
            async with waiting(bastion, "127.0.0.4") as third:
                assert await third.read() == b""
        out, _ = await inside.communicate(b"still here")
        assert out == b"still here"
        await eventually(lambda: bastion.gateway.connections == 0)
        ended = await bastion.client.ssh("alice+scan01", "true", answers=bastion.answers())
        assert ended.rc == 0, ended.said
