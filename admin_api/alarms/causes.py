"""The table of alarms: which entries of the journal are one, of what severity, and from how many on.

One row a cause. Its title, sentence and suggested act are in the catalogues under ``alarm.<kind>``. What the hospital
may set are the thresholds, and which kinds below critical are muted; that a cause is an alarm at all is decided here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from policy.authn.lockout import origin_of
from policy.domain.alarms import Severity, Sighting, Tally
from policy.errors import InvalidInput
from recorder.audit.events import SecurityEvent
from recorder.errors import CatalogRefuses, CatalogUnavailable

MIB: Final = 1 << 20
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
_LONGEST_SESSION: Final = timedelta(days=31)
PROBE_LASTS: Final = 3 * DAY
"""For so long a probe of the network tells of today. They run every night: after that, somebody should look why they do not."""
_SCATTERED: Final = 10
"""So many times what one address may fail makes an alarm of all addresses together: guessing from many at once."""
_CLOCKS: Final = timedelta(minutes=5)
_ALARM: Final = "alarm."
OWN: Final = frozenset({"alarm.opened", "alarm.acknowledged", "alarm.closed"})
"""What alarms themselves write into the journal: no cause of another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What a hospital may set, within the bounds that the settings file holds to.

    ``failed_logins``: refused log-ins from one address in an hour; from all together, ten times as many.
    ``unseen_lines``: lines typed unseen in one session, beyond answers to questions. ``session_*`` and ``day_*``: what may
    leave a device in a session, and in a day. ``muted``: kinds of alarm that are not raised; a critical one always is.
    """

    failed_logins: int = 20
    unseen_lines: int = 10
    session_bytes: int = 2048 * MIB
    session_files: int = 500
    day_bytes: int = 10240 * MIB
    day_files: int = 2000
    muted: frozenset[str] = frozenset()


Key = Callable[[SecurityEvent], str]
Counted = Callable[[SecurityEvent, Thresholds], Sequence[Tally]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One row: entries named ``event`` for which ``when`` holds are alarms of this ``kind``.

    ``key`` tells two causes of one kind apart. ``counts``: an alarm only once one of these is reached. ``over``: the
    entry says that the cause is gone. ``dated``: the detail that says when, if not when told: an end of what was before.
    """

    kind: str
    event: str
    severity: Severity
    key: Key
    when: Callable[[SecurityEvent], bool] = lambda _event: True
    counts: Counted | None = None
    over: bool = False
    dated: str | None = None


def _fact(*names: str) -> Key:
    """Tell causes apart by these details."""

    def key(event: SecurityEvent) -> str:
        return "/".join(str(event.details.get(name) or "") for name in names)

    return key


def _one(_event: SecurityEvent) -> str:
    return ""


def _source(event: SecurityEvent) -> str:
    """Return the address; of an IPv6 one its network, as the lock-out counts: one stranger has all of that."""
    source = str(event.source)
    try:
        return origin_of(source)
    except InvalidInput:
        return source


def _who(event: SecurityEvent) -> str:
    """Return the person where it is one of the hospital's, else the address: names that are tried are many."""
    return event.person_id or _source(event)


def _of_supplier(event: SecurityEvent) -> str:
    """Return the supplier: one that has moved, and one that was robbed of several log-ins, is called once."""
    return str(event.details.get("supplier") or _who(event))


def _changed(name: str) -> Key:
    """Tell causes apart by what a change of policy was about."""

    def key(event: SecurityEvent) -> str:
        after = event.details.get("after")
        return str(after.get(name) or "") if isinstance(after, Mapping) else ""

    return key


def _undeclared(event: SecurityEvent) -> bool:
    failed = event.details.get("failed")
    return isinstance(failed, list) and any(
        str(one).partition(":")[2] == "finding.C2.undeclared" for one in failed
    )


def _not_intact(event: SecurityEvent) -> bool:
    return event.details.get("intact") is False


def _secret(event: SecurityEvent) -> bool:
    return event.details.get("error") == "SecretRefused"


def _filtered(event: SecurityEvent) -> bool:
    return event.details.get("error") == "FlowRefused"


