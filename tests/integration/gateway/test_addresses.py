"""Where people come from: IPv6 as IPv4, and how many may stand before the door."""

import asyncio
import socket
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.server.doorkeeper import GREETING
from recorder.replay.reader import TraceReader
from tests.support.bastion import running_bastion
from tests.support.newcomer import HELLO, newcomer
from tests.support.traces import stored
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
        folder = stored(bastion.recorder, bastion.world.id, bastion.sessions()[0])
        with TraceReader(folder) as reader:
            assert reader.header.source == "::1"


@needs_ipv6
async def test_an_undeclared_ipv6_source_is_refused(tmp_path: Path) -> None:
    """A supplier who declared IPv4 alone is refused with C2 over IPv6."""
    async with running_bastion(tmp_path, networks=("127.0.0.0/8",), host="::1") as bastion:
        ended = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
        assert ended.rc == 1
        assert "PGSSIS-C2" in ended.said


async def test_few_may_wait_at_the_door_in_all(tmp_path: Path) -> None:
    """Beyond the cap of all sources together, each below its own, the next is closed; who is inside stays."""
    async with running_bastion(tmp_path, max_unauthenticated=2) as bastion:
        inside = await bastion.client.start(
            bastion.client.command("alice+scan01", "echo in; cat"), answers=bastion.answers()
        )
        assert inside.stdout is not None
        assert await asyncio.wait_for(inside.stdout.readline(), 60) == b"in\n"
        port = bastion.gateway.port
        async with newcomer(port, "127.0.0.2") as first, newcomer(port, "127.0.0.3") as second:
            assert await first.let_in()
            assert await second.let_in()
            async with newcomer(port, "127.0.0.4") as third:
                assert not await third.let_in()
        out, _ = await inside.communicate(b"still here")
        assert out == b"still here"
        await eventually(lambda: bastion.gateway.connections == 0)
        ended = await bastion.client.ssh("alice+scan01", "true", answers=bastion.answers())
        assert ended.rc == 0, ended.said


async def test_whoever_says_nothing_takes_no_place(tmp_path: Path) -> None:
    """Connections that are mute, or greet a byte at a time, keep nobody out, whatever the caps."""
    async with (
        running_bastion(tmp_path, max_unauthenticated=1) as bastion,
        newcomer(bastion.gateway.port, said=b""),
        newcomer(bastion.gateway.port, "127.0.0.2", b"SSH-2.0-sl"),
    ):
        ended = await bastion.client.ssh("alice+scan01", "true", answers=bastion.answers())
        assert ended.rc == 0, ended.said
        await eventually(lambda: bastion.gateway.connections == 0)


async def test_a_line_that_never_ends_is_cut(tmp_path: Path) -> None:
    """More than a version line's length without its end is no SSH: the connection is closed at once."""
    async with (
        running_bastion(tmp_path) as bastion,
        newcomer(bastion.gateway.port, said=b"A" * 4096) as endless,
    ):
        assert await endless.sent_away() == GREETING


async def test_of_one_source_who_was_silent_longest_leaves(tmp_path: Path) -> None:
    """A source's newest connection has its place before it greets; its oldest silent one is closed for it."""
    async with running_bastion(tmp_path, max_unauthenticated_per_source=2) as bastion:
        port = bastion.gateway.port
        async with newcomer(port, said=b"") as first, newcomer(port, said=b"") as second:
            assert await first.reader.readexactly(len(GREETING)) == GREETING
            assert await second.reader.readexactly(len(GREETING)) == GREETING
            async with newcomer(port) as third:
                assert await first.sent_away() == b""
                assert await third.let_in()
            second.writer.write(HELLO)
            await second.reader.readexactly(6)


async def test_a_source_with_many_places_makes_room_for_another(tmp_path: Path) -> None:
    """Where all places are taken, the longest of the source with most gives way, and reads why in both languages."""
    async with running_bastion(tmp_path, max_unauthenticated=3) as bastion:
        port = bastion.gateway.port
        async with (
            newcomer(port, "127.0.0.2") as oldest,
            newcomer(port, "127.0.0.2") as newer,
            newcomer(port, "127.0.0.3") as other,
        ):
            for each in (oldest, newer, other):
                assert await each.let_in()
            ended = await bastion.client.ssh("alice+scan01", "true", answers=bastion.answers())
            assert ended.rc == 0, ended.said
            told = (await oldest.sent_away()).decode("utf-8", "replace")
            assert "Reconnectez-vous" in told
            assert "Connect again" in told
            await eventually(lambda: bastion.gateway.connections == 2)


async def test_a_known_source_comes_before_unknown_ones(tmp_path: Path) -> None:
    """From where somebody logged in before, somebody logs in again, though as many sources as places stand there."""
    async with running_bastion(tmp_path, max_unauthenticated=2) as bastion:
        port = bastion.gateway.port
        async with newcomer(port, "127.0.0.2") as first, newcomer(port, "127.0.0.3") as second:
            assert await first.let_in()
            assert await second.let_in()
            async with newcomer(port) as unknown:
                assert not await unknown.let_in()
        await eventually(lambda: bastion.gateway.connections == 0)
        ended = await bastion.client.ssh("alice+scan01", "true", answers=bastion.answers())
        assert ended.rc == 0, ended.said
        async with newcomer(port, "127.0.0.2") as first, newcomer(port, "127.0.0.3") as second:
            assert await first.let_in()
            assert await second.let_in()
            async with newcomer(port) as known, newcomer(port, "127.0.0.4") as fourth:
                assert await known.let_in()
                assert not await fourth.let_in()
                assert await first.sent_away()


async def test_whoever_exchanges_no_keys_gives_way_in_time(tmp_path: Path) -> None:
    """Where as many sources as places stand there, who has had two seconds and exchanged no keys leaves for another."""
    async with running_bastion(tmp_path, max_unauthenticated=2) as bastion:
        port = bastion.gateway.port
        async with newcomer(port, "127.0.0.2") as first, newcomer(port, "127.0.0.3") as second:
            assert await first.let_in()
            assert await second.let_in()
            bastion.clock.advance(timedelta(seconds=2))
            async with newcomer(port) as third:
                assert await third.let_in()
                assert await first.sent_away()


async def test_a_crowd_is_served_one_step_after_the_other(tmp_path: Path) -> None:
    """A hundred who greet and offer keys in the same instant are all answered, and so is who logs in among them."""
    async with (
        running_bastion(tmp_path, max_unauthenticated_per_source=200) as bastion,
        AsyncExitStack() as crowd,
    ):
        strangers = [await crowd.enter_async_context(newcomer(bastion.gateway.port)) for _ in range(100)]
        login = asyncio.create_task(bastion.client.ssh("alice+scan01", "true", answers=bastion.answers()))
        assert all(await asyncio.gather(*(each.let_in() for each in strangers)))
        ended = await login
        assert ended.rc == 0, ended.said
