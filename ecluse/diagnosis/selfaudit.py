"""The self-audit: when this machine was last audited, and whether rule T4 holds."""

from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from admin_api.selfaudit import history
from admin_api.selfaudit.report import Outcome
from ecluse.diagnosis.databases import opened_traces, traces_are_absent
from ecluse.diagnosis.symptom import Symptom, look
from ecluse.errors import SettingsError
from ecluse.settings import Settings
from policy.clock import Clock
from recorder.audit.journal import Journal
from recorder.errors import RecorderError
from recorder.seal.signing import PublicKey


async def self_audit(settings: Settings, clock: Clock) -> list[Symptom]:
    """Look at the newest audit of this machine that a key known here signed; no audit for twelve months breaks T4."""
    if traces_are_absent(settings):
        return []  # told by the database's own check
    try:
        keys = [PublicKey.load(path) for path in settings.checkpoint_public_keys]
        async with opened_traces(settings) as database:
            journal = Journal(database, node="reading", now=clock.now)
            audits = await history.kept(journal, settings.hospital_id, keys)
    except (RecorderError, SettingsError, SQLAlchemyError):
        return []  # the same
    check, found = look("self_audit"), history.newest(audits, settings.node)
    symptoms = [check.failed("forged", at=one.at) for one in audits[:1] if one.report is None]
    if found is None:
        return [*symptoms, check.notice("never")]
    _, report = found
    now = clock.now()
    days, failed = (now - report.made_at).days, len(report.checks(Outcome.FAILED))
    if history.overdue(report.made_at, now):
        symptoms.append(check.failed("overdue", days=days))
    elif now - report.made_at > timedelta(days=settings.self_audit.late_days):
        symptoms.append(check.notice("late", days=days))
    elif failed:
        symptoms.append(check.notice("findings", days=days, count=failed))
    else:
        symptoms.append(check.good(days=days))
    return symptoms
