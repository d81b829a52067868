"""Errors of the journal's export.

ExportError
├── CollectorUnreachable   no connection, or none that goes on
├── CollectorUntrusted     its certificate is not what the settings ask for, or it refuses ours
└── CollectorRefuses       it speaks, and does not take what it is given
"""

from typing import ClassVar


class ExportError(Exception):
    """Base of these errors; never raised itself. ``key`` names its sentence in the diagnosis."""

    key: ClassVar[str]


class CollectorUnreachable(ExportError):
    """There is no connection to the collector, or it broke; what was not acknowledged is sent again."""

    key = "unreachable"


class CollectorUntrusted(ExportError):
    """TLS failed: nothing was sent."""

    key = "untrusted"


class CollectorRefuses(ExportError):
    """The collector answered, and did not take the message or speak the protocol."""

    key = "refuses"
