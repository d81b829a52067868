"""What the pages of a package tell of one session, in one language."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from recorder.audit.entries import JournalEntry
from recorder.audit.purge import Gone
from recorder.replay.asciicast import Event
from recorder.replay.outline import MarkKind, Outline
from recorder.replay.timeline import opens_port
from recorder.store.catalog import CatalogedSession
from recorder.trace.purge import PurgeRecord


@dataclass(slots=True, kw_only=True)
class Account:
    """One session as far as it could be read. ``broken`` says where the trace does not hold, or that it is not there.

    ``read``: its content is in the package. ``entries`` are those of the journal that tell of it; ``more``: there
    are others besides; ``gone``: what the journal lost by rule, where it may have been about this session.
    """

    session: CatalogedSession
    entries: Sequence[JournalEntry]
    more: bool = False
    gone: Gone | None = None
    purge: PurgeRecord | None = None
    purged_at: datetime | None = None
    read: bool = False
    missing: bool = False
    broken: str | None = None
    ports: bool = False
    outline: Outline = field(default_factory=lambda: Outline(columns=80, rows=24))

    def watch(self, event: Event) -> None:
        """Take note of an event of the recording, in order."""
        self.outline.add(event)
        if event.frame is not None and opens_port(event.frame):
            self.ports = True

    def count(self, kind: MarkKind) -> int:
        """Return how many marks of that kind were noted."""
        return sum(mark.kind is kind for mark in self.outline.marks)

    @property
    def unseen(self) -> bool:
        """Whether something was typed that the screen did not show."""
        return self.count(MarkKind.UNSEEN) > 0

    @property
    def gaps(self) -> bool:
        """Whether the recording says of itself that something is not in it."""
        closing = self.session.closing
        cut = closing is not None and (closing.interrupted or closing.trimmed_bytes > 0)
        return cut or self.count(MarkKind.GAP) > 0 or self.outline.untold > 0
