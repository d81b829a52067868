"""Both databases of an installation brought forward: what only adds at once, what takes away when nobody uses it."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ecluse import migration, settings
from ecluse.errors import StoreError
from ecluse.migration import Move, User
from policy.clock import ManualClock, SystemClock
from policy.domain.programs import Program, ProgramKind
from policy.services.programs import ProgramService
from policy.store.database import Database
from policy.store.migrations.upgrade import MIGRATIONS as POLICY
from policy.vault.keyring import Keyring
from recorder.store.migrations.upgrade import MIGRATIONS as TRACES
from tests.support.installed import ecluse
from tests.support.newer_schema import Step, newer

CLOCK = SystemClock()
NEXT, AFTER, LAST = (f"{int(POLICY.head) + step:04}" for step in (1, 2, 3))
ADDS = Step(body='op.add_column("hospitals", sa.Column("motto", sa.Text()))')
TAKES = Step(body="pass", kind="contract", unused_since=NEXT)


class Installation:
    """An installation whose next version adds a column, then takes away what it replaced, then adds again."""

    def __init__(self, config: Path, folder: Path, database: Database) -> None:
        """Be the one of *config*."""
        self.settings = settings.load(config)
        policy = newer(POLICY, folder / "policy", ADDS, TAKES, Step(body="pass"))
        traces = newer(TRACES, folder / "traces", Step(body="pass"))
        self.move = Move(self.settings, CLOCK, policy, traces, patience=timedelta(0))
        keyring = Keyring.load(self.settings.keyring)
        self.database = database
        self.programs = ProgramService(database, keyring, CLOCK, timedelta(seconds=15))

    async def program(self, node: str = "node1", schema: str = POLICY.head) -> Program:
        """Be a gateway that runs and knows *schema*."""
        now = CLOCK.now()
        program = Program(
            kind=ProgramKind.GATEWAY,
            node=node,
            claim=node,
            host="gw-a",
            pid=812,
            version="0.1.0",
            policy_schema=schema,
            trace_schema=TRACES.head,
            started_at=now,
            beat_at=now,
        )
        await self.programs.take(program)
        return program

    async def revision(self) -> str | None:
        """Where policy's database stands."""
        return (await self.move.state()).policy.revision


