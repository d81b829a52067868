"""From SQLite to PostgreSQL, and a session there: the real command, the real processes, each with its own role."""

import asyncio
import json
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from sqlalchemy import func, select, text

from ecluse import database_roles, grants, settings
from ecluse.demo.device import DemoDevice
from ecluse.presence import announced
from policy.clock import SystemClock
from policy.domain.tasks import TaskKind, TaskState
from policy.services import build
from policy.vault.secret import Secret
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal, JournalFilters
from recorder.search.hits import Search
from recorder.search.index import SearchIndex
from recorder.search.query import parse
from recorder.search.rendering import State
from recorder.store.catalog import Catalog, SessionFilters
from recorder.store.database import Database
from tests.support import postgres
from tests.support.installation import Installation
from tests.support.installed import change, doctor, ecluse, install
from tests.support.policy_world import World, make_world
from tests.support.raw_client import Answering
from tests.support.stranger import Authenticator
from tests.support.traces import header
from tests.support.waiting import answered, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]


class House(Installation):
    """An installation filled through the services: a hospital, a device, sessions and a journal."""

    world: World

    async def fill(self, device: DemoDevice) -> None:
        """Make it with its databases in SQLite."""
        await asyncio.to_thread(install, self.data)
        text_before = self.config.read_text()
        old = settings.load(self.config)
        self.ssh_port, self.api_port = old.gateway.port, old.console.port
        (self.data / "policy.db").unlink()
        self.world = await make_world(
            old.policy_url(),
            SystemClock(),
            keyring_directory=old.keyring,
            address=device.host,
            port=device.port,
            host_key=device.host_key_public,
            secret=Secret(device.account.password or ""),
        )
        await self.world.services.close()
        self.config.write_text(text_before.replace(old.hospital_id, self.world.id))
        database = Database(old.trace_url())
        try:
            for number in range(3):
                journal = Journal(database, node=f"node{number}", now=SystemClock().now)
                events = [
                    SecurityEvent(name=name, hospital_id=self.world.id, at=SystemClock().now())
                    for name in ("session.opened", "session.closed") * 300
                ]
                await asyncio.gather(*(journal.append(event) for event in events))
                await Catalog(database).opened(header(f"{number}" * 32, hospital_id=self.world.id))
        finally:
            await database.dispose()

    @asynccontextmanager
    async def connected(
        self, user: str, answers: Sequence[str]
    ) -> AsyncIterator[asyncssh.SSHClientConnection]:
        """Log in."""
        async with asyncssh.connect(
            "127.0.0.1", self.ssh_port, username=user, client_factory=lambda: Answering(answers),
            config=None, agent_path=None, known_hosts=None, client_keys=None,
        ) as connection:  # fmt: skip
            yield connection


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A filled installation on SQLite, and the device that its technicians work on."""
    device = await DemoDevice.start(tmp_path / "scan01", "scan01")
    try:
        made = House(tmp_path)
        await made.fill(device)
        yield made
    finally:
        await device.stop()


def move(config: Path, url: str, *further: str) -> Any:
    """Run ``ecluse db migrate-to``."""
    return ecluse("db", "migrate-to", url, *further, "--config", str(config))


def psql(url: str, script: Path) -> None:
    """Run *script* in the database at *url*, as its administrator would."""
    subprocess.run(["psql", "-X", "-q", "-d", url, "-f", str(script)], check=True, capture_output=True)


async def emptied(url: str) -> bool:
    """Tell whether nothing, no table even, is in the database at *url*."""
    async with database_roles.connected(url) as connection:
        found = await connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))
        return int(found.scalar_one()) == 0


async def test_everything_moves_and_the_processes_go_on_there(house: House) -> None:
    """Policy, catalogue and journal arrive whole; with the printed settings a session passes, each process its role."""
    server = postgres.shared()
    policy_url, traces_url = server.url(server.create()), server.url(server.create())
    before = (house.data / "policy.db").read_bytes()
    done = await asyncio.to_thread(move, house.config, policy_url, "--traces-url", traces_url, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["journal"] == {"intact": True, "entries": 1803, "chains": 3}
    assert (told["rows"]["people"], told["rows"]["sessions_opened"]) == (5, 3)
    assert (house.data / "policy.db").read_bytes() == before
    again = await asyncio.to_thread(move, house.config, policy_url, "--traces-url", traces_url)
    assert again.exit_code == 1
    assert "already has rows" in again.output
    script = house.folder / "roles.sql"
    script.write_text(grants.script())
    for url in (policy_url, traces_url):
        await asyncio.to_thread(psql, url, script)
    for section, values in told["settings"].items():
        for key, value in values.items():
            change(house.config, section, f"{key} = {json.dumps(value)}")
    assert (await asyncio.to_thread(ecluse, "db", "migrate", "--config", str(house.config))).exit_code == 0
    codes = Authenticator(house.world.totp_secrets["alice"].reveal())
    password = house.world.passwords["alice"].reveal()
    owner = await build(
        house.world.services.settings.__class__(
            database_url=policy_url, keyring_directory=house.world.services.settings.keyring_directory
        ),
        SystemClock(),
    )
    try:
        async with house.served():
            await worked(house, [password, codes.code()], [password, codes.code()])
            await fetched(house, owner)
            await searched(house)
            found = await asyncio.to_thread(doctor, house.config)
        for store in ("policy", "traces"):
            assert found[f"doctor.database_roles.good users of the {store} database"]
    finally:
        await owner.close()
    await recorded(house, traces_url)


async def worked(house: House, for_session: Sequence[str], for_commands: Sequence[str]) -> None:
    """Work on the device, then type every command that writes, on PostgreSQL as the gateway's user."""
    async with house.connected("alice+scan01", for_session) as connection:
        ended = await connection.run("echo here", check=False)
        assert (ended.exit_status, ended.stdout) == (0, "here\n"), ended.stderr
    async with house.connected("alice", for_commands) as connection:

        async def typed(line: str) -> str:
            ended = await connection.run(line, check=False)
            assert ended.exit_status == 0, (line, ended.stdout, ended.stderr)
            return str(ended.stdout)

        asked = json.loads(await typed("ask scan01 --from tomorrow 20:00 --to +2h --why essai --json"))
        await typed(f"withdraw {asked['id'][:8]}")
        await typed("extend 30 scan01 --why encore")
        for _ in range(2):
            await typed("report scan01 --goal reached --what fait")
        for line in ("list", "windows", "keys", "why scan01", "ssh-config"):
            await typed(line)


