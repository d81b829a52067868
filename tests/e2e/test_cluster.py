"""Two gateways and a console on one PostgreSQL and one bucket, behind HAProxy: what is killed takes nothing with it."""

import asyncio
import json
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from ecluse.client import ApiClient
from ecluse.demo.ports import free_port
from ecluse.errors import StoreError
from ecluse.migration import Move
from ecluse.selfaudit import advisories
from ecluse.settings import load
from policy.clock import SystemClock
from policy.store.migrations.upgrade import MIGRATIONS as POLICY
from recorder.store.bucket import Bucket
from recorder.store.migrations.upgrade import MIGRATIONS as TRACES
from recorder.trace.place import MANIFEST
from tests.support import s3
from tests.support.cluster import NODES, Cluster, cluster
from tests.support.installed import change, ecluse
from tests.support.newer_schema import Step, newer
from tests.support.restored import Safe, served, verified
from tests.support.ssh_client import Finished, Terminal
from tests.support.stranger import PROGRAM
from tests.support.waiting import answered, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

PROMPT = b"maint@scan01"
LEASE = timedelta(seconds=16)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """The whole installation: one for all, each test leaves it as it found it."""
    async with cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(house: Cluster) -> AsyncIterator[ApiClient]:
    """The console's API, as the security staff uses it."""
    with await house.api() as client:
        yield client


@asynccontextmanager
async def shell(house: Cluster, source: str = "127.0.0.5") -> AsyncIterator[Terminal]:
    """Be on the device by HAProxy from *source*."""
    client = house.client
    login, answers = await house.someone()
    command = client.command(f"{login}+scan01", options=["-tt", "-b", source])
    async with client.terminal(command, answers=answers) as terminal:
        try:
            await terminal.expect(PROMPT)
        except TimeoutError:
            pytest.fail(f"no prompt: {terminal.seen.decode('utf-8', 'replace')}")
        yield terminal


async def ssh(house: Cluster) -> Finished:
    """Run one command on the device by HAProxy."""
    login, answers = await house.someone()
    return await house.client.ssh(f"{login}+scan01", "echo in", answers=answers)


async def said(terminal: Terminal, word: str) -> None:
    """Insist that the session lives: the device's shell says *word*."""
    terminal.send(f"echo {word[0]}''{word[1:]}\r".encode())
    await terminal.expect(word.encode())


async def listed(api: ApiClient, path: str, **query: Any) -> list[dict[str, Any]]:
    """Return what the API lists at *path*."""
    return [dict(item) for item in await asyncio.to_thread(lambda: list(api.items(path, **query)))]


async def until_open(api: ApiClient, state: str, count: int) -> list[dict[str, Any]]:
    """Wait until so many open sessions are in that *state*, and return them."""
    there: list[dict[str, Any]] = []

    async def so_many() -> bool:
        there[:] = [one for one in await listed(api, "/v1/sessions", state="live") if one["state"] == state]
        return len(there) == count

    await answered(so_many)
    return there


async def journal(api: ApiClient, name: str, session: str) -> dict[str, Any]:
    """Wait until the journal tells *name* of that session, and return the entry."""
    return (await answered(lambda: listed(api, "/v1/journal", name=name, session=session)))[0]


async def until_stored(api: ApiClient) -> None:
    """Wait until every gateway says that its traces arrive again: before, no télémaintenance opens."""

    async def arrives() -> bool:
        return bool((await asyncio.to_thread(api.get, "/v1/store"))["reachable"])

    await answered(arrives)


async def whole(api: ApiClient) -> None:
    """Insist that every chain of the journal is as its writers left it."""
    proof = await asyncio.to_thread(api.post, "/v1/journal/verify")
    assert proof["valid"] is True, proof


