"""A name belongs to one process: held by signs of life under the vault's keys, given back, free once nobody answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from policy.clock import ManualClock
from policy.domain.programs import Program, ProgramKind
from policy.errors import PolicyUnavailable
from policy.services import programs
from policy.store import tables as t
from tests.support.policy_world import World


def program(clock: ManualClock, claim: str = "first", *, kind: ProgramKind = ProgramKind.GATEWAY) -> Program:
    """A process that starts now as node1."""
    return Program(
        kind=kind,
        node="node1",
        claim=claim,
        host="gw-a",
        pid=812,
        version="0.1.0",
        policy_schema="0018",
        trace_schema="0006",
        started_at=clock.now(),
        beat_at=clock.now(),
    )


async def test_the_second_process_of_a_name_is_told_who_has_it(world: World, clock: ManualClock) -> None:
    """While the first one lives: its host, process, start and last sign of life, as long as it gives signs."""
    programs, first = world.services.programs, program(clock)
    assert (await programs.take(first)).holder is None
    clock.advance(programs.lease)
    assert (await programs.renew(first)).holder is None
    clock.advance(programs.lease / 2)
    holder = (await programs.take(program(clock, "second"), patient=True)).holder
    assert holder is not None
    assert (holder.host, holder.pid, holder.started_at, holder.proved) == (
        "gw-a",
        812,
        first.started_at,
        True,
    )
    assert holder.lapses(clock.now(), programs.lease) == programs.lease / 2


async def test_a_database_that_does_not_answer_keeps_nobody_waiting(
    world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes, keeps, gives back or looks at a name is told that there is no answer, and can try again."""

    @asynccontextmanager
    async def silent(*_asked: object) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield

    names, first = world.services.programs, program(clock)
    for question in ("unit_of_work", "read"):
        monkeypatch.setattr(world.services.database, question, silent)
    monkeypatch.setattr(programs, "ANSWER_SECONDS", 0.01)
    for asked in (names.take(first), names.renew(first), names.release(first), names.list()):
        with pytest.raises(PolicyUnavailable, match="in time"):
            await asked


async def test_a_gateway_and_a_console_may_have_one_name(world: World, clock: ManualClock) -> None:
    """An installation's two processes are called after the same machine."""
    assert (await world.services.programs.take(program(clock))).holder is None
    console = program(clock, "second", kind=ProgramKind.CONSOLE)
    assert (await world.services.programs.take(console)).holder is None


async def test_a_name_is_free_once_it_was_given_back(world: World, clock: ManualClock) -> None:
    """Whoever ends in order frees it at once; a release that comes after another has it changes nothing."""
    programs, first = world.services.programs, program(clock)
    await programs.take(first)
    await programs.release(first)
    second = program(clock, "second")
    assert (await programs.take(second)).holder is None
    await programs.release(first)
    holder = (await programs.take(program(clock, "third"))).holder
    assert holder is not None
    assert holder.claim == "second"


async def test_a_predecessor_known_to_be_gone_is_not_waited_for(world: World, clock: ManualClock) -> None:
    """A process killed where its successor starts has left its claim there: the name is free at once."""
    await world.services.programs.take(program(clock))
    assert (await world.services.programs.take(program(clock, "second"), gone="first")).holder is None


async def test_silence_frees_a_name_for_who_has_watched_it(world: World, clock: ManualClock) -> None:
    """After a lease without a sign: not for whoever has just come, for a database that was away silences everybody."""
    programs = world.services.programs
    await programs.take(program(clock))
    clock.advance(programs.lease + timedelta(seconds=1))
    second = program(clock, "second")
    assert (await programs.take(second)).holder is not None
    assert (await programs.take(second, patient=True)).holder is None


async def test_a_process_whose_name_was_taken_learns_it(world: World, clock: ManualClock) -> None:
    """One that was silent for so long that another took its name is told who has it, and takes nothing back."""
    programs, first = world.services.programs, program(clock)
    await programs.take(first)
    clock.advance(programs.lease + timedelta(seconds=1))
    await programs.take(program(clock, "second"), patient=True)
    for _ in range(2):
        holder = (await programs.renew(first)).holder
        assert holder is not None
        assert holder.claim == "second"


