"""Entries of the journal as the screens tell them: in the reader's words, with names for identifiers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from admin_api import chronicle
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.listing import Registry
from admin_api.console.staff.view import harmless
from policy.i18n import Catalog
from recorder.audit.entries import JournalEntry

_LONGEST_GIST = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One entry in words. ``at`` is aware UTC; ``lines`` are all that it holds, a line each."""

    at: datetime
    name: str
    title: str
    grave: bool
    doer: str
    about: str
    source: str
    gist: str
    session_id: str | None
    lines: list[str]


def tell(entry: JournalEntry, caller: StaffCaller, known: Registry) -> Told:
    """Put *entry* into the caller's language; what it quotes is harmless."""
    event = entry.event
    shown: dict[str, Any] = {
        "writer": entry.writer,
        "seq": entry.seq,
        "digest": entry.digest,
        "actor": known.person(event.actor),
        "person": known.person(event.person_id),
        "device": known.device(event.device_id),
        "session_id": event.session_id,
        "details": dict(event.details),
    }

    def word(prefix: str, value: object) -> str | None:
        return worded(caller, prefix, value)

    return Told(
        at=event.at,
        name=event.name,
        title=worded(caller, "event", event.name),
        grave=event.name.startswith("alarm.") or event.name.endswith((".locked", ".denied", ".cut")),
        doer=harmless(chronicle.doer(shown) or "", 80),
        about=harmless(chronicle.object_of(shown) or "", 80),
        source=harmless(event.source or "", 64),
        gist=harmless(chronicle.gist(shown, word), _LONGEST_GIST),
        session_id=event.session_id,
        lines=[harmless(line, 600) for line in chronicle.lines(shown)],
    )


def worded(caller: StaffCaller, prefix: str, value: object) -> str:
    """Return the word for *value* under *prefix* in whichever package's catalogue has one; else the value itself."""
    key = f"{prefix}.{value}"
    found = next((one for one in caller.context.vocabulary if one.knows(key)), None)
    return harmless(value, 120) if found is None else _said(found, key, caller)


def _said(catalog: Catalog, key: str, caller: StaffCaller) -> str:
    return catalog.translate(key, caller.language, timezone=caller.here.timezone)