async def test_sessions_land_on_both_and_one_cut_ends_them(house: Cluster, api: ApiClient) -> None:
    """HAProxy spreads sessions over both gateways with the clients' own addresses; a cut on the console ends all."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(shell(house, "127.0.0.5"))
        second = await stack.enter_async_context(shell(house, "127.0.0.6"))
        live = await until_open(api, "live", 2)
        assert {one["node"] for one in live} == set(NODES)
        assert {one["source"] for one in live} == {"127.0.0.5", "127.0.0.6"}
        for one in live:
            entry = await journal(api, "session.opened", one["id"])
            assert (entry["source"], entry["writer"].split("/")[0]) == (one["source"], one["node"])
        cut = {"scope": "device", "target": live[0]["device_id"], "reason": "Incident 42"}
        await asyncio.to_thread(api.post, "/v1/cuts", cut)
        for terminal in (first, second):
            assert await terminal.wait() != 0
            assert "Incident 42" in terminal.seen.decode()
    await until_open(api, "live", 0)
    for one in live:
        assert (await journal(api, "session.closed", one["id"]))["details"]["reason"] == "cut"


async def test_a_killed_gateway_takes_its_own_sessions_alone(house: Cluster, api: ApiClient) -> None:
    """After kill -9 the other's session goes on and takes the new ones; its own show as lost, and are closed by itself."""
    async with AsyncExitStack() as stack:
        terminals = {
            "127.0.0.5": await stack.enter_async_context(shell(house, "127.0.0.5")),
            "127.0.0.6": await stack.enter_async_context(shell(house, "127.0.0.6")),
        }
        live = {one["node"]: one for one in await until_open(api, "live", 2)}
        dead, other = live["node1"], live["node2"]
        await said(terminals[dead["source"]], "written")
        await house.kill("node1")
        assert await terminals[dead["source"]].wait() == 255
        await said(terminals[other["source"]], "alive")
        again = await ssh(house)
        assert (again.rc, again.stdout) == (0, b"in\n"), again.said
        await house.silent_for("node1", LEASE)
        [lost] = await until_open(api, "lost", 1)
        assert lost["id"] == dead["id"]
        await house.start("node1")
        await until_open(api, "lost", 0)
        await said(terminals[other["source"]], "still")
    await journal(api, "alarm.trace_interrupted", dead["id"])
    closed = await journal(api, "session.closed", dead["id"])
    assert (closed["person"], closed["device"]) == (dead["person_login"], dead["device_name"])
    told = closed["details"]
    assert (told["reason"], told["node"], told["device"]) == ("interrupted", "node1", "scan01")
    ended = await asyncio.to_thread(api.get, f"/v1/sessions/{dead['id']}")
    assert dead["started"] <= told["last_known"] == ended["ended"] < closed["at"]
    proof = await asyncio.to_thread(api.post, f"/v1/traces/{dead['id']}/verify")
    assert proof["valid"] is True, proof
    await until_open(api, "live", 0)
    await whole(api)


async def test_a_killed_console_ends_nothing(house: Cluster, api: ApiClient) -> None:
    """While the console is gone a session goes on and another opens; it comes back and shows both."""
    async with shell(house) as terminal:
        await house.kill("console")
        await said(terminal, "alive")
        other = await ssh(house)
        assert (other.rc, other.stdout) == (0, b"in\n"), other.said
        await house.start("console")
        [live] = await until_open(api, "live", 1)
        assert live["source"] == "127.0.0.5"


async def test_without_postgresql_nothing_opens_and_what_is_open_goes_on(
    house: Cluster, api: ApiClient
) -> None:
    """After kill -9 of the database a session works on and no other opens; it comes back, and no process is restarted."""
    async with shell(house) as terminal:
        [live] = await until_open(api, "live", 1)
        before = {(one["writer"], one["seq"]) for one in await listed(api, "/v1/journal")}
        house.server.kill()
        await said(terminal, "alive")
        place = f"https://127.0.0.1:{load(house.config()).console.port}/console"
        console = await asyncio.to_thread(httpx.get, place, verify=False)
        assert console.status_code == 503, console.text
        refused = await ssh(house)
        assert refused.rc == 255
        assert b"in\n" not in refused.stdout
        await said(terminal, "still")
        house.server.resume()
        async with asyncio.timeout(60):
            while (again := await ssh(house)).rc:
                assert b"in\n" not in again.stdout
        assert again.stdout == b"in\n"
        await said(terminal, "after")
    assert (await journal(api, "session.closed", live["id"]))["details"]["reason"] == "left"
    assert before <= {(one["writer"], one["seq"]) for one in await listed(api, "/v1/journal")}
    await whole(api)
    await until_stored(api)
    logs = {name: (house.folder / f"{name}.log").read_text() for name in (*NODES, "console")}
    assert [name for name, text in logs.items() if "Traceback" in text] == []


