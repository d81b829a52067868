"""The journal at a real rsyslog, each entry once: whatever stops or dies between an entry and its answer.

With the recipe of ``deploy/rsyslog`` nothing is lost and nothing doubled in the collector's files. A plain collector, which
only adds what comes, loses nothing either, and sees one entry twice at most each time.
"""

import asyncio
import signal
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from admin_api.syslog.errors import CollectorUnreachable
from admin_api.syslog.relp import RelpSender
from tests.support.cut_line import line_to
from tests.support.exported_journal import Site, journal_site
from tests.support.rsyslog import Collector, collector
from tests.support.waiting import answered, eventually


@pytest.fixture(scope="module", params=[True, False], ids=["keeper", "plain"])
def relp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that acknowledges: by the recipe, or one that only adds to a file."""
    with collector(tmp_path_factory.mktemp("relp"), keeps=request.param) as running:
        yield running


@pytest.fixture
async def site(tmp_path: Path, relp: Collector) -> AsyncIterator[Site]:
    """A hospital of its own: what the collector heard of others does not count."""
    if relp.process is None:
        relp.start()
    async with journal_site(tmp_path) as made:
        yield made


async def received(relp: Collector, least: int) -> None:
    """Wait until the collector has that many lines."""
    await eventually(lambda: len(relp.lines) >= least)


def doubled(site: Site, relp: Collector) -> int:
    """Return how many entries came twice; every one came, and none more often."""
    came = Counter(site.came(relp.events))
    assert set(came) == set(site.written)
    assert max(came.values()) <= 2
    return sum(came.values()) - len(came)


async def test_a_collector_that_was_away_for_an_hour_misses_nothing_and_gets_nothing_twice(
    site: Site, relp: Collector
) -> None:
    """Stopped in the middle, down for an hour, begun anew: each entry is there once, each writer's in order."""
    running = asyncio.create_task(site.export(relp.settings).run())
    try:
        await site.happen(30)
        await eventually(lambda: len(site.came(relp.events)) == 30)
        await asyncio.to_thread(relp.stop)
        for _ in range(6):
            await site.happen(9)
            site.clock.advance(timedelta(minutes=10))
        await eventually(lambda: bool(site.raised))
        await asyncio.to_thread(relp.start)
        await eventually(lambda: len(site.came(relp.events)) >= 84)
        await eventually(lambda: len(site.raised) == 2)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert doubled(site, relp) == 0
    for number in range(3):
        mine = site.written[number::3]
        assert [one for one in relp.events if one in set(mine)] == mine
    assert [name for name, _ in site.raised] == ["alarm.export_late", "alarm.export_caught_up"]
    assert site.raised[0][1]["seconds"] > relp.settings.late.total_seconds()


async def test_a_line_cut_between_entry_and_answer_leaves_one_entry_in_doubt(
    site: Site, relp: Collector
) -> None:
    """Three answers that never come: each entry is sent again, kept once by the recipe and twice by a plain file."""
    async with line_to(relp.settings.port) as (line, port):
        there = replace(relp.settings, port=port)
        await site.happen(20)
        for _ in range(3):
            sending = site.export(there)
            await sending.step()
            await site.happen(9)
            line.deaf_after, line.breaks_after = 0, 1_000_000
            assert isinstance(sending._sender, RelpSender)
            sending._sender._seconds = 0.5
            before = len(relp.lines)
            with pytest.raises(CollectorUnreachable, match="no answer"):
                await sending.step()
            await sending.close()
            await received(relp, before + 1)
            assert len(relp.lines) == before + 1
            line.deaf_after = None
        await site.drain(there)
    assert doubled(site, relp) == (0 if relp.keeps else 3)


async def test_a_collector_that_is_killed_loses_nothing_that_it_acknowledged(
    site: Site, relp: Collector
) -> None:
    """Killed again and again while it is sent to: what was noted as sent is in its file, the rest comes later."""
    running = asyncio.create_task(site.export(relp.settings).run())
    times = 2
    try:
        for _ in range(times):
            before = len(relp.lines)
            await site.happen(30)
            await received(relp, before + 11)
            await asyncio.to_thread(relp.stop, signal.SIGKILL)
            await site.happen(10)
            await asyncio.to_thread(relp.start)
        await eventually(lambda: set(site.came(relp.events)) == set(site.written))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert doubled(site, relp) <= (0 if relp.keeps else times)


async def test_a_console_that_is_killed_between_answer_and_bookmark_sends_one_entry_again(
    site: Site, relp: Collector, tmp_path: Path
) -> None:
    """The answer is there, the bookmark cannot be written, the console is killed: the next one begins with that entry."""
    async with line_to(relp.settings.port) as (line, port):
        console = await site.export_apart(replace(relp.settings, port=port), tmp_path)
        try:
            await site.happen(3)
            await answered(site.caught_up)
            line.answers.clear()
            await site.happen(1)
            await eventually(lambda: len(site.came(relp.events)) == 4)
            with closing(sqlite3.connect(tmp_path / "policy.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                heard = line.heard
                line.answers.set()
                await eventually(lambda: line.heard > heard)
                console.kill()
                await console.wait()
        finally:
            if console.returncode is None:
                console.kill()
                await console.wait()
    site.clock.advance(timedelta(minutes=1))
    await site.happen(2)
    await site.drain(relp.settings)
    await eventually(lambda: len(set(site.came(relp.events))) == 6)
    assert doubled(site, relp) == (0 if relp.keeps else 1)


async def test_a_console_that_is_told_to_stop_hears_the_answer_to_what_it_sent(
    site: Site, relp: Collector
) -> None:
    """Restarted in the midst of sending: the last entry's answer is waited for, and nothing comes twice anywhere."""
    async with line_to(relp.settings.port) as (line, port):
        there = replace(relp.settings, port=port)
        await site.happen(3)
        running = asyncio.create_task(site.export(there).run())
        await answered(site.caught_up)
        line.answers.clear()
        await site.happen(1)
        await eventually(lambda: len(site.came(relp.events)) == 4)
        running.cancel()
        line.answers.set()
        await asyncio.gather(running, return_exceptions=True)
        await site.drain(there)
    assert doubled(site, relp) == 0