def _around(event: SecurityEvent) -> bool:
    return bool(event.details.get("answered") or event.details.get("refused"))


def proves(told: Mapping[str, Any], at: datetime) -> bool:
    """Tell whether the probe *told* of at *at* proves something: its own door answered, nothing else did, these days.

    Who hands in an old result, or one of a day to come, ends no alarm by it.
    """
    if told.get("answered") or told.get("refused") or told.get("missing"):
        return False
    try:
        age = at - datetime.fromisoformat(str(told.get("probed_at")))
    except (ValueError, TypeError):  # no instant, or one without an offset
        return False
    return -_CLOCKS <= age <= PROBE_LASTS


def _sealed(event: SecurityEvent) -> bool:
    return proves(event.details, event.at)


def _new_findings(event: SecurityEvent) -> bool:
    return _number(event.details.get("new")) > 0


def _nothing_to_mend(event: SecurityEvent) -> bool:
    return event.details.get("failures") == 0


def _failures(event: SecurityEvent, set_by: Thresholds) -> Sequence[Tally]:
    return (Tally(name=f"failures/{_source(event)}", amount=1, limit=set_by.failed_logins, period=HOUR),)


def _scattered(_event: SecurityEvent, set_by: Thresholds) -> Sequence[Tally]:
    return (Tally(name="failures", amount=1, limit=_SCATTERED * set_by.failed_logins, period=HOUR),)


def _unseen(event: SecurityEvent, set_by: Thresholds) -> Sequence[Tally]:
    name = f"unseen/{event.session_id}"
    return (Tally(name=name, amount=1, limit=set_by.unseen_lines, period=_LONGEST_SESSION),)


