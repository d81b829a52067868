"""Results of probes (rule T1): who may sign one for which vantage, and which are taken.

A probe runs on a machine that is not ours. Its result travels as a file, and a clean one ends an alarm: so it is believed for
its signature, by the key registered for that vantage, and for being newer than all that was told of the vantage before.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from admin_api.registered_keys import RegisteredKeys
from policy.errors import InvalidInput
from recorder.audit.entries import JournalEntry
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal, JournalFilters
from recorder.errors import SignatureInvalid, TraceFormatError
from recorder.seal import documents
from recorder.trace import instants

PROBED: Final = "flows.probed"
PURPOSE: Final = "probe"
FORMAT: Final = "ecluse-probe"
VERSION: Final = 2
"""1 was unsigned."""
CLOCKS: Final = timedelta(minutes=5)
"""So far the clock of a machine that probes may be ahead."""
_OURS: Final = frozenset({"found", "probed_at"})
"""What an entry tells besides the document."""
_SHOWN: Final = 20
_PAGE: Final = 100
_MOST: Final = 5000


async def taken(
    document: Mapping[str, Any], journal: Journal, hospital_id: str, keys: RegisteredKeys, now: datetime
) -> dict[str, Any]:
    """Return what the journal keeps of the *document*, whose form was checked.

    Raises InvalidInput where the vantage's key did not sign it, it is another hospital's, of a day to come, or not newer
    than what was told of this vantage before; JournalBroken, SQLAlchemyError.
    """
    vantage = str(document.get("vantage"))
    key = keys.of(vantage)
    if key is None:
        raise InvalidInput(
            "vantage", "no key is registered for it: ecluse flows keys add, on the console's machine"
        )
    try:
        content, _ = documents.opened(document, PURPOSE, [key])
        at = instants.parse(content["at"])
    except (SignatureInvalid, TraceFormatError, KeyError) as error:
        raise InvalidInput(
            "signature", "the key registered for this vantage did not sign this result"
        ) from error
    if content.get("hospital_id") != hospital_id:
        raise InvalidInput(
            "hospital_id", "this result is of another hospital's matrix: export the matrix again"
        )
    if at - now > CLOCKS:
        raise InvalidInput("at", "lies in the future: look at the clock of the machine that probes")
    if await _told_since(journal, hospital_id, vantage, keys, at, now + CLOCKS):
        raise InvalidInput("at", "is not later than the newest result of this vantage: probe again")
    found = [*content["answered"], *content["refused"]]
    more = f" (+{len(found) - _SHOWN})" if len(found) > _SHOWN else ""
    return {**document, "probed_at": at.isoformat(), "found": ", ".join(found[:_SHOWN]) + more}


def genuine(event: SecurityEvent, keys: RegisteredKeys) -> bool:
    """Tell whether the entry *event* holds a result that the key of its vantage signed, for this hospital."""
    document = {name: value for name, value in event.details.items() if name not in _OURS}
    key = keys.of(str(document.get("vantage")))
    if key is None:
        return False
    try:
        content, _ = documents.opened(document, PURPOSE, [key])
        at = instants.parse(content.get("at"))
    except (SignatureInvalid, TraceFormatError):
        return False
    return (
        content.get("hospital_id") == event.hospital_id and event.details.get("probed_at") == at.isoformat()
    )


def told_at(entry: JournalEntry) -> datetime:
    """Return when a result was made, or told where that is earlier: nobody puts one into the time to come."""
    try:
        made = datetime.fromisoformat(str(entry.event.details.get("probed_at")))
        return min(entry.event.at, made)
    except (ValueError, TypeError):  # no instant, or one without an offset
        return entry.event.at


async def _told_since(
    journal: Journal, hospital_id: str, vantage: str, keys: RegisteredKeys, at: datetime, until: datetime
) -> bool:
    """Tell whether a result of *vantage*, made at *at* or later, was told already; also where too much stands there to say.

    What the vantage's key did not sign, or is later than *until*, counts for nothing: the gateway may write it too, to hide
    the newest one, or to keep the next one out. No entry tells of what was made after it, so those before *at* need no look.
    """
    filters, looked_at = JournalFilters(hospital_id=hospital_id, name=PROBED, since=at), 0

    def told(entries: Sequence[JournalEntry]) -> bool:
        of_it = (each for each in entries if each.event.details.get("vantage") == vantage)
        return any(at <= told_at(each) <= until and genuine(each.event, keys) for each in of_it)

    async for entries in journal.pages(filters, size=_PAGE):
        if looked_at >= _MOST or await asyncio.to_thread(told, entries):
            return True
        looked_at += len(entries)
    return False
