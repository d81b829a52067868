"""The journal at a real rsyslog: nothing lost, nothing doubled, and nobody else's certificate believed."""

import asyncio
import json
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from admin_api.syslog.errors import CollectorUnreachable, CollectorUntrusted, ExportError
from admin_api.syslog.exporter import READER, JournalExport, open_sender
from admin_api.syslog.senders import trust
from admin_api.syslog.settings import SyslogPayload, SyslogSettings, SyslogTransport
from policy.clock import ManualClock
from recorder.audit.events import SecurityEvent
from recorder.audit.feed import JournalFeed
from recorder.audit.journal import Journal
from recorder.store.database import Database
from tests.support.api_house import START
from tests.support.cut_line import line_to
from tests.support.pki import Authority
from tests.support.policy_world import World, make_world
from tests.support.rsyslog import Collector, client_certificate, collector
from tests.support.schemas import trace_schema
from tests.support.waiting import eventually

HOSTILE = 'ligne 1\nligne 2\r<13>1 - forged - - - -\x1b]0;x\x07|a=b\\c] "é\u2028'


class Site:
    """A hospital's journal, with several writers, and its exports."""

    def __init__(self, world: World, database: Database, clock: ManualClock) -> None:
        """Begin empty."""
        self.world = world
        self.clock = clock
        self.feed = JournalFeed(database, world.id, ())
        self.writers = [Journal(database, node=f"gw-{number}", now=clock.now) for number in range(3)]
        self.raised: list[tuple[str, dict[str, Any]]] = []
        self.written: list[str] = []

    async def happen(self, count: int, **more: object) -> None:
        """Write *count* entries, by each writer in turn."""
        for number in range(count):
            event = SecurityEvent(
                name="access.denied",
                hospital_id=self.world.id,
                at=self.clock.now(),
                person_id=self.world.who("alice"),
                device_id=self.world.device.id,
                **more,  # type: ignore[arg-type]  # the test's own values
            )
            await self.writers[number % len(self.writers)].append(event)
            self.written.append(event.event_id)

    def export(self, settings: SyslogSettings, holder: str = "console") -> JournalExport:
        """A console that has just started."""
        return JournalExport(
            self.world.services,
            self.feed,
            self.world.id,
            settings,
            self.clock,
            holder,
            lambda name, facts: self.raised.append((name, facts)),
            interval=0.05,
        )

    async def drain(self, settings: SyslogSettings) -> None:
        """Send everything, and hang up. Raises ExportError."""
        sending = self.export(settings)
        try:
            while await sending.step():
                pass
        finally:
            await sending.close()

    def came(self, events: list[str]) -> list[str]:
        """Those of *events* that the test wrote, in their order; writers open their chains with an entry more."""
        mine = set(self.written)
        return [one for one in events if one in mine]


@pytest.fixture(scope="module")
def relp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that acknowledges."""
    with collector(tmp_path_factory.mktemp("relp")) as running:
        yield running


@pytest.fixture
async def site(tmp_path: Path, relp: Collector) -> AsyncIterator[Site]:
    """A hospital of its own, and a collector that has heard nothing of it."""
    (relp.folder / "journal.log").unlink(missing_ok=True)
    if relp.process is None:
        relp.start()
    else:
        relp.process.send_signal(signal.SIGHUP)  # it opens its file anew
    clock = ManualClock(START)
    url = f"sqlite:///{tmp_path}/traces.db"
    await trace_schema(url)
    database = Database(url)
    world = await make_world(f"sqlite:///{tmp_path}/policy.db", clock, keyring_directory=tmp_path / "keyring")
    yield Site(world, database, clock)
    await world.close()
    await database.dispose()


async def test_a_collector_that_was_away_misses_nothing_and_gets_nothing_twice(
    site: Site, relp: Collector
) -> None:
    """Stopped in the middle, down for an hour, begun anew: each entry is there once, each writer's in order."""
    running = asyncio.create_task(site.export(relp.settings).run())
    try:
        await site.happen(60)
        await eventually(lambda: len(site.came(relp.events)) == 60, 20)
        await asyncio.to_thread(relp.stop)
        await site.happen(60)
        site.clock.advance(timedelta(hours=1))
        await site.happen(60)
        await eventually(lambda: bool(site.raised), 20)
        await asyncio.to_thread(relp.start)
        await eventually(lambda: len(site.came(relp.events)) >= 180, 30)
        await eventually(lambda: len(site.raised) == 2, 20)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert Counter(site.came(relp.events)) == Counter(site.written)
    for number in range(3):
        mine = site.written[number::3]
        assert [one for one in relp.events if one in set(mine)] == mine
    assert [name for name, _ in site.raised] == ["alarm.export_late", "alarm.export_caught_up"]
    assert site.raised[0][1]["seconds"] >= 3600


