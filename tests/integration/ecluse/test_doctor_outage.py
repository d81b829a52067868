"""What ``ecluse doctor`` says of a store that the gateway cannot reach, and of the room for what waits."""

from datetime import UTC, datetime
from pathlib import Path

from ecluse import settings
from ecluse.diagnosis.files import outage
from recorder.capture.outage import Outage, remember

SINCE = datetime(2026, 11, 29, 6, 48, tzinfo=UTC)


def findings(config: Path) -> list[tuple[str, str]]:
    """What is found, and how bad."""
    return [(one.finding.key, one.level.value) for one in outage(settings.load(config))]


def may_wait(config: Path, size: int) -> None:
    """Set the quota, and let what is to be left free be nothing."""
    text = f"\n[recorder]\nspool_quota_bytes = {size}\nmin_free_bytes = 1\n"
    config.write_text(config.read_text() + text)


def test_an_outage_is_told_with_since_when_and_why(config: Path) -> None:
    """While the gateway's spool remembers an outage, doctor fails with it; once it is over, all is well."""
    may_wait(config, 1 << 20)
    spool = settings.load(config).spool
    spool.mkdir(parents=True, exist_ok=True)
    assert findings(config) == [("doctor.outage.good", "good")]
    remember(spool, Outage(SINCE, "StoreForbidden", "the bucket forbids PutObject"))
    (symptom,) = outage(settings.load(config))
    assert (symptom.finding.key, symptom.level.value) == ("doctor.outage.unreachable", "failed")
    assert symptom.finding.arguments["since"] == "2026-11-29 06:48 UTC"
    assert symptom.finding.arguments["why"] == "the bucket forbids PutObject"
    remember(spool, None)
    assert findings(config) == [("doctor.outage.good", "good")]


def test_a_quota_beyond_the_disk_is_noticed(config: Path) -> None:
    """What the disk cannot hold is no promise."""
    settings.load(config).spool.mkdir(parents=True, exist_ok=True)
    may_wait(config, 1 << 60)
    assert findings(config) == [("doctor.outage.small", "notice")]
