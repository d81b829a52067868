"""What is asked of policy, the facts it decides on, and its answers."""

import base64
import json
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field, fields, is_dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from policy.domain.derogations import Derogation
from policy.domain.devices import AccountMethod, Algorithms, DedicatedAccount, Device, Zone
from policy.domain.engagements import EngagementState
from policy.domain.factors import Factor, Level
from policy.domain.hospitals import Hospital
from policy.domain.ids import (
    AccountId,
    DeviceId,
    HospitalId,
    InterventionId,
    OccurrenceId,
    PersonId,
    SessionId,
    SupplierId,
    WindowId,
)
from policy.domain.interventions import Intervention, InterventionKind
from policy.domain.people import Language, Person
from policy.domain.proofs import KeyStanding
from policy.domain.suppliers import Supplier
from policy.domain.windows import OUTAGE_GRACE, Channel, Forward, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceKeeping:
    """What the gateway knows of where traces go, at the instant of a request.

    ``unreachable_since`` is since when the central trace store takes nothing (aware UTC), None while it does;
    ``catalogue``: not the store itself but the database of traces, which counts as part of it.
    ``spool_full``: the traces that wait for it fill what the gateway's own disk may hold.
    """

    unreachable_since: datetime | None = None
    catalogue: bool = False
    spool_full: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """A person, already authenticated, asks for a device by name. ``source`` is an IP literal.

    ``proved_key`` is the key or certificate (SSH wire format) that she signed with, None where she signed with none.
    ``traces`` is None where whoever asks does not know: then T11 and T12 are judged when a session opens.
    """

    hospital_id: HospitalId
    person_id: PersonId
    device_name: str
    account_name: str | None
    source: str
    factors: frozenset[Factor]
    proved_key: bytes | None = field(default=None, repr=False)
    traces: TraceKeeping | None = None

    def knowing(self, traces: TraceKeeping) -> "AccessRequest":
        """Return the same question, from somebody who knows where traces go."""
        return AccessRequest(
            hospital_id=self.hospital_id,
            person_id=self.person_id,
            device_name=self.device_name,
            account_name=self.account_name,
            source=self.source,
            factors=self.factors,
            proved_key=self.proved_key,
            traces=traces,
        )