async def test_a_collector_that_dies_loses_nothing_that_it_acknowledged(site: Site, relp: Collector) -> None:
    """Killed again and again while it is sent to: what was noted as sent is in its file, the rest comes later."""
    running = asyncio.create_task(site.export(relp.settings).run())
    try:
        for _ in range(2):
            await site.happen(90)
            await eventually(lambda: bool(site.came(relp.events)), 20)
            await asyncio.to_thread(relp.stop, signal.SIGKILL)
            await site.happen(30)
            await asyncio.to_thread(relp.start)
        await eventually(lambda: set(site.came(relp.events)) == set(site.written), 30)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_line_cut_between_message_and_answer_doubles_nothing_by_its_identifier(
    site: Site, relp: Collector
) -> None:
    """What arrived unacknowledged is sent again with the same identifier: the operator's recipe leaves each once."""
    async with line_to(relp.settings.port) as (line, port):
        there = replace(relp.settings, port=port, answer_seconds=5.0)
        await site.happen(30)
        await site.drain(there)
        await site.happen(120)
        line.deaf_after, line.breaks_after = 8_000, 16_000
        with pytest.raises(CollectorUnreachable):
            await site.drain(there)
        line.deaf_after = None
        await site.drain(there)
        assert line.connections == 3
    events = site.came(relp.events)
    assert set(events) == set(site.written)
    twice = [one for one, count in Counter(events).items() if count > 1]
    assert 0 < len(twice) <= relp.settings.window
    assert max(Counter(events).values()) == 2
    recipe = r"""awk 'match($0, /event_id="[0-9a-f]+"/) && !seen[substr($0, RSTART, RLENGTH)]++'"""
    command = f"{recipe} {relp.folder}/journal.log"
    kept = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE)
    said, _ = await kept.communicate()
    once = site.came(re.findall(r'event_id="([0-9a-f]{32})"', said.decode()))
    assert Counter(once) == Counter(site.written)


