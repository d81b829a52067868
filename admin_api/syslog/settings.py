"""What the export of the journal must be told: a frozen value, made once by the composition root."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path


class SyslogTransport(StrEnum):
    """How messages travel. ``RELP`` acknowledges each; ``TLS`` (RFC 5425) promises nothing about the last ones."""

    RELP = "relp"
    TLS = "tls"


class SyslogPayload(StrEnum):
    """What a message says after its header: JSON, or ArcSight's Common Event Format."""

    JSON = "json"
    CEF = "cef"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyslogSettings:
    """The hospital's collector.

    ``name`` is what its certificate must be for. ``authority`` None: the system's CAs. ``certificate`` and ``key`` are
    the PEM files that this side shows (mutual TLS). ``longest`` is in bytes, of one message; ``facility`` a number of
    RFC 5424. ``late``: how long entries may wait before it is an alarm. ``whole``: begin with the journal's first entry
    instead of the last day's.
    """

    host: str
    port: int
    transport: SyslogTransport = SyslogTransport.RELP
    payload: SyslogPayload = SyslogPayload.JSON
    name: str
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    longest: int = 8192
    facility: int = 13
    answer_seconds: float = 15.0
    late: timedelta = timedelta(minutes=10)
    whole: bool = False
