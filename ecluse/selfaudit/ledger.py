"""Whether journal and checkpoints are as they were: walked now, from their first entry to their last."""

from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError

from admin_api.verification import first_of
from ecluse.diagnosis.databases import opened_traces, traces_are_absent
from ecluse.diagnosis.symptom import Symptom, look
from ecluse.errors import SettingsError
from ecluse.proofs import proofs_of
from ecluse.settings import Settings
from policy.clock import Clock
from recorder.audit.journal import Journal
from recorder.errors import RecorderError
from recorder.proof.inspection import Inspection


async def ledger(settings: Settings, clock: Clock) -> list[Symptom]:
    """Walk them. Whatever keeps the walk from being done is told."""
    check = look("ledger")
    if traces_are_absent(settings):
        return [check.undone("unread", why="the trace database is not there")]
    try:
        async with opened_traces(settings) as database:
            journal = Journal(database, node="reading", now=clock.now)
            found = await proofs_of(settings, database, journal, clock).verify_ledger()
    except (RecorderError, SettingsError, SQLAlchemyError) as error:
        return [check.undone("unread", why=str(error))]
    return list(_walked(found))


def _walked(found: Inspection) -> Iterator[Symptom]:
    check, counts = look("ledger"), dict(found.counts)
    if not found.intact:
        first = first_of(found)
        yield check.failed("broken", count=len(found.findings), name=first["name"], what=first["what"])
    elif found.remarks:
        yield check.notice("remarks", count=len(found.remarks), detail=found.remarks[0].detail)
    else:
        yield check.good(entries=counts.get("entries", 0), checkpoints=counts.get("checkpoints", 0))
