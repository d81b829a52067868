"""The self-audit: when this machine, and each that it knows of, was last audited, and whether rule T4 holds."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from admin_api.selfaudit import history
from admin_api.selfaudit.report import Outcome, Report
from ecluse import composition
from ecluse.diagnosis.databases import opened, opened_traces, policy_is_absent, traces_are_absent
from ecluse.diagnosis.symptom import Symptom, look
from ecluse.errors import SettingsError
from ecluse.selfaudit.memory import recall
from ecluse.selfaudit.signers import known
from ecluse.settings import Settings
from policy.clock import Clock
from policy.domain.ids import HospitalId
from policy.errors import PolicyError
from recorder.audit.journal import Journal
from recorder.errors import RecorderError


async def self_audit(settings: Settings, clock: Clock) -> list[Symptom]:
    """Look at the newest audit of this machine that a key known here signed; no audit for twelve months breaks T4.

    On the console's machine, at those of all others too. A gateway alone may not read the journal, and remembers its own.
    """
    now = clock.now()
    if settings.console.elsewhere:
        last = recall(settings)
        return [_own(settings, None if last is None else last[0], now)]
    if traces_are_absent(settings):
        return []  # told by the database's own check
    try:
        keys = known(settings)
        async with opened_traces(settings) as database:
            journal = Journal(database, node="reading", now=clock.now)
            audits = await history.kept(journal, settings.hospital_id, keys)
        running = await _gateways(settings, now)
    except (PolicyError, RecorderError, SettingsError, SQLAlchemyError):
        return []  # the same
    check, found = look("self_audit"), history.newest(audits, settings.node)
    audited = history.machines(audits)
    others = set(keys.expected(audited, running)) - {settings.node}
    return [
        *(check.failed("forged", at=one.at) for one in audits[:1] if one.report is None),
        _own(settings, None if found is None else found[1], now),
        *(_other(settings, node, audited.get(node), now) for node in sorted(others)),
    ]


def _own(settings: Settings, report: Report | None, now: datetime) -> Symptom:
    check = look("self_audit")
    if report is None:
        return check.notice("never")
    days, failed = (now - report.made_at).days, len(report.checks(Outcome.FAILED))
    if history.overdue(report.made_at, now):
        return check.failed("overdue", days=days)
    if now - report.made_at > timedelta(days=settings.self_audit.late_days):
        return check.notice("late", days=days)
    return check.notice("findings", days=days, count=failed) if failed else check.good(days=days)


def _other(settings: Settings, node: str, at: datetime | None, now: datetime) -> Symptom:
    """Tell when another machine last audited itself; what it found is its own doctor's to say."""
    check = look("self_audit_of", node=node)
    if at is None:
        return check.notice("never")
    days = (now - at).days
    if history.overdue(at, now):
        return check.failed("overdue", days=days)
    if now - at > timedelta(days=settings.self_audit.late_days):
        return check.notice("late", days=days)
    return check.good(days=days)


async def _gateways(settings: Settings, now: datetime) -> Mapping[str, datetime]:
    if policy_is_absent(settings):
        return {}
    async with opened(settings) as database, database.read() as view:
        lease = composition.policy_settings(settings).lease
        return await view.leases.living(HospitalId(settings.hospital_id), now - lease)
