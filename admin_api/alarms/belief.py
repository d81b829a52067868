"""Which entries of the journal say something that somebody signed, and whether it is so.

The gateway writes into the journal too: what would end an alarm there must not be its word alone.
"""

from dataclasses import dataclass
from typing import Final

from admin_api.probes import PROBED, genuine
from admin_api.registered_keys import RegisteredKeys
from admin_api.selfaudit import history
from admin_api.selfaudit.machines import AuditKeys
from recorder.audit.events import SecurityEvent

SIGNED: Final = frozenset({history.MADE, PROBED})
"""Entries that hold a document of somebody's, signed."""


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed by which keys: self-audits by their machine's, probes by those registered for their vantage."""

    audits: AuditKeys
    probes: RegisteredKeys

    def __call__(self, event: SecurityEvent) -> bool:
        """Tell whether *event* is one that needs no signature, or holds a document that bears out what it says."""
        if event.name == history.MADE:
            return history.of(event, self.audits).report is not None
        if event.name == PROBED:
            return genuine(event, self.probes)
        return event.name not in SIGNED