async def test_a_network_cut_on_either_side_is_told(house: Cluster, api: ApiClient) -> None:
    """The way to the device, then the client, is gone in mid-session: the session ends, and the journal says by whom."""
    async with shell(house) as terminal:
        [live] = await until_open(api, "live", 1)
        house.line.deaf_after = 0
        terminal.send(b"x")
        assert await terminal.wait() != 0
    assert (await journal(api, "session.closed", live["id"]))["details"]["reason"] == "device"
    house.line.deaf_after = None
    async with shell(house) as terminal:
        [live] = await until_open(api, "live", 1)
        os.kill(terminal.process.pid, signal.SIGKILL)
        await until_open(api, "live", 0)
    assert (await journal(api, "session.closed", live["id"]))["details"]["reason"] == "lost"
    await eventually(lambda: not house.device.processes())


async def test_a_backup_in_the_middle_of_work_is_whole_in_another_database(
    house: Cluster, api: ApiClient, tmp_path: Path
) -> None:
    """Made while a session goes on, restored into an empty database, it holds to the bucket, which is no part of it."""
    safe, archive, data = Safe.made(tmp_path, house.config()), tmp_path / "one.backup", tmp_path / "data"
    await until_stored(api)
    ended = await ssh(house)
    assert ended.rc == 0, ended.said
    async with shell(house) as terminal:
        status, told = await safe.run("make", archive, "--config", house.config(), "--json")
        assert status == 0, told
        assert json.loads(told)["bucket"]["versions"] > 0
        await said(terminal, "alive")
    await until_open(api, "live", 0)
    url = house.server.url(house.server.create())
    status, told = await safe.run(
        "rehearse", archive, tmp_path / "proof.json", "--policy-url", url, "--json", opening=True
    )
    assert status == 0, told
    rehearsed = json.loads(told)
    assert (rehearsed["journal"]["intact"], rehearsed["bucket"]["whole"]) == (True, True), told
    assert rehearsed["bucket"]["manifests"] > 0
    url = house.server.url(house.server.create())
    status, told = await safe.run("restore", archive, data, "--policy-url", url, opening=True)
    assert (status, "is no part of the archive" in told) == (0, True), told
    config = data / "ecluse.toml"
    config.write_text(config.read_text().replace(house.url, url))
    for section in ("gateway", "console"):
        change(config, section, f"port = {free_port()}")
    await asyncio.to_thread(house.make_databases, config, url)
    status, told = await safe.run("compare", "--config", config, "--json")
    compared = json.loads(told)
    assert (status, compared["whole"], compared["refused"]) == (0, True, []), told
    assert compared["entered"], "the session that ended after the backup is not in the catalogue"
    async with hidden_manifest(compared["entered"][0], tmp_path) as key:
        status, told = await safe.run("compare", "--config", config, "--json")
        faults = json.loads(told)
        assert (status, faults["whole"], faults["named"]) == (1, False, {"lost": [key.split("/")[-2]]}), told
    async with served(data):
        with await house.api("rssi", config) as there:
            proof = await verified(there)
    assert (proof["valid"], proof["findings"]) == (True, []), proof


@asynccontextmanager
async def hidden_manifest(session: str, cache: Path) -> AsyncIterator[str]:
    """Hide a session's manifest by a mark of deletion, as whoever holds the console's credentials can; give its key."""
    server = s3.own()
    bucket = Bucket(server.settings(cache, server.console))
    key = next(one.key for one in bucket.kept("") if one.key.endswith(f"{session}/{MANIFEST}"))
    known = set(bucket.versions(key))
    bucket.remove(key)
    yield key
    bucket.delete(set(bucket.versions(key)) - known)


async def test_a_second_gateway_of_one_name_does_not_start(house: Cluster, api: ApiClient) -> None:
    """A copy of a gateway's folder: refused, naming who has the name; who has it serves on, and is back at once if killed."""
    twin = house.folder / "twin"
    await asyncio.to_thread(shutil.copytree, house.config("node2").parent, twin)
    change(twin / "ecluse.toml", "gateway", f"port = {free_port()}")
    async with shell(house) as terminal:
        refused = await asyncio.create_subprocess_exec(
            *PROGRAM, "gateway", "--config", str(twin / "ecluse.toml"), stderr=asyncio.subprocess.PIPE
        )
        _, told = await asyncio.wait_for(refused.communicate(), 60)
        assert refused.returncode == 1
        assert (
            f"node2 is a name of another process (gateway {version('ecluse')} on {socket.gethostname()}, "
            in told.decode()
        )
        assert f"process {house.pid('node2')}, since " in told.decode()
        await said(terminal, "lives")
    await until_open(api, "lost", 0)
    await house.kill("node2")
    log = house.folder / "node2.log"
    before = log.stat().st_size
    await house.start("node2")
    assert b"name.held" not in log.read_bytes()[before:]
    await until_stored(api)