def _volume(event: SecurityEvent, set_by: Thresholds) -> Sequence[Tally]:
    amounts = {name: _number(event.details.get(f"{name}_out")) for name in ("bytes", "files")}
    places = (
        (f"session/{event.session_id}", _LONGEST_SESSION, set_by.session_bytes, set_by.session_files),
        (f"device/{event.device_id}", DAY, set_by.day_bytes, set_by.day_files),
    )
    return tuple(
        Tally(name=f"{name}/{place}", amount=amounts[name], limit=limit, period=period)
        for place, period, *limits in places
        for name, limit in zip(("bytes", "files"), limits, strict=True)
        if amounts[name]
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _device(event: SecurityEvent) -> str:
    return event.device_id or ""


def _session(event: SecurityEvent) -> str:
    return event.session_id or ""


def _lasting(kind: str, begins: str, ends: str, severity: Severity, key: Key) -> tuple[Cause, Cause]:
    """A cause that lasts from one entry until another."""
    begun = Cause(kind=kind, event=begins, severity=severity, key=key)
    return begun, replace(begun, event=ends, over=True)


_BASE: Final = {CatalogUnavailable.__name__: "catalogue_down", CatalogRefuses.__name__: "catalogue_refuses"}


def _away(kind: str) -> tuple[Cause, Cause]:
    """What a gateway records goes nowhere: told apart by what refuses it, the database of traces or the store."""
    begun, over = _lasting(kind, "alarm.store_unreachable", "store.reachable", _C, _fact("node"))
    mine = replace(begun, when=lambda event: _BASE.get(str(event.details.get("kind")), "store_down") == kind)
    return mine, over


_C, _H, _N = Severity.CRITICAL, Severity.HIGH, Severity.NOTICE
CAUSES: Final[tuple[Cause, ...]] = (
    # the way in
    Cause(kind="lockout", event="authentication.locked", severity=_N, key=_who),
    Cause(kind="failed_logins", event="authentication.failed", severity=_H, key=_source, counts=_failures),
    Cause(kind="scattered_logins", event="authentication.failed", severity=_H, key=_one, counts=_scattered),
    Cause(kind="unknown_source", event="access.denied", severity=_H, key=_of_supplier, when=_undeclared),
    Cause(kind="second_post", event="person.second_post_refused", severity=_H, key=_who),
    # the device's side
    Cause(kind="host_key_changed", event="device.host_key_changed", severity=_C, key=_device),
    Cause(kind="secret_refused", event="device.failed", severity=_H, key=_device, when=_secret),
    Cause(kind="flow_refused", event="device.failed", severity=_H, key=_device, when=_filtered),
    Cause(kind="process_survived", event="session.process_survived", severity=_N, key=_device),
    Cause(kind="unseen_input", event="alarm.unseen_input", severity=_N, key=_session, counts=_unseen),
    Cause(kind="volume_out", event="session.moved", severity=_H, key=_device, counts=_volume),
    Cause(kind="volume_out", event="session.closed", severity=_H, key=_device, counts=_volume),
    Cause(kind="volume_out", event="session.end_corrected", severity=_H, key=_device, counts=_volume),
    # around the bastion
    Cause(
        kind="bypass",
        event="flows.probed",
        severity=_C,
        key=_fact("vantage"),
        when=_around,
        dated="probed_at",
    ),
    Cause(
        kind="bypass",
        event="flows.probed",
        severity=_C,
        key=_fact("vantage"),
        when=_sealed,
        over=True,
        dated="probed_at",
    ),
    # what the machines find of themselves
    Cause(
        kind="self_audit_findings",
        event="self_audit.made",
        severity=_H,
        key=_fact("node"),
        when=_new_findings,
        dated="made_at",
    ),
    Cause(
        kind="self_audit_findings",
        event="self_audit.made",
        severity=_H,
        key=_fact("node"),
        when=_nothing_to_mend,
        over=True,
        dated="made_at",
    ),
    Cause(kind="self_audit_late", event="alarm.self_audit_late", severity=_H, key=_fact("node")),
    Cause(
        kind="self_audit_late",
        event="self_audit.made",
        severity=_H,
        key=_fact("node"),
        over=True,
        dated="made_at",
    ),
    # what is kept
    Cause(kind="recording_failed", event="alarm.recording_failed", severity=_C, key=_one),
    Cause(kind="recording_failed", event="alarm.recording_unavailable", severity=_C, key=_one),
    *_away("store_down"),
    *_away("catalogue_down"),
    *_away("catalogue_refuses"),
    *_lasting("spool_filling", "alarm.spool_filling", "alarm.spool_eased", _C, _fact("node")),
    Cause(kind="trace_not_shipped", event="alarm.trace_not_shipped", severity=_H, key=_one),
    Cause(kind="trace_interrupted", event="alarm.trace_interrupted", severity=_N, key=_one),
    Cause(kind="trace_altered", event="trace.verified", severity=_C, key=_session, when=_not_intact),
    Cause(kind="journal_altered", event="journal.verified", severity=_C, key=_one, when=_not_intact),
    Cause(kind="store_altered", event="store.verified", severity=_C, key=_one, when=_not_intact),
    Cause(kind="store_altered", event="alarm.verification_failed", severity=_C, key=_one),
    *_lasting("timestamp_late", "alarm.timestamp_late", "alarm.timestamp_caught_up", _H, _fact("authority")),
    *_lasting("anchor_failed", "alarm.anchor_failed", "alarm.anchor_caught_up", _H, _fact("target")),
    # who reads it
    Cause(kind="reader_locked_out", event="alarm.reader_locked_out", severity=_H, key=_fact("name")),
    Cause(kind="readers_changed", event="alarm.readers_changed", severity=_H, key=_fact("added", "gone")),
    *_lasting("search_failed", "alarm.search_failed", "alarm.search_caught_up", _N, _session),
    *_lasting("purge_stopped", "alarm.purge_stopped", "alarm.purge_resumed", _H, _one),
    *_lasting("hold_refused", "alarm.hold_refused", "alarm.hold_kept", _H, _one),
    Cause(kind="purge_failed", event="alarm.purge_failed", severity=_C, key=_session),
    Cause(kind="erasure_asked", event="erasure.asked", severity=_H, key=_session),
    Cause(kind="retention_shortened", event="retention.shortening_asked", severity=_H, key=_one),
    Cause(kind="hold_lifted", event="hold.lifted", severity=_N, key=_changed("case")),
    *_lasting("general_cut", "hospital.closed", "hospital.reopened", _C, _one),
    # the machines
    *_lasting("policy_unreadable", "alarm.policy_unreadable", "alarm.policy_readable", _C, _fact("node")),
    Cause(kind="supervision_failed", event="alarm.supervision_failed", severity=_C, key=_fact("node")),
    *_lasting("clock_drift", "alarm.clock_drift", "alarm.clock_right", _H, _fact("node")),
    Cause(kind="clock_stepped", event="alarm.clock_stepped", severity=_H, key=_fact("node")),
    Cause(kind="node_taken", event="alarm.node_taken", severity=_H, key=_fact("program", "node")),
    Cause(kind="node_forged", event="alarm.node_forged", severity=_C, key=_fact("program", "node")),
    # who is told
    Cause(kind="mail_undelivered", event="mail.abandoned", severity=_N, key=_changed("kind")),
    Cause(kind="webhook_undelivered", event="webhook.abandoned", severity=_H, key=_one),
    *_lasting("export_late", "alarm.export_late", "alarm.export_caught_up", _H, _one),
    Cause(kind="test", event="alarm.test", severity=_C, key=_one),
)
"""In an alarm of the journal (``alarm.…``) that has no row, ``other`` is raised: it is never passed over."""

UNREADABLE: Final = "journal_unreadable"
ALTERED: Final = "journal_altered"
FORGED: Final = "report_forged"
"""An entry that says what somebody should have signed, and that nobody did."""
OTHER: Final = "other"
HEARD_ELSEWHERE: Final = frozenset({"alarm.host_key_changed"})
"""Alarms of the journal that another entry tells with more: who, which device, which session."""
KINDS: Final = tuple(dict.fromkeys([*(cause.kind for cause in CAUSES), UNREADABLE, FORGED, OTHER]))
MUTABLE: Final = tuple(
    dict.fromkeys(cause.kind for cause in CAUSES if cause.severity is not Severity.CRITICAL)
)
"""The kinds that a hospital may mute."""

_ROWS: Final[dict[str, tuple[Cause, ...]]] = {
    cause.event: tuple(one for one in CAUSES if one.event == cause.event) for cause in CAUSES
}


def sightings(event: SecurityEvent, set_by: Thresholds) -> Iterator[Sighting]:
    """Yield what *event* is a sighting of; nothing for most."""
    if event.name in OWN | HEARD_ELSEWHERE:
        return
    rows = _ROWS.get(event.name, ())
    if not rows and event.name.startswith(_ALARM):
        yield _sighting(event, OTHER, event.name, Severity.HIGH)
    for cause in rows:
        muted = cause.kind in set_by.muted and cause.severity is not Severity.CRITICAL
        if muted or not cause.when(event):
            continue
        tallies = () if cause.counts is None else tuple(cause.counts(event, set_by))
        if cause.counts is None or tallies:
            since = None if cause.dated is None else _dated(event, cause.dated)
            yield _sighting(
                event,
                cause.kind,
                cause.key(event),
                cause.severity,
                at=event.at if since is None else since,
                over=cause.over,
                of_before=cause.dated is not None,
                tallies=tallies,
            )


def _dated(event: SecurityEvent, name: str) -> datetime:
    """Return when it was so; never later than it was told."""
    try:
        return min(event.at, datetime.fromisoformat(str(event.details.get(name))))
    except (ValueError, TypeError):  # no instant, or one without an offset
        return event.at


def _sighting(
    event: SecurityEvent, kind: str, key: str, severity: Severity, *, at: datetime | None = None, **more: Any
) -> Sighting:
    details = event.details
    after = details.get("after")
    facts = dict(after) if isinstance(after, Mapping) else dict(details)
    for whole in ("report", "signature"):  # what the journal keeps, and serves nobody in a mail
        facts.pop(whole, None)
    if event.source is not None:
        facts.setdefault("source", event.source)
    return Sighting(
        kind=kind,
        key=key,
        severity=severity,
        at=at or event.at,
        facts={**facts, "event": event.name},
        person_id=event.person_id,
        device_id=event.device_id,
        session_id=event.session_id,
        **more,
    )