FORGERIES = {
    "another host": {"host": "gw-evil"},
    "another start": {"started_at": "later"},
    "another claim": {"claim": "stolen"},
    "ended": {"ended_at": "now"},
    "a longer life": {"beat_at": "later"},
    "no seal": {"seal": "0" * 64},
    "a seal beyond ASCII": {"seal": "é" * 32},
}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES)
async def test_a_database_password_claims_no_name(
    world: World, clock: ManualClock, forged: dict[str, object]
) -> None:
    """What was written without the vault's keys neither ends who has the name nor keeps anybody from it, and is told."""
    programs, first = world.services.programs, program(clock)
    await programs.take(first)
    instants = {"later": clock.now() + timedelta(days=1), "now": clock.now()}
    values = {key: instants.get(str(value), value) for key, value in forged.items()}

    async def forge() -> None:
        async with world.services.database.unit_of_work(None, clock) as work:
            await work.connection.execute(update(t.programs).values(values))

    await forge()
    assert [each.proved for each in await programs.list()] == [False]
    naming = await programs.renew(first)
    assert naming.holder is None
    assert naming.forged is not None
    assert [(each.claim, each.proved) for each in await programs.list()] == [("first", True)]
    await forge()
    naming = await programs.take(program(clock, "second"))
    assert naming.holder is None
    assert naming.forged is not None


async def test_an_old_claim_shown_again_ends_nobody(world: World, clock: ManualClock) -> None:
    """The predecessor's row, copied while it lived and written back with its true seal, is written over."""
    programs, before = world.services.programs, program(clock, "before")
    await programs.take(before)
    async with world.services.database.read() as view:
        row = dict((await view.connection.execute(t.programs.select())).mappings().one())
    clock.advance(timedelta(minutes=1))
    first = program(clock)
    await programs.take(first, gone="before")
    async with world.services.database.unit_of_work(None, clock) as work:
        await work.connection.execute(update(t.programs).values(row))
    naming = await programs.renew(first)
    assert naming.holder is None
    assert naming.forged is not None
    assert [each.claim for each in await programs.list()] == ["first"]


async def test_a_missing_row_is_written_again_without_a_word(world: World, clock: ManualClock) -> None:
    """After a restore of the database the row may not be there: its process says again that it lives."""
    programs, first = world.services.programs, program(clock)
    await programs.take(first)
    async with world.services.database.unit_of_work(None, clock) as work:
        await work.connection.execute(text("DELETE FROM programs"))
    naming = await programs.renew(first)
    assert (naming.holder, naming.forged) == (None, None)
    assert await programs.list() == [replace(first, beat_at=clock.now())]


UNREADABLE = {
    "a kind that there is none of": ("kind", "spy"),
    "the end of time": ("started_at", "infinity"),
    "an end before everything": ("ended_at", "-infinity"),
}


@pytest.mark.parametrize("written", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_row_that_nobody_can_read_keeps_nobody_out(
    world: World, clock: ManualClock, written: tuple[str, str]
) -> None:
    """With a database's password, rows can be written that are none: names go on, and so does who lists them."""
    await assert_kept_out_by_nobody(world, clock, *written)


@pytest.mark.parametrize(
    "database_kind", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
async def test_a_row_of_a_year_that_python_has_not_keeps_nobody_out(world: World, clock: ManualClock) -> None:
    """PostgreSQL takes it from whoever has its password; who writes an embedded database has its file."""
    await assert_kept_out_by_nobody(world, clock, "beat_at", "200000-01-01 00:00:00+00")


async def assert_kept_out_by_nobody(world: World, clock: ManualClock, column: str, value: str) -> None:
    """Write what nobody can read into a process's row, and see its name renewed and listed again."""
    programs, first = world.services.programs, program(clock)
    await programs.take(first)
    async with world.services.database.unit_of_work(None, clock) as work:
        await work.connection.execute(text(f"UPDATE programs SET {column} = '{value}'"))  # noqa: S608 - constants
    assert await programs.list() == []
    assert (await programs.renew(first)).holder is None
    assert [each.claim for each in await programs.list()] == ["first"]
