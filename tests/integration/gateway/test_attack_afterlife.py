"""A connection that logged in before a cut, a renewal or a suspension: what was proved before serves nobody after."""

import asyncio

import asyncssh
import pytest

from policy.domain.access import RevocationScope
from tests.support.bastion import Bastion
from tests.support.raw_client import channel, logged_in

pytestmark = pytest.mark.integration


async def closed(connection: asyncssh.SSHClientConnection) -> None:
    """Wait until the gateway has closed *connection*; the reason is for people's eyes."""
    await asyncio.wait_for(connection.wait_closed(), 60)


async def renew(bastion: Bastion) -> None:
    """Let alice enrol anew: her telephone was found by somebody."""
    world = bastion.world
    await world.services.people.renew(world.who("dsi"), world.id, world.who("alice"), reason="Volé")


async def cut(bastion: Bastion, scope: RevocationScope, target: str) -> None:
    """Cut *scope*, as the security staff does."""
    world = bastion.world
    await world.services.revocations.cut(world.who("rssi"), world.id, scope, target, "Un incident")


async def test_a_menu_left_open_does_not_outlive_a_renewal(bastion: Bastion) -> None:
    """Whoever sits in the menu with a stolen telephone is sent away once its factors serve no longer."""
    async with logged_in(bastion, "alice") as connection:
        _, heard = await channel(connection, term_type="xterm")
        await heard.until(b"scan01")
        await renew(bastion)
        await closed(connection)
    await bastion.closed()
    assert await bastion.events("session.opened") == []


@pytest.mark.parametrize("user", ["alice", "alice+scan01"])
async def test_a_connection_without_a_session_does_not_outlive_a_cut(bastion: Bastion, user: str) -> None:
    """A connection that waits with nothing open (ssh -N, a shared one) is closed by a cut of its person."""
    async with logged_in(bastion, user) as connection:
        await cut(bastion, RevocationScope.PERSON, bastion.world.who("alice"))
        await closed(connection)


async def test_a_jump_finds_no_road_in_a_connection_that_was_cut(bastion: Bastion) -> None:
    """The outer connection of jumps, and one inside it that has opened nothing yet, are closed by a cut."""
    async with logged_in(bastion, "alice") as connection:
        reader, _ = await connection.open_connection("scan01", 22)
        await asyncio.wait_for(reader.readline(), 60)
        await cut(bastion, RevocationScope.PERSON, bastion.world.who("alice"))
        await closed(connection)


@pytest.mark.parametrize("scope", [RevocationScope.SUPPLIER, RevocationScope.ALL])
async def test_wider_cuts_reach_waiting_connections_too(bastion: Bastion, scope: RevocationScope) -> None:
    """A cut of her supplier, or of everybody, closes a connection that waits with nothing open."""
    people = bastion.world.services.people
    alice = await people.get(bastion.world.who("dsi"), bastion.world.id, bastion.world.who("alice"))
    async with logged_in(bastion, "alice") as connection:
        await cut(bastion, scope, str(alice.supplier_id) if scope is RevocationScope.SUPPLIER else "")
        await closed(connection)


async def test_a_suspension_taken_back_finds_nobody_waiting(bastion: Bastion) -> None:
    """Who logged in before a suspension logs in again after it."""
    world = bastion.world
    who = world.who("dsi"), world.id, world.who("alice")
    async with logged_in(bastion, "alice") as connection:
        await world.services.people.suspend(*who, reason="Doute")
        await world.services.people.resume(*who, reason="Levé")
        await closed(connection)


async def test_a_cut_leaves_others_alone_and_says_why(bastion: Bastion) -> None:
    """Somebody else's cut closes nothing of hers; her own is read on her session before the connection goes."""
    async with logged_in(bastion, "alice+scan01") as connection:
        shell, heard = await channel(connection, term_type="xterm")
        await heard.until(b"# ")
        await cut(bastion, RevocationScope.PERSON, bastion.world.who("dsi"))
        shell.write(b"echo $((40+2))\n")
        assert b"42\r" in await heard.until(b"42\r")
        await cut(bastion, RevocationScope.PERSON, bastion.world.who("alice"))
        await closed(connection)
    assert b"Un incident" in heard.out + heard.err
