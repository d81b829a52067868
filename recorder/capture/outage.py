"""A time in which the trace store took nothing: what waited for it meanwhile, and what came there afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from recorder.trace import instants
from recorder.trace.manifest import Manifest

LISTED = 200
"""Sessions that a gap report names; of more it tells how many."""
_NOTE = ".outage.json"


@dataclass(slots=True)
class Waiting:
    """One trace that grew while the store took nothing.

    Attributes:
        offset: Bytes of it that the store had before.
        records: Whole records in them.
        segments: Segments of it that the store had before.
        closed: Whether it is in the store, signed.
        mark: Where it ended when the store was back; None before, and for a closed one.
        done: Whether the store has all that waited.
        now: Bytes, records and segments in the store at present.
    """

    offset: int = 0
    records: int = 0
    segments: int = 0
    closed: bool = False
    mark: int | None = None
    done: bool = False
    now: tuple[int, int, int] = (0, 0, 0)

    @property
    def replayed(self) -> tuple[int, int, int]:
        """Bytes, records and segments that came afterwards."""
        before = (self.offset, self.records, self.segments)
        came, had, cut = (max(0, now - then) for now, then in zip(self.now, before, strict=True))
        return came, had, cut


@dataclass(slots=True)
class Outage:
    """One outage, from the first refusal to the gap report.

    Attributes:
        since: First refusal, aware UTC.
        kind: Class of the refusal.
        error: Its words.
        until: Since when the store serves again without a break; None while it does not.
        relapses: How often it served in between, and broke off again.
        sessions: What waited, by session.
    """

    since: datetime
    kind: str
    error: str
    until: datetime | None = None
    relapses: int = 0
    sessions: dict[str, Waiting] = field(default_factory=dict)

    def begin(self, session_id: str, offset: int, records: int, segments: int) -> None:
        """A trace waits, of which the store has so much; told again of the same one, the first counts."""
        now = (offset, records, segments)
        self.sessions.setdefault(session_id, Waiting(offset, records, segments, now=now))

    def came(self, session_id: str, offset: int, records: int, segments: int) -> None:
        """The store has so much of a live trace."""
        waiting = self.sessions.get(session_id)
        if waiting is not None and not waiting.done:
            waiting.now = (offset, records, segments)

    def shipped(self, opened_at: datetime, manifest: Manifest) -> None:
        """The store has a whole trace; one that nobody told of was left by a process that died, or is no part of this."""
        known = self.sessions.get(manifest.session_id)
        if (known is None and self.until is not None and opened_at >= self.until) or (known and known.done):
            return
        waiting = self.sessions.setdefault(manifest.session_id, Waiting())
        waiting.now = (manifest.size, manifest.records, len(manifest.segments) or 1)
        waiting.closed = waiting.done = True

    def report(self, node: str, shipped_at: datetime) -> dict[str, Any]:
        """The facts of the gap report; sizes are bytes as stored."""
        grown = {name: waiting.replayed for name, waiting in self.sessions.items() if any(waiting.replayed)}
        names = ("bytes", "records", "segments")
        totals = {name: sum(each[at] for each in grown.values()) for at, name in enumerate(names)}
        return {
            "node": node,
            "since": instants.text(self.since),
            "until": instants.text(self.until or shipped_at),
            "shipped_at": instants.text(shipped_at),
            "kind": self.kind,
            "error": self.error,
            "relapses": self.relapses,
            "sessions": [
                {"session_id": session_id, **dict(zip(names, grown[session_id], strict=True))}
                for session_id in sorted(grown)[:LISTED]
            ],
            "session_count": len(grown),
            **totals,
        }


def remember(spool: Path, outage: Outage | None) -> None:
    """Keep in the spool since when the store takes nothing, so that a restart does not forget it; None: it serves.

    Raises:
        OSError: The disk refuses.
    """
    note = spool / _NOTE
    if outage is None:
        note.unlink(missing_ok=True)
        return
    known = {"since": instants.text(outage.since), "kind": outage.kind, "error": outage.error}
    note.write_text(json.dumps(known), encoding="utf-8")


def remembered(spool: Path) -> Outage | None:
    """What an earlier process kept; None where there is nothing, or nothing that can be read."""
    try:
        known = json.loads((spool / _NOTE).read_text(encoding="utf-8"))
        return Outage(instants.parse(known["since"]), str(known["kind"]), str(known["error"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