async def test_a_console_that_dies_after_sending_sends_again_from_its_bookmark(
    site: Site, relp: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the bookmark could not be moved, the entries come again, under the same identifiers; none is left out."""
    await site.happen(20)

    async def never(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as broken:
        broken.setattr(site.world.services.bookmarks, "move", never)
        with pytest.raises(asyncio.CancelledError):
            await site.drain(relp.settings)
    await site.drain(relp.settings)
    await eventually(lambda: len(site.came(relp.events)) == 40)
    assert set(Counter(site.came(relp.events)).values()) == {2}
    await site.happen(5)
    await site.drain(relp.settings)
    await eventually(lambda: set(site.written) == set(relp.events) & set(site.written))


async def test_hostile_entries_stay_one_line_each_and_within_their_bounds(
    site: Site, relp: Collector
) -> None:
    """Line breaks, forged headers, control codes and 100 KB come as data, in JSON and in CEF."""
    details = {
        "login": HOSTILE,
        "long": "x" * 100_000,
        HOSTILE: [HOSTILE] * 200,
        "deep": {"a": {"b": {"c": {"d": {"e": {}}}}}},
    }
    await site.happen(3, details=details, source=HOSTILE)
    await site.drain(relp.settings)
    before = len(relp.lines)
    await site.happen(3, details=details, source=HOSTILE)
    await site.drain(replace(relp.settings, payload=SyslogPayload.CEF))
    await eventually(lambda: len(site.came(relp.events)) == 6)
    assert len(relp.lines) == before + 3
    for line in relp.lines:
        assert len(line.encode()) <= relp.settings.longest
        assert not re.search(r"[\x00-\x1f\x7f\u2028]", line)
        assert not line.startswith("<13>")
    told = [json.loads(line.partition("] ")[2]) for line in relp.lines[:before] if "access.denied" in line]
    assert {(one["person"], one["device"]) for one in told} == {("alice", "scan01")}
    assert told[0]["details"]["login"] == HOSTILE
    [cef, *_] = [line for line in relp.lines[before:] if "CEF:0|" in line]
    assert "suser=alice dhost" not in cef
    assert "suser=alice" in cef
    assert re.search(r"CEF:0\|Ecluse\|Ecluse\|[^|]+\|access\.denied\|access\.denied\|6\|", cef)


async def test_a_collector_of_another_name_or_authority_gets_nothing(
    site: Site, relp: Collector, tmp_path: Path
) -> None:
    """A certificate for another name, and one of another CA, end the connection before anything is said."""
    await site.happen(1)
    other = tmp_path / "other.pem"
    other.write_text(Authority("Autre", START).pem)
    for settings, word in (
        (replace(relp.settings, name="ailleurs.example"), "mismatch"),
        (replace(relp.settings, authority=other), "unable to get"),
    ):
        with pytest.raises(CollectorUntrusted, match=f"(?i){word}"):
            await site.drain(settings)
    assert site.came(relp.events) == []
    assert (await site.world.services.bookmarks.get(site.world.id, READER)) == {}


async def test_a_collector_that_does_not_know_us_is_said_to_refuse_our_certificate(
    site: Site, relp: Collector, tmp_path: Path
) -> None:
    """Without a certificate, and with a stranger's, the sentence names the certificate shown."""
    await site.happen(1)
    stranger = client_certificate(tmp_path, Authority("Inconnue", START), "ecluse-console")
    for settings in (
        replace(relp.settings, certificate=None, key=None),
        replace(relp.settings, certificate=stranger.with_suffix(".pem"), key=stranger.with_suffix(".key")),
    ):
        with pytest.raises(CollectorUntrusted):
            await site.drain(settings)
    assert site.came(relp.events) == []


async def test_one_console_sends_and_another_takes_over(site: Site, relp: Collector) -> None:
    """Two at once send nothing twice; the second goes on once the first has been silent for its lease."""
    first, second = site.export(relp.settings, "a"), site.export(relp.settings, "b")
    try:
        await site.happen(10)
        assert await first.step() > 0
        await site.happen(10)
        assert await second.step() == 0
        site.clock.advance(timedelta(minutes=1))
        assert await second.step() > 0
        assert await first.step() == 0
    finally:
        await first.close()
        await second.close()
    await eventually(lambda: len(site.came(relp.events)) == 20)


async def test_an_export_begins_with_the_last_day_or_with_the_first_entry(
    site: Site, relp: Collector
) -> None:
    """What happened long before the collector was named is passed over, unless all of it is asked for."""
    await site.happen(3)
    site.clock.advance(timedelta(days=3))
    await site.happen(3)
    await site.drain(relp.settings)
    await eventually(lambda: bool(relp.events))
    assert site.came(relp.events) == site.written[3:]


async def test_a_collector_without_relp_gets_the_same_over_plain_tls(site: Site, tmp_path: Path) -> None:
    """Octet counting (RFC 5425): real rsyslog, mutual TLS; a closed port is said to be unreachable."""
    with collector(tmp_path / "tls", SyslogTransport.TLS) as plain:
        await site.happen(30)
        await site.drain(plain.settings)
        await eventually(lambda: len(site.came(plain.events)) == 30, 20)
        assert Counter(site.came(plain.events)) == Counter(site.written)
    with pytest.raises(ExportError, match=r"(?i)refused"):
        await open_sender(plain.settings, trust(plain.settings))
