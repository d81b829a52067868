"""The self-audit: when this machine, and each that it knows of, was last audited, and whether rule T4 holds."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from admin_api.selfaudit import history
from admin_api.selfaudit.report import Outcome, Report
from ecluse import composition
from ecluse.diagnosis.databases import opened, opened_traces, policy_is_absent, traces_are_absent
from ecluse.diagnosis.symptom import Check, Level, Symptom, look
from ecluse.errors import SettingsError
from ecluse.selfaudit.memory import recall
from ecluse.selfaudit.signers import known, own_key
from ecluse.settings import Settings
from policy.clock import Clock
from policy.domain.ids import HospitalId
from policy.errors import PolicyError
from recorder.audit.journal import Journal, JournalFilters
from recorder.errors import RecorderError


async def self_audit(settings: Settings, clock: Clock) -> list[Symptom]:
    """Look at the newest audit of this machine that a key known here signed; no audit for twelve months breaks T4.

    On the console's machine, at those of all others too. A gateway alone may not read the journal, and remembers its own.
    """
    now = clock.now()
    if settings.console.elsewhere:
        last = recall(settings)
        return [_own(settings, None if last is None else last[0], _key_made(settings) or now, now)]
    if traces_are_absent(settings):
        return []  # told by the database's own check
    try:
        keys = known(settings)
        async with opened_traces(settings) as database:
            journal = Journal(database, node="reading", now=clock.now)
            audits = await history.kept(journal, settings.hospital_id, keys)
            running = await _gateways(settings, now)
            expected = keys.expected(history.machines(audits), running)
            audited = await history.audited(journal, settings.hospital_id, keys, audits, expected)
            found = await history.latest(journal, settings.hospital_id, keys, settings.node)
            first = await journal.entries(JournalFilters(hospital_id=settings.hospital_id), limit=1)
    except (PolicyError, RecorderError, SettingsError, SQLAlchemyError):
        return []  # the same
    check, others = look("self_audit"), sorted(set(expected) - {settings.node})
    since = first.entries[0].event.at if first.entries else now
    return [
        *(check.failed("forged", at=one.at) for one in audits[:1] if one.report is None),
        _own(settings, None if found is None else found[1], since, now),
        # what another machine found is its own doctor's to say
        *(
            _when(look("self_audit_of", node=node), settings, audited.get(node), expected[node], now)
            for node in others
        ),
    ]


def _own(settings: Settings, report: Report | None, since: datetime, now: datetime) -> Symptom:
    """Tell when this machine last audited itself; *since* when it could have."""
    check = look("self_audit")
    found = _when(check, settings, None if report is None else report.made_at, since, now)
    if report is not None and found.level is Level.GOOD and (failed := len(report.checks(Outcome.FAILED))):
        return check.notice("findings", days=(now - report.made_at).days, count=failed)
    return found


def _when(check: Check, settings: Settings, at: datetime | None, since: datetime, now: datetime) -> Symptom:
    """Tell by *check* whether an audit *at* then still counts; *since* when there could have been one."""
    if at is None:
        return check.failed("never") if history.overdue(since, now) else check.notice("never")
    days = (now - at).days
    if history.overdue(at, now):
        return check.failed("overdue", days=days)
    if now - at > timedelta(days=settings.self_audit.late_days):
        return check.notice("late", days=days)
    return check.good(days=days)


def _key_made(settings: Settings) -> datetime | None:
    try:
        return datetime.fromtimestamp(own_key(settings).stat().st_mtime, UTC)
    except OSError:
        return None  # told by the file's own check


async def _gateways(settings: Settings, now: datetime) -> Mapping[str, datetime]:
    if policy_is_absent(settings):
        return {}
    async with opened(settings) as database, database.read() as view:
        lease = composition.policy_settings(settings).lease
        return await view.leases.living(HospitalId(settings.hospital_id), now - lease)
