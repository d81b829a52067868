"""Codes and locks, as a stock client meets them: across sources, across restarts, in races."""

import asyncio
from datetime import timedelta

import pytest

from tests.support.bastion import Bastion
from tests.support.ssh_client import Finished

pytestmark = pytest.mark.integration

ELSEWHERE = ["-o", "BindAddress=127.0.0.2"]
"""Another source address of the same supplier."""


async def fail(bastion: Bastion, times: int, login: str = "alice") -> Finished:
    """Give the right password and a wrong code *times* times, in one connection."""
    password = bastion.world.passwords["alice"].reveal()
    options = ["-o", f"NumberOfPasswordPrompts={times}"]
    return await bastion.client.ssh(
        f"{login}+scan01", "true", answers=[password, "000000"] * times, options=options
    )


async def enter(bastion: Bastion, options: list[str] | None = None) -> Finished:
    """Log in with right factors at this very moment: the clock stays where it is."""
    answers = [bastion.world.passwords["alice"].reveal(), bastion.world.code("alice")]
    return await bastion.client.ssh("alice+scan01", "echo in", answers=answers, options=options or [])


async def test_two_failures_do_not_lock(bastion: Bastion) -> None:
    """Whoever mistypes twice gets in with the next right code."""
    await fail(bastion, 2)
    ended = await bastion.client.ssh("alice+scan01", "echo in", answers=bastion.answers())
    assert (ended.rc, ended.stdout) == (0, b"in\n"), ended.said


async def test_three_failures_lock_that_source_for_sixty_seconds(bastion: Bastion) -> None:
    """Right factors are refused for 60 seconds from that source, not from another, and open again afterwards."""
    await fail(bastion, 3)
    bastion.clock.advance(timedelta(seconds=58))
    locked = await enter(bastion)
    assert (locked.rc, locked.stdout) == (255, b"")
    assert "Accepted" not in bastion.device.log()
    assert (await bastion.events("authentication.locked"))[0].event.source == "127.0.0.1"
    bastion.clock.advance(timedelta(seconds=30))
    opened = await enter(bastion)
    assert opened.rc == 0, opened.said


async def test_a_lock_of_one_source_leaves_the_other_open(bastion: Bastion) -> None:
    """A stranger who fails under her name from one place does not keep her out of another."""
    await fail(bastion, 3)
    opened = await enter(bastion, ELSEWHERE)
    assert opened.rc == 0, opened.said


async def test_a_lock_outlives_a_restart(bastion: Bastion) -> None:
    """A gateway that was stopped and started again still refuses who is locked out."""
    await fail(bastion, 3)
    await bastion.restart_gateway()
    bastion.clock.advance(timedelta(seconds=30))
    assert (await enter(bastion)).rc == 255
    bastion.clock.advance(timedelta(seconds=60))
    assert (await enter(bastion)).rc == 0


async def test_an_unknown_person_is_locked_alike(bastion: Bastion) -> None:
    """Three failures under a name that nobody has end with the words that a known name gets."""
    known, unknown = await fail(bastion, 3), await fail(bastion, 3, "nobody")
    assert known.rc == unknown.rc == 255
    assert known.said.replace("alice", "") == unknown.said.replace("nobody", "")
    assert len(known.prompts) == len(unknown.prompts)


async def test_a_used_code_is_refused_after_a_restart(bastion: Bastion) -> None:
    """The code that opened a session opens none at the gateway's next life, within its 30 seconds."""
    bastion.clock.advance(timedelta(seconds=30))
    assert (await enter(bastion)).rc == 0
    await bastion.restart_gateway()
    again = await enter(bastion)
    assert again.rc == 255
    assert again.stdout == b""


async def test_of_two_clients_with_one_code_one_enters(bastion: Bastion) -> None:
    """A code that is given twice at the same moment opens once, whoever was first."""
    bastion.clock.advance(timedelta(seconds=30))
    one, other = await asyncio.gather(enter(bastion), enter(bastion, ELSEWHERE))
    assert sorted((one.rc, other.rc)) == [0, 255]
    assert len(await bastion.events("authentication.succeeded")) == 1