class RevocationScope(StrEnum):
    """What a cut reaches."""

    SESSION = "session"
    PERSON = "person"
    SUPPLIER = "supplier"
    DEVICE = "device"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """A cut: every grant of its scope issued before ``at`` is over. ``target`` is the scope's id, '' for all."""

    hospital_id: HospitalId
    scope: RevocationScope
    target: str
    at: datetime
    reason: str
    by: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A cut that was committed, and how many sessions were open in its scope then."""

    revocation: Revocation
    sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything the engine may look at for one person and one device, read in one snapshot.

    ``device`` is None where no device of that name exists; ``accounts`` are the device's; ``windows`` are
    those that name the person and the device, whatever their state, with ``interventions`` by id;
    ``live_sessions`` counts the person's open sessions, ``session_limit`` is their maximum, ``sources``
    are where they come from (read only where she may work from one post at a time). ``engagements`` are the
    texts that are demanded of her; none where nothing is. ``derogations`` are the device's, over or not.
    ``standing`` is that of the key the log-in was proved with, None where it was none.
    """

    hospital: Hospital
    person: Person
    supplier: Supplier | None
    device: Device | None
    zone: Zone | None
    accounts: tuple[DedicatedAccount, ...]
    windows: tuple[Window, ...]
    interventions: Mapping[InterventionId, Intervention]
    revocations: tuple[Revocation, ...]
    live_sessions: int
    session_limit: int
    sources: frozenset[str] = frozenset()
    engagements: tuple[EngagementState, ...] = ()
    derogations: tuple[Derogation, ...] = ()
    standing: KeyStanding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule's outcome.

    ``code`` is the rule (``O3``…), ``key`` the message (``finding.O3.outside``) with its ``arguments``
    (datetimes stay aware datetimes), ``mover`` whose move the next step is, ``next_step`` its message key.
    """

    code: str
    held: bool
    key: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    next_step: str | None = None
    mover: str | None = None

    def described(self) -> Mapping[str, object]:
        """Return what a record keeps of it, as JSON has it: enough to say it again in any language."""
        return {
            "code": self.code,
            "held": self.held,
            "key": self.key,
            "arguments": _plain(self.arguments),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligations:
    """What the gateway must hold during the session. ``hard_end`` is an aware UTC instant, exclusive.

    ``forwards`` are the ports of the device, and of no other machine, that may be reached through it.
    ``outage_grace`` is how long the session outlasts an unreachable trace store; None where it goes on in the spool,
    until that is full (T12).
    """

    idle_limit: timedelta
    output_counts: bool
    output_ceiling: timedelta | None
    hard_end: datetime
    channels: frozenset[Channel]
    forwards: tuple[Forward, ...] = ()
    outage_grace: timedelta | None = OUTAGE_GRACE

    def forward_to(self, port: int) -> Forward | None:
        """Return the forward that allows *port* of the device, or None."""
        return next((forward for forward in self.forwards if forward.port == port), None)


GRANT_SEAL: Final = object()
"""What ``policy.engine.decide`` shows to make a Grant. Nobody else may name it; an architecture test looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Proof that policy allowed one session. Only ``policy.engine.decide`` makes one (invariant 1).

    Making or copying one takes the engine's seal: without it, TypeError or ValueError. ``opened`` is the start
    of the window's present occurrence, ``issued_at`` the instant of the decision, ``ask_again_at`` the next
    instant at which the answer can change: all aware UTC. ``proved_key`` as in AccessRequest.
    """

    seal: InitVar[object]
    session_id: SessionId
    hospital_id: HospitalId
    person_id: PersonId
    person_login: str
    person_name: str
    language: Language
    supplier_id: SupplierId | None
    supplier_name: str
    site: str
    device_id: DeviceId
    device_name: str
    address: str
    port: int
    source_address: str | None
    host_keys: tuple[str, ...]
    algorithms: Algorithms
    account_id: AccountId
    account_name: str
    account_method: AccountMethod
    intervention_id: InterventionId
    kind: InterventionKind
    purpose: str
    window_id: WindowId
    occurrence_id: OccurrenceId
    opened: datetime
    obligations: Obligations
    factors: frozenset[Factor]
    level: Level
    source: str
    issued_at: datetime
    ask_again_at: datetime
    findings: tuple[Finding, ...]
    proved_key: bytes | None = field(default=None, repr=False)

    def __post_init__(self, seal: object) -> None:
        if seal is not GRANT_SEAL:
            raise TypeError("only policy.engine.decide makes a Grant")

    def canonical_bytes(self) -> bytes:
        """Return the grant as canonical JSON (sorted keys, UTF-8), so that it can cross a process boundary."""
        return json.dumps(_plain(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


UNDISCLOSED: Final = Finding(
    code="O3",
    held=False,
    key="finding.O3.undisclosed",
    next_step="next.O3.undisclosed",
    mover="technician",
)
"""The one reason given to a person who may not know whether the device exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Access refused, with every rule that failed in ``findings`` (and those that held, for the journal).

    ``disclose``: the person has some window on that device, so the reasons may be told; otherwise an
    unknown device and a forbidden one must get the same answer (invariant 7): show people ``told``, keep
    ``findings`` for the journal. ``next_opening`` is the next ``[start, end)`` of an approved window, aware
    UTC, where there is one.
    """

    findings: tuple[Finding, ...]
    disclose: bool
    next_opening: tuple[datetime, datetime] | None = None

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The findings that failed, in gate order."""
        return tuple(finding for finding in self.findings if not finding.held)

    @property
    def told(self) -> tuple[Finding, ...]:
        """The findings that the person herself may be told: the failed ones, or one that says nothing."""
        return self.failed if self.disclose else (UNDISCLOSED,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A live grant still holds, under these obligations, and need not be asked again before ``ask_again_at``."""

    obligations: Obligations
    ask_again_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What ``why`` answers: every rule in gate order, held or failed.

    ``disclose`` as in Denial: False means that the person herself must not read the findings (the hospital's
    staff may). ``next_opening`` is the next ``[start, end)``, aware UTC, where there is one.
    """

    findings: tuple[Finding, ...]
    allowed: bool
    disclose: bool
    next_opening: tuple[datetime, datetime] | None = None

    @property
    def told(self) -> tuple[Finding, ...]:
        """The findings that the person herself may be told."""
        return self.findings if self.disclose else (UNDISCLOSED,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A device open now for a person: what the menu lists. ``until`` is an aware UTC instant, exclusive.

    ``port`` is the device's own SSH port, ``forwards`` those that may be reached through a session.
    """

    device_name: str
    port: int
    account_name: str
    until: datetime
    purpose: str
    channels: frozenset[Channel]
    forwards: tuple[Forward, ...] = ()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, frozenset):
        return sorted(str(item) for item in value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    return value