async def test_each_gateway_audits_itself_and_the_console_misses_one_that_does_not(
    house: Cluster, api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one, whose database user reads nothing of the journal: its own port and files, signed by its own key."""
    monkeypatch.setattr(advisories, "program", lambda: None)  # it has tests of its own, and takes seconds
    there = house.config("node2")

    async def asked(*command: str) -> dict[str, Any] | list[dict[str, Any]]:
        done = await asyncio.to_thread(ecluse, *command, "--config", str(there), "--json")
        return json.loads(done.stdout)  # type: ignore[no-any-return]  # what a command prints

    found = {one["check"]: one for one in await asked("doctor") if isinstance(one, dict)}
    assert [one["subject"] for one in found.values() if one["level"] == "failed"] == []
    assert found["doctor.self_audit"]["finding"] == "doctor.self_audit.never"
    assert (await asyncio.to_thread(api.get, "/v1/self-audits"))["silent"] == ["node1", "node2"]
    assert await asked("db", "migrate") == {"migrated": True}
    first = await asked("self-audit", "run")
    second = await asked("self-audit", "run")
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    parts = {one["part"]: one["outcome"] for one in first["parts"]}
    assert list(parts) == ["ssh", "exposure", "files", "advisories", "clock", "machine"]
    assert (parts["ssh"], parts["advisories"]) == ("good", "undone")
    assert second["previous"]["id"] == first["id"]
    told = await asyncio.to_thread(api.get, "/v1/self-audits")
    assert [(one["id"], one["believed"]) for one in told["items"]] == [
        (second["id"], True),
        (first["id"], True),
    ]
    assert told["silent"] == ["node1"]
    found = {one["check"]: one for one in await asked("doctor") if isinstance(one, dict)}
    assert found["doctor.self_audit"]["finding"] in {"doctor.self_audit.good", "doctor.self_audit.findings"}


async def test_a_schema_moves_on_under_everybody_and_the_programs_of_before_start_on_it(
    house: Cluster, api: ApiClient, tmp_path: Path
) -> None:
    """Tomorrow's migrations below a session: it goes on, others come, today's programs start again on it; what takes away waits."""
    await until_stored(api)
    policy = newer(
        *(POLICY, tmp_path / "policy"),
        Step(
            body='op.add_column("people", sa.Column("badge", sa.Integer(), nullable=False, server_default="0"))'
        ),
        Step(body='create_index("ix_sessions_source", "sessions", ["hospital_id", "source"])'),
        Step(
            body='op.drop_column("people", "email")',
            kind="contract",
            unused_since=f"{int(POLICY.head) + 1:04}",
        ),
    )
    traces = newer(
        *(TRACES, tmp_path / "traces"),
        Step(body='op.add_column("sessions_opened", sa.Column("ticket", sa.Text()))'),
    )
    with pytest.raises(StoreError, match="on the console's machine"):
        await Move(load(house.config("node2")), SystemClock(), policy, traces).run()
    move = Move(load(house.config()), SystemClock(), policy, traces, patience=timedelta(0))
    async with shell(house) as terminal:
        with pytest.raises(StoreError) as held:
            await move.run()
        said_of = str(held.value)
        named = [
            name
            for name in ("gateway node1", "gateway node2", "console node1-console")
            if f"{name} (" in said_of
        ]
        assert len(named) == 3, said_of
        state = await move.state()
        assert [str(each.kind) for each in state.policy.pending] == ["contract"]
        assert state.traces.pending == ()
        await said(terminal, "alive")
        came = await ssh(house)
        assert came.stdout == b"in\n", came.said
        for name in ("node2", "console"):
            await house.kill(name)
            await house.start(name)
        await until_stored(api)