async def fetched(house: House, owner: Any) -> None:
    """Let the gateway do a device task that the hospital asked for."""
    dsi, hospital = house.world.who("dsi"), house.world.id
    task = await owner.device_tasks.request(
        dsi, hospital, kind=TaskKind.FETCH_HOST_KEYS, device_id=house.world.device.id
    )

    async def done() -> bool:
        found = await owner.device_tasks.get(dsi, hospital, task.id)
        assert found.state is not TaskState.FAILED, found
        return bool(found.state is TaskState.DONE)

    await answered(done)


async def searched(house: House) -> None:
    """Wait until the console has opened the sealed trace with its reader's key, and find what was on screen."""
    index = SearchIndex(house.data / "search", house.world.id)
    await eventually(lambda: index.counts()[State.INDEXED] > 0)
    commands = index.search(Search(query=parse('"echo here" kind:command'), whom={})).found
    assert [hit.facts["person_login"] for hit in commands] == ["alice"]
    assert index.search(Search(query=parse("here kind:screen"), whom={})).found


async def recorded(house: House, traces_url: str) -> None:
    """Look for the session in catalogue and journal."""
    database = Database(traces_url)
    try:
        page = await Catalog(database).sessions(SessionFilters(hospital_id=house.world.id))
        newest = page.sessions[0]
        assert newest.header.person["login"] == "alice"
        assert newest.closing is not None
        journal = Journal(database, node="test", now=SystemClock().now)
        filters = JournalFilters(hospital_id=house.world.id, session_id=newest.header.session_id)
        names = {entry.event.name for entry in (await journal.entries(filters)).entries}
        assert {"session.opened", "session.closed"} <= names
        assert (await journal.verify()).intact
    finally:
        await database.dispose()


async def test_what_cannot_be_moved_whole_leaves_nothing(house: House) -> None:
    """A running process, a writer, a row that PostgreSQL cannot hold: refused by name, and the target stays empty."""
    server = postgres.shared()
    url = server.url(server.create())
    with announced(house.data / "run", "gateway", 1):
        running = await asyncio.to_thread(move, house.config, url)
    assert "gateway of this installation is running" in running.output
    assert await emptied(url)
    with sqlite3.connect(house.data / "traces.db") as raw:
        raw.execute("UPDATE sessions_opened SET node = ? WHERE session_id = ?", ("no\0de", "1" * 32))
    raw.close()
    refused = await asyncio.to_thread(move, house.config, url)
    assert refused.exit_code == 1
    assert "refuses sessions_opened" in refused.output
    assert await emptied(url)
    holder = sqlite3.connect(house.data / "traces.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    busy = await asyncio.to_thread(move, house.config, url)
    holder.close()
    assert "cannot be locked" in busy.output
    for wrong, why in (
        ("sqlite:////tmp/x.db", "is SQLite"),
        ("postgresql://u:secret@h/db", "password"),
        (url.replace("/ecluse_", "/absent_"), "cannot be reached"),
    ):
        answer = await asyncio.to_thread(move, house.config, wrong)
        assert answer.exit_code == 1
        assert why in answer.output
        assert "secret" not in answer.output.replace(wrong, "")


async def test_a_journal_broken_before_moves_as_it_is(house: House) -> None:
    """Evidence of a break is not mended and not lost: it is moved, and told."""
    with sqlite3.connect(house.data / "traces.db") as raw:
        raw.execute("DELETE FROM journal_entries WHERE seq = 5 AND writer LIKE 'node1/%'")
    raw.close()
    server = postgres.shared()
    url = server.url(server.create())
    done = await asyncio.to_thread(move, house.config, url)
    assert done.exit_code == 0, done.output
    assert "broken before the move, at entry 5" in done.stdout
    async with database_roles.connected(url) as connection:
        table = grants.TRACES.metadata.tables["journal_entries"]
        assert (await connection.execute(select(func.count()).select_from(table))).scalar_one() == 1802
        last = (await connection.execute(text("SELECT nextval('outbox_position_seq')"))).scalar_one()
    with sqlite3.connect(house.data / "policy.db") as raw:
        [given] = raw.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
    raw.close()
    assert last == given + 1
