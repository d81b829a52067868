"""Rows to the domain's values and back. Nothing is checked here: what is stored was checked by the services."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from policy.domain.access import Revocation, RevocationScope
from policy.domain.continuations import ContinuationRule
from policy.domain.devices import AccountMethod, Algorithms, DedicatedAccount, Device, Quirk
from policy.domain.factors import DEFAULT_TABLE, Factor, FactorRow, FactorTable, Level
from policy.domain.hospitals import Closure, Hospital
from policy.domain.ids import SiteId
from policy.domain.interventions import Intervention, InterventionKind, InterventionState
from policy.domain.people import Language, Person, Role
from policy.domain.suppliers import Site, Supplier
from policy.domain.windows import Channel, Forward, IdleRule, Occurrence, Recurrence, Window, WindowState
from policy.store.plain import plain

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Values = dict[str, Any]
Stored = Any  # a row: its attributes are the columns of the table
Value = TypeVar("Value", bound="DataclassInstance")


def read(kind: type[Value], row: Stored, /, **other: Any) -> Value:
    """Return *row* as a value: each field as the column of its name, or as *other* has it."""
    same = {name: getattr(row, name) for name in kind.__dataclass_fields__ if name not in other}
    return kind(**same, **other)


def columns(value: "DataclassInstance", /, *without: str, **other: Any) -> Values:
    """Return the fields of *value* as columns, but for those named in *without*, with *other* beside or instead."""
    names = (name for name in value.__dataclass_fields__ if name not in without and name not in other)
    return {name: _column(getattr(value, name)) for name in names} | other


def _column(value: object) -> object:
    return value if isinstance(value, datetime | timedelta | bytes) else plain(value)


def hospital(row: Stored) -> Hospital:
    """Return a row of ``hospitals`` as a value."""
    return read(
        Hospital,
        row,
        factors=DEFAULT_TABLE if row.factors is None else _factors(row.factors),
        continuation=ContinuationRule(
            life=timedelta(seconds=row.continuation_seconds), most=row.continuation_connections
        ),
        closure=None
        if row.closed_at is None
        else Closure(at=row.closed_at, by=row.closed_by, reason=row.closed_reason),
    )


def hospital_row(value: Hospital) -> Values:
    """Return a hospital as columns."""
    closure = value.closure
    return columns(
        value,
        "continuation",
        "closure",
        factors=None if value.factors == DEFAULT_TABLE else plain(value.factors.rows),
        continuation_seconds=int(value.continuation.life.total_seconds()),
        continuation_connections=value.continuation.most,
        closed_at=None if closure is None else closure.at,
        closed_by=None if closure is None else closure.by,
        closed_reason=None if closure is None else closure.reason,
    )


def supplier(row: Stored) -> Supplier:
    """Return a row of ``suppliers`` as a value."""
    sites = tuple(
        Site(
            id=SiteId(site["id"]),
            name=site["name"],
            country=site["country"],
            networks=tuple(site["networks"]),
        )
        for site in row.sites
    )
    return read(Supplier, row, sites=sites)


def person(row: Stored) -> Person:
    """Return a row of ``people`` as a value."""
    return read(
        Person, row, language=Language(row.language), roles=frozenset(Role(role) for role in row.roles)
    )


def device(row: Stored, groups: Iterable[str]) -> Device:
    """Return a row of ``devices``, with its *groups*, as a value."""
    return read(
        Device,
        row,
        host_keys=tuple(row.host_keys),
        groups=frozenset(groups),
        algorithms=_algorithms(row.algorithms),
        level=Level(row.level),
    )


def _algorithms(stored: Mapping[str, list[str]]) -> Algorithms:
    named = {kind: tuple(names) for kind, names in stored.items() if kind != "quirks"}
    return Algorithms(**named, quirks=tuple(Quirk(name) for name in stored.get("quirks", ())))


def device_row(value: Device) -> Values:
    """Return a device as columns of ``devices`` (its groups have their own table)."""
    return columns(value, "groups")


def account(row: Stored) -> DedicatedAccount:
    """Return a row of ``accounts``, with the column ``vaulted`` added, as a value."""
    return read(DedicatedAccount, row, method=AccountMethod(row.method), vaulted=bool(row.vaulted))


def account_row(value: DedicatedAccount) -> Values:
    """Return an account as columns of ``accounts`` (its secret has its own table)."""
    return columns(value, "vaulted")


def intervention(row: Stored) -> Intervention:
    """Return a row of ``interventions`` as a value."""
    return read(Intervention, row, kind=InterventionKind(row.kind), state=InterventionState(row.state))


def window(
    row: Stored,
    *,
    people: Iterable[Any],
    devices: Iterable[Any],
    groups: Iterable[str],
    occurrences: Iterable[Occurrence],
) -> Window:
    """Return a row of ``windows``, with what it names and its occurrences, as a value."""
    return read(
        Window,
        row,
        people=frozenset(people),
        devices=frozenset(devices),
        groups=frozenset(groups),
        channels=frozenset(Channel(channel) for channel in row.channels),
        idle=IdleRule(limit=row.idle_limit, output_counts=row.output_counts, ceiling=row.output_ceiling),
        state=WindowState(row.state),
        recurrence=None if row.recurrence is None else _recurrence(row.recurrence),
        occurrences=tuple(sorted(occurrences, key=lambda occurrence: (occurrence.start, occurrence.end))),
        level=Level(row.level),
        forwards=tuple(Forward(port=one["port"], label=one["label"]) for one in row.forwards),
    )


def window_row(value: Window) -> Values:
    """Return a window as columns of ``windows``, but for how far its recurrence is stored."""
    return columns(
        value,
        *("people", "devices", "groups", "occurrences", "idle"),
        idle_limit=value.idle.limit,
        output_counts=value.idle.output_counts,
        output_ceiling=value.idle.ceiling,
    )


def occurrence(row: Stored) -> Occurrence:
    """Return a row of ``occurrences`` as a value."""
    return Occurrence(id=row.id, window_id=row.window_id, start=row.start_at, end=row.end_at)


def revocation(row: Stored) -> Revocation:
    """Return a row of ``revocations`` as a value."""
    return read(Revocation, row, scope=RevocationScope(row.scope), by=row.by_id)


def _factors(stored: Iterable[Values]) -> FactorTable:
    return FactorTable(
        tuple(
            FactorRow(frozenset(Factor(factor) for factor in row["factors"]), Level(row["level"]))
            for row in stored
        )
    )


def _recurrence(stored: Values) -> Recurrence:
    return Recurrence(
        start=datetime.fromisoformat(stored["start"]),
        duration=timedelta(seconds=stored["duration"]),
        rule=stored["rule"],
        exceptions=tuple(datetime.fromisoformat(local) for local in stored["exceptions"]),
        fold=stored["fold"],
        shift=stored["shift"],
    )
