"""The journal at a real rsyslog: what comes there, as what, and nobody else's certificate believed."""

import json
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from admin_api.syslog.errors import CollectorUntrusted, ExportError
from admin_api.syslog.exporter import READER, open_sender
from admin_api.syslog.senders import trust
from admin_api.syslog.settings import SyslogPayload, SyslogTransport
from tests.support.api_house import START
from tests.support.exported_journal import Site, journal_site
from tests.support.pki import Authority
from tests.support.rsyslog import Collector, client_certificate, collector
from tests.support.waiting import eventually

HOSTILE = 'ligne 1\nligne 2\r<13>1 - forged - - - -\x1b]0;x\x07|a=b\\c] "é\u2028'


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
    async with journal_site(tmp_path) as made:
        yield made


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
        await eventually(lambda: len(site.came(plain.events)) == 30)
        assert Counter(site.came(plain.events)) == Counter(site.written)
    with pytest.raises(ExportError, match=r"(?i)refused"):
        await open_sender(plain.settings, trust(plain.settings))
