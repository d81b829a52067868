"""One post at a time, with two stock clients from two addresses: the second is refused, and both are told (E2)."""

import asyncio
from pathlib import Path

import pytest

from policy.errors import Conflict
from tests.support.bastion import NODE, Bastion, running_bastion

pytestmark = pytest.mark.integration


async def second(bastion: Bastion, *options: str) -> str:
    """Return what ssh says that tries from another address with right factors."""
    answers = bastion.answers()
    await bastion.world.services.access.heartbeat(NODE)  # the clock was moved further than a lease lasts
    ended = await bastion.client.ssh(
        "alice+scan01", "true", answers=answers, options=["-b", "127.0.0.2", *options]
    )
    return f"{ended.rc} {ended.said}"


@pytest.mark.parametrize("whose", ["person", "supplier"])
async def test_a_second_post_is_refused_and_both_are_told(tmp_path: Path, whose: str) -> None:
    """The second reads E2 and where the first is; the first reads where the second was; neither is cut."""
    async with running_bastion(tmp_path) as bastion:
        world, dsi = bastion.world, bastion.world.who("dsi")
        if whose == "person":
            alice = world.who("alice")
            await world.services.people.bind_to_one_post(dsi, world.id, alice, one_post=True)
        else:
            await world.services.suppliers.update(dsi, world.id, world.supplier.id, one_post=True)
        command = bastion.client.command("alice+scan01", options=["-tt"])
        async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
            await terminal.expect(b"maint@scan01")
            refused = await second(bastion)
            assert refused.startswith("1 "), refused
            assert "PGSSIS-E2" in refused
            assert "127.0.0.1" in refused
            told = await terminal.expect(b"127.0.0.2")
            assert b"Quelqu" in told
            terminal.send(b"echo st''ill\r")
            await terminal.expect(b"still")
            same = await bastion.client.ssh("alice+scan01", "exit 8", answers=bastion.answers())
            assert same.rc == 8, same.said
        await bastion.closed()
        assert (await second(bastion)).startswith("0 ")


async def test_two_posts_at_once_are_not_both_let_in(tmp_path: Path) -> None:
    """Decided at the same instant, one lease is taken: the other is refused by the store."""
    async with running_bastion(tmp_path) as bastion:
        world = bastion.world
        await world.services.people.bind_to_one_post(
            world.who("dsi"), world.id, world.who("alice"), one_post=True
        )
        access = world.services.access
        await access.heartbeat(NODE)
        grants = [
            await access.decide(world.request("alice", source=source))
            for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3")
        ]
        taken = await asyncio.gather(
            *(access.session_opened(grant, NODE) for grant in grants),  # type: ignore[arg-type]  # grants, all
            return_exceptions=True,
        )
        assert sum(isinstance(one, Conflict) for one in taken) == 2
