"""What ``ecluse doctor`` says of the journal's collector, at a real rsyslog."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from admin_api.syslog.exporter import READER
from admin_api.syslog.settings import SyslogTransport
from ecluse import settings
from ecluse.diagnosis.collector import collector as look_at
from ecluse.sections import SyslogSection
from policy.clock import Clock, ManualClock, SystemClock
from policy.domain.ids import HospitalId
from policy.i18n import load
from policy.services.bookmarks import BookmarkService
from policy.store.database import Database
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal
from recorder.store.database import Database as TraceDatabase
from tests.support.rsyslog import Collector, collector


def section(running: Collector, **changes: object) -> SyslogSection:
    """What an operator writes of the collector."""
    told = running.settings
    values: Mapping[str, object] = {
        "host": told.host,
        "port": told.port,
        "transport": told.transport,
        "name": told.name,
        "ca": told.authority,
        "certificate": told.certificate,
        "key": told.key,
        **changes,
    }
    return SyslogSection.model_validate(values)


async def findings(config: Path, written: SyslogSection, clock: Clock | None = None) -> dict[str, str]:
    """What is found of each thing; each has its words in both languages."""
    values = settings.load(config).model_copy(update={"syslog": written})
    found = {}
    for symptom in await look_at(values, clock or SystemClock()):
        for saying in (symptom.subject, symptom.finding, symptom.remedy):
            if saying is not None:
                for language in ("fr", "en"):
                    load("ecluse").translate(saying.key, language, timezone="UTC", **saying.arguments)
        found[symptom.subject.key] = symptom.finding.key.rpartition(".")[2]
    return found


async def test_the_collector_is_tried_and_what_waits_for_it_is_counted(config: Path, tmp_path: Path) -> None:
    """Good, without acknowledgement, another name, no certificate shown, gone; and entries that wait too long."""
    assert await findings(config, SyslogSection()) == {}
    with collector(tmp_path / "relp") as relp, collector(tmp_path / "tls", SyslogTransport.TLS) as plain:
        assert await findings(config, section(relp)) == {
            "doctor.collector": "good",
            "doctor.collector_lag": "good",
        }
        assert (await findings(config, section(plain)))["doctor.collector"] == "unacknowledged"
        assert await findings(config, section(relp, name="ailleurs.example")) == {
            "doctor.collector": "untrusted"
        }
        refused = await findings(config, section(relp, certificate=None, key=None))
        assert refused == {"doctor.collector": "untrusted"}
        assert await findings(config, section(relp, ca=Path("missing.pem"))) == {
            "doctor.collector": "unusable"
        }
        await _write(config)
        assert (await findings(config, section(relp)))["doctor.collector_lag"] == "good"
        assert (await findings(config, section(relp), ManualClock(datetime.now(UTC) + timedelta(hours=1))))[
            "doctor.collector_lag"
        ] == "late"
    assert await findings(config, section(relp)) == {"doctor.collector": "unreachable"}


async def _write(config: Path) -> None:
    """Have a gateway write what the collector has not."""
    values = settings.load(config)
    clock = SystemClock()
    policy, traces = await Database.open(values.policy_url()), TraceDatabase(values.trace_url())
    hospital = HospitalId(values.hospital_id)
    await BookmarkService(policy, clock).begin(hospital, READER, timedelta(0))
    event = SecurityEvent(name="access.denied", hospital_id=hospital, at=clock.now())
    await Journal(traces, node="gw-1", now=clock.now).append(event)
    await policy.close()
    await traces.dispose()