@pytest.fixture
async def house(config: Path, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation of today, whose silent programs are not waited for."""
    database = await Database.open(settings.load(config).policy_url())
    yield Installation(config, tmp_path / "tomorrow", database)
    await database.close()


async def test_what_takes_away_waits_for_who_uses_it(house: Installation) -> None:
    """What comes before it is done, in both databases; the refusal names the program and its version; ended, it goes on."""
    program = await house.program()
    with pytest.raises(StoreError) as held:
        await house.move.run()
    assert held.value.key == "db.held"
    assert held.value.arguments["revision"] == AFTER
    assert held.value.arguments["programs"] == "gateway node1 (0.1.0, gw-a, 812)"
    state = await house.move.state()
    assert state.policy.revision == NEXT
    assert state.traces.pending == ()
    await house.database.check()
    with pytest.raises(StoreError):
        await house.move.run(after_all_upgraded=True)  # who says its version is believed, not the option
    await house.programs.release(program)
    await house.move.run()
    assert await house.revision() == LAST


async def test_a_program_that_no_longer_uses_what_goes_holds_nothing(house: Installation) -> None:
    """One that knows the revision since which nobody uses it goes on below it."""
    await house.program(schema=NEXT)
    await house.move.run()
    assert await house.revision() == LAST


async def test_a_dead_program_is_waited_for_and_then_given_up(
    house: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed a moment ago, it looks alive for a lease: the command waits, says for whom, and goes on."""
    clock = ManualClock(CLOCK.now())
    waited: list[str] = []
    monkeypatch.setattr(migration, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(house.move, "_patience", timedelta(minutes=1))
    monkeypatch.setattr(house.move, "_clock", clock)
    await house.program()

    def waiting(users: Sequence[User]) -> None:
        waited.extend(map(str, users))
        clock.advance(timedelta(seconds=16))

    await house.move.run(waiting=waiting)
    assert waited == ["gateway node1 (0.1.0, gw-a, 812)"]
    assert await house.revision() == LAST


async def test_beside_running_programs_what_this_version_can_do_without_may_wait(house: Installation) -> None:
    """Once the additions are there, what goes waits for who uses it, and whoever updates a machine goes on."""
    await house.program()
    with pytest.raises(StoreError, match="the programs have to stop first"):
        await house.move.run(while_running=True)
    assert await house.revision() == POLICY.head
    only = newer(POLICY, house.settings.data_dir / "next", ADDS, TAKES)
    await Move(house.settings, CLOCK, newer(POLICY, house.settings.data_dir / "first", ADDS)).run()
    move = Move(house.settings, CLOCK, only, patience=timedelta(0))
    await move.run(while_running=True)
    state = await move.state()
    assert ([each.revision for each in state.policy.pending], state.policy.obstacle) == ([AFTER], None)


async def test_a_database_password_holds_up_nothing(house: Installation) -> None:
    """A program that was written in without the vault's keys is shown, and not believed."""
    program = await house.program()
    async with house.database.unit_of_work(None, CLOCK) as work:
        await work.programs.put(replace(program, beat_at=CLOCK.now() + timedelta(days=1)), "0" * 64)
    (user,) = (await house.move.state()).users
    assert user.program is not None
    assert (user.program.proved, user.alive) == (False, False)
    await house.move.run()
    assert await house.revision() == LAST


async def test_a_gateway_that_says_no_version_holds_up_what_takes_away(house: Installation) -> None:
    """A gateway from before programs said theirs gives signs of life all the same: the operator has to answer for it."""
    async with house.database.unit_of_work(None, CLOCK) as work:
        await work.leases.beat("node9", CLOCK.now())
    with pytest.raises(StoreError) as held:
        await house.move.run()
    assert held.value.arguments["programs"] == "gateway node9"
    await house.move.run(after_all_upgraded=True)
    assert await house.revision() == LAST


async def test_without_the_vault_s_keys_everybody_is_believed(
    house: Installation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the command runs without a keyring it cannot tell true from false, and waits for whoever is written there."""
    await house.program()
    absent = house.settings.model_copy(update={"keyring": tmp_path / "none"})
    monkeypatch.setattr(house.move, "_settings", absent)
    with pytest.raises(StoreError, match="takes away what these still use: gateway node1"):
        await house.move.run()


async def test_the_status_tells_where_both_databases_stand(config: Path, house: Installation) -> None:
    """For scripts and for people: revision, what is pending, and who runs; exit code 0 where all can be used."""
    await house.program()
    found = await asyncio.to_thread(ecluse, "db", "status", "--json", "--config", str(config))
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert (told["policy"]["revision"], told["policy"]["pending"]) == (POLICY.head, [])
    assert told["traces"]["revision"] == TRACES.head
    (program,) = told["programs"]
    assert (program["node"], program["version"], program["policy_schema"]) == ("node1", "0.1.0", POLICY.head)
    assert program["alive"]
    assert "claim" not in program
    french = await asyncio.to_thread(ecluse, "db", "status", "--config", str(config), language="fr")
    shown = french.stdout.replace("\xa0", " ")
    assert f"base des droits : schéma {POLICY.head}" in shown
    assert "en marche : gateway node1 (0.1.0, gw-a, 812)" in shown


async def test_the_status_tells_what_is_pending_and_what_is_newer(config: Path, house: Installation) -> None:
    """A database that a newer version narrowed: its migration is told, the way out, and exit code 1."""
    state = await house.move.state()
    assert [(each.revision, str(each.kind)) for each in state.policy.pending] == [
        (NEXT, "expand"),
        (AFTER, "contract"),
        (LAST, "expand"),
    ]
    await house.move.run()
    found = await asyncio.to_thread(ecluse, "db", "status", "--json", "--config", str(config))
    assert found.exit_code == 1
    told = json.loads(found.stdout)["policy"]
    assert [each["revision"] for each in told["newer"]] == [NEXT, AFTER, LAST]
    assert f"migration {AFTER} took away" in told["obstacle"]
    refused = await asyncio.to_thread(ecluse, "db", "migrate", "--config", str(config))
    assert refused.exit_code == 1
    assert f"migration {AFTER} took away" in refused.stderr
