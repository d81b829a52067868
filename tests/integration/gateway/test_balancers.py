"""Clients that a balancer brings: their own address counts, and nobody but a listed balancer says what it is."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from ipaddress import ip_network

import pytest
import pytest_asyncio

from gateway.server import doorkeeper
from gateway.server.doorkeeper import GREETING
from tests.support.bastion import Bastion, running_bastion
from tests.support.newcomer import HELLO, newcomer
from tests.support.proxy_headers import balancer, extra, proxied
from tests.support.ssh_client import Finished, SshClient
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

LISTED = "127.0.0.9"
HOME, ELSEWHERE = "203.0.113.7", "198.51.100.7"
PER_SOURCE = 2


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bastion(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bastion]:
    """A gateway that believes one balancer, and a supplier who works from one network."""
    async with running_bastion(
        tmp_path_factory.mktemp("balanced"),
        networks=("203.0.113.0/24", "2001:db8::/32"),
        proxy_sources=(ip_network(LISTED),),
        max_unauthenticated_per_source=PER_SOURCE,
    ) as running:
        yield running


async def ssh(bastion: Bastion, source: str, answers: list[str] | None = None) -> Finished:
    """Run a command on the device by stock ssh, brought by the listed balancer from *source*."""
    async with balancer(bastion.gateway.port, source) as port:
        known = bastion.client.known_hosts.read_text().split(maxsplit=1)[1]
        client = SshClient("127.0.0.1", port, known.strip(), bastion.directory)
        return await client.ssh("alice+scan01", "echo in", answers=answers or bastion.answers())


@pytest.mark.parametrize("source", [HOME, "2001:db8::7"])
async def test_the_client_s_own_address_is_judged_and_written_down(bastion: Bastion, source: str) -> None:
    """Who comes from a declared network by the balancer is let in, and the journal and the trace name her address."""
    before = set(bastion.sessions())
    ended = await ssh(bastion, source)
    assert (ended.rc, ended.stdout) == (0, b"in\n"), ended.said
    await eventually(lambda: len(set(bastion.sessions()) - before) == 1)
    [made] = set(bastion.sessions()) - before
    assert bastion.header(made).source == source
    opened = (await bastion.events("session.opened"))[-1]
    assert opened.event.source == source


async def test_an_undeclared_client_is_refused_though_the_balancer_is_not(bastion: Bastion) -> None:
    """C2 is judged by the client's address, and a failed log-in is counted against it."""
    ended = await ssh(bastion, ELSEWHERE)
    assert ended.rc == 1
    assert "PGSSIS-C2" in ended.said
    assert (await ssh(bastion, ELSEWHERE, ["wrong", "000000"])).rc == 255
    failed = (await bastion.events("authentication.failed"))[-1]
    assert failed.event.source == ELSEWHERE


async def test_nobody_else_says_where_she_comes_from(bastion: Bastion) -> None:
    """A header from an address that is not listed is no SSH: whoever sends one is greeted like anybody, and closed."""
    for said in (proxied(HOME), b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 22\r\n"):
        async with newcomer(bastion.gateway.port, "127.0.0.1", said + HELLO) as liar:
            heard = await liar.sent_away()
            assert heard.startswith(GREETING)
            assert b"Unsupported SSH version" in heard or heard == GREETING


@pytest.mark.parametrize(
    "said",
    [
        HELLO,
        b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 22\r\n" + HELLO,
        proxied(HOME).replace(b"\x21\x11", b"\x21\x31", 1) + HELLO,
        proxied(HOME, extras=extra(0x04, bytes(16 * 1024))) + HELLO,
        proxied("0.0.0.0") + HELLO,
    ],
    ids=["none", "version 1", "a Unix socket", "16 KiB of extras", "no address"],
)
async def test_a_balancer_that_says_it_wrongly_is_told_nothing(bastion: Bastion, said: bytes) -> None:
    """From a listed address every connection begins with a whole header, or is closed without a word."""
    async with newcomer(bastion.gateway.port, LISTED, said) as wrong:
        assert await wrong.sent_away() == b""


async def test_a_health_check_is_greeted_and_comes_no_further(bastion: Bastion) -> None:
    """What a balancer opens for itself (LOCAL) reads our version line; its first byte closes it."""
    local = proxied(HOME).replace(b"\x21\x11", b"\x20\x00", 1)
    async with newcomer(bastion.gateway.port, LISTED, local) as check:
        assert await check.reader.readexactly(len(GREETING)) == GREETING
        check.writer.write(HELLO)
        assert await check.sent_away() == b""


async def test_health_checks_crowd_out_nobody_but_themselves(bastion: Bastion) -> None:
    """However many there are, the oldest of them leaves for a new one, and none whose header is still on its way."""
    port, header = bastion.gateway.port, proxied(HOME)
    local = header.replace(b"\x21\x11", b"\x20\x00", 1)
    async with AsyncExitStack() as crowd:
        on_their_way = [
            await crowd.enter_async_context(newcomer(port, LISTED, header[:20]))
            for _ in range(PER_SOURCE + 1)
        ]
        checks = [
            await crowd.enter_async_context(newcomer(port, LISTED, local)) for _ in range(PER_SOURCE + 1)
        ]
        assert await checks[0].sent_away() in {GREETING, b""}
        for check in checks[1:]:
            assert await check.reader.readexactly(len(GREETING)) == GREETING
        for client in on_their_way:
            client.writer.write(header[20:] + HELLO)
            assert await client.reader.readexactly(len(GREETING)) == GREETING
    await eventually(lambda: bastion.gateway.connections == 0)


async def test_the_bounds_are_each_client_s(bastion: Bastion) -> None:
    """As many as one source may have stand there for each of two clients of one balancer, and no more of one."""
    port = bastion.gateway.port
    async with AsyncExitStack() as crowd:
        for source in (HOME, ELSEWHERE):
            for _ in range(PER_SOURCE):
                one = await crowd.enter_async_context(newcomer(port, LISTED, proxied(source) + HELLO))
                assert await one.let_in()
            async with newcomer(port, LISTED, proxied(source) + HELLO) as over:
                assert not await over.let_in()
    await eventually(lambda: bastion.gateway.connections == 0)


async def test_headers_in_drips_hold_nobody_up_and_end(
    bastion: Bastion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many connections from the balancer's address whose header never ends are closed in time; a client comes by."""
    monkeypatch.setattr(doorkeeper, "HEADER_SECONDS", 0.3)
    header = proxied(HOME)
    async with AsyncExitStack() as crowd:
        mute = [
            await crowd.enter_async_context(newcomer(bastion.gateway.port, LISTED, header[: each % 20]))
            for each in range(40)
        ]
        ended = await ssh(bastion, HOME)
        assert (ended.rc, ended.stdout) == (0, b"in\n"), ended.said
        for number, each in enumerate(mute):
            each.writer.write(header[number % 20 : number % 20 + 1])
            assert await each.sent_away() == b""
