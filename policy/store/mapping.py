"""Rows to the domain's values and back. Nothing is checked here: what is stored was checked by the services."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from policy.domain.access import Revocation, RevocationScope
from policy.domain.continuations import ContinuationRule
from policy.domain.devices import AccountMethod, Algorithms, DedicatedAccount, Device, Quirk, Zone
from policy.domain.events import PolicyEvent
from policy.domain.factors import DEFAULT_TABLE, Factor, FactorRow, FactorTable, Level
from policy.domain.hospitals import Closure, Hospital
from policy.domain.ids import SiteId
from policy.domain.interventions import Intervention, InterventionKind, InterventionState
from policy.domain.people import Language, Person, Role
from policy.domain.suppliers import Site, Supplier
from policy.domain.windows import Channel, Forward, IdleRule, Occurrence, Recurrence, Window, WindowState

Values = Mapping[str, Any]
Stored = Any  # a row: its attributes are the columns of the table


def hospital(row: Stored) -> Hospital:
    """Return a row of ``hospitals`` as a value."""
    return Hospital(
        id=row.id,
        name=row.name,
        timezone=row.timezone,
        security_contact=row.security_contact,
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
    return {
        "id": value.id,
        "name": value.name,
        "timezone": value.timezone,
        "security_contact": value.security_contact,
        "factors": None if value.factors == DEFAULT_TABLE else _factors_row(value.factors),
        "continuation_seconds": int(value.continuation.life.total_seconds()),
        "continuation_connections": value.continuation.most,
        "closed_at": None if value.closure is None else value.closure.at,
        "closed_by": None if value.closure is None else value.closure.by,
        "closed_reason": None if value.closure is None else value.closure.reason,
    }


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
    return Supplier(
        id=row.id,
        hospital_id=row.hospital_id,
        name=row.name,
        active=row.active,
        sites=sites,
        one_post=row.one_post,
    )


def supplier_row(value: Supplier) -> Values:
    """Return a supplier as columns."""
    return {
        "id": value.id,
        "hospital_id": value.hospital_id,
        "name": value.name,
        "active": value.active,
        "sites": [
            {"id": site.id, "name": site.name, "country": site.country, "networks": list(site.networks)}
            for site in value.sites
        ],
        "one_post": value.one_post,
    }


def person(row: Stored) -> Person:
    """Return a row of ``people`` as a value."""
    return Person(
        id=row.id,
        hospital_id=row.hospital_id,
        login=row.login,
        full_name=row.full_name,
        email=row.email,
        language=Language(row.language),
        roles=frozenset(Role(role) for role in row.roles),
        supplier_id=row.supplier_id,
        active=row.active,
        one_post=row.one_post,
    )


def person_row(value: Person) -> Values:
    """Return a person as columns."""
    return {
        "id": value.id,
        "hospital_id": value.hospital_id,
        "login": value.login,
        "full_name": value.full_name,
        "email": value.email,
        "language": value.language.value,
        "roles": sorted(role.value for role in value.roles),
        "supplier_id": value.supplier_id,
        "active": value.active,
        "one_post": value.one_post,
    }


def zone(row: Stored) -> Zone:
    """Return a row of ``zones`` as a value."""
    return Zone(id=row.id, hospital_id=row.hospital_id, name=row.name, source_address=row.source_address)


def zone_row(value: Zone) -> Values:
    """Return a zone as columns."""
    return {
        "id": value.id,
        "hospital_id": value.hospital_id,
        "name": value.name,
        "source_address": value.source_address,
    }


def device(row: Stored, groups: Iterable[str]) -> Device:
    """Return a row of ``devices``, with its *groups*, as a value."""
    return Device(
        id=row.id,
        hospital_id=row.hospital_id,
        name=row.name,
        description=row.description,
        zone_id=row.zone_id,
        address=row.address,
        port=row.port,
        host_keys=tuple(row.host_keys),
        groups=frozenset(groups),
        algorithms=_algorithms(row.algorithms),
        active=row.active,
        level=Level(row.level),
    )


def _algorithms(stored: Mapping[str, list[str]]) -> Algorithms:
    named = {kind: tuple(names) for kind, names in stored.items() if kind != "quirks"}
    return Algorithms(**named, quirks=tuple(Quirk(name) for name in stored.get("quirks", ())))


def device_row(value: Device) -> Values:
    """Return a device as columns of ``devices`` (its groups have their own table)."""
    return {
        "id": value.id,
        "hospital_id": value.hospital_id,
        "name": value.name,
        "description": value.description,
        "zone_id": value.zone_id,
        "address": value.address,
        "port": value.port,
        "host_keys": list(value.host_keys),
        "algorithms": {
            "kex": list(value.algorithms.kex),
            "host_key": list(value.algorithms.host_key),
            "encryption": list(value.algorithms.encryption),
            "mac": list(value.algorithms.mac),
            "quirks": [quirk.value for quirk in value.algorithms.quirks],
        },
        "active": value.active,
        "level": value.level.value,
    }


def account(row: Stored) -> DedicatedAccount:
    """Return a row of ``accounts``, with the column ``vaulted`` added, as a value."""
    return DedicatedAccount(
        id=row.id,
        hospital_id=row.hospital_id,
        device_id=row.device_id,
        name=row.name,
        method=AccountMethod(row.method),
        vaulted=bool(row.vaulted),
        active=row.active,
    )


def account_row(value: DedicatedAccount) -> Values:
    """Return an account as columns of ``accounts`` (its secret has its own table)."""
    return {
        "id": value.id,
        "hospital_id": value.hospital_id,
        "device_id": value.device_id,
        "name": value.name,
        "method": value.method.value,
        "active": value.active,
    }


def intervention(row: Stored) -> Intervention:
    """Return a row of ``interventions`` as a value."""
    return Intervention(
        id=row.id,
        hospital_id=row.hospital_id,
        supplier_id=row.supplier_id,
        kind=InterventionKind(row.kind),
        purpose=row.purpose,
        state=InterventionState(row.state),
        requested_by=row.requested_by,
        requested_at=row.requested_at,
    )


def intervention_row(value: Intervention) -> Values:
    """Return an intervention as columns."""
    return {
        "id": value.id,
        "hospital_id": value.hospital_id,
        "supplier_id": value.supplier_id,
        "kind": value.kind.value,
        "purpose": value.purpose,
        "state": value.state.value,
        "requested_by": value.requested_by,
        "requested_at": value.requested_at,
    }


def window(
    row: Stored,
    *,
    people: Iterable[Any],
    devices: Iterable[Any],
    groups: Iterable[str],
    occurrences: Iterable[Occurrence],
) -> Window:
    """Return a row of ``windows``, with what it names and its occurrences, as a value."""
    return Window(
        id=row.id,
        hospital_id=row.hospital_id,
        intervention_id=row.intervention_id,
        people=frozenset(people),
        devices=frozenset(devices),
        groups=frozenset(groups),
        account=row.account,
        channels=frozenset(Channel(channel) for channel in row.channels),
        idle=IdleRule(limit=row.idle_limit, output_counts=row.output_counts, ceiling=row.output_ceiling),
        purpose=row.purpose,
        state=WindowState(row.state),
        requested_by=row.requested_by,
        approved_by=row.approved_by,
        recurrence=None if row.recurrence is None else _recurrence(row.recurrence),
        occurrences=tuple(sorted(occurrences, key=lambda occurrence: (occurrence.start, occurrence.end))),
        version=row.version,
        answer=row.answer,
        level=Level(row.level),
        forwards=tuple(Forward(port=one["port"], label=one["label"]) for one in row.forwards),
        outage_grace=row.outage_grace,
    )


def window_row(value: Window) -> Values:
    """Return a window as columns of ``windows``, but for how far its recurrence is stored."""
    return {
        "id": value.id,
        "hospital_id": value.hospital_id,
        "intervention_id": value.intervention_id,
        "account": value.account,
        "channels": sorted(channel.value for channel in value.channels),
        "idle_limit": value.idle.limit,
        "output_counts": value.idle.output_counts,
        "output_ceiling": value.idle.ceiling,
        "purpose": value.purpose,
        "state": value.state.value,
        "requested_by": value.requested_by,
        "approved_by": value.approved_by,
        "recurrence": None if value.recurrence is None else _recurrence_row(value.recurrence),
        "version": value.version,
        "answer": value.answer,
        "level": value.level.value,
        "forwards": [{"port": forward.port, "label": forward.label} for forward in value.forwards],
        "outage_grace": value.outage_grace,
    }


def occurrence(row: Stored) -> Occurrence:
    """Return a row of ``occurrences`` as a value."""
    return Occurrence(id=row.id, window_id=row.window_id, start=row.start_at, end=row.end_at)


def revocation(row: Stored) -> Revocation:
    """Return a row of ``revocations`` as a value."""
    return Revocation(
        hospital_id=row.hospital_id,
        scope=RevocationScope(row.scope),
        target=row.target,
        at=row.at,
        reason=row.reason,
        by=row.by_id,
    )


def event(row: Stored) -> PolicyEvent:
    """Return a row of ``outbox`` as a value."""
    return PolicyEvent(
        id=row.id,
        hospital_id=row.hospital_id,
        at=row.at,
        name=row.name,
        actor=row.actor,
        subject=row.subject,
        before=row.before,
        after=row.after,
    )


def event_row(value: PolicyEvent) -> Values:
    """Return an event as columns of ``outbox``; its position is given by the database."""
    return {
        "id": value.id,
        "hospital_id": value.hospital_id,
        "at": value.at,
        "name": value.name,
        "actor": value.actor,
        "subject": value.subject,
        "before": dict(value.before),
        "after": dict(value.after),
    }


def _factors(stored: Iterable[Values]) -> FactorTable:
    return FactorTable(
        tuple(
            FactorRow(frozenset(Factor(factor) for factor in row["factors"]), Level(row["level"]))
            for row in stored
        )
    )


def _factors_row(value: FactorTable) -> list[Values]:
    return [{"factors": sorted(row.factors), "level": row.level.value} for row in value.rows]


def _recurrence(stored: Values) -> Recurrence:
    return Recurrence(
        start=datetime.fromisoformat(stored["start"]),
        duration=timedelta(seconds=stored["duration"]),
        rule=stored["rule"],
        exceptions=tuple(datetime.fromisoformat(local) for local in stored["exceptions"]),
        fold=stored["fold"],
        shift=stored["shift"],
    )


def _recurrence_row(value: Recurrence) -> Values:
    return {
        "start": value.start.isoformat(),
        "duration": value.duration.total_seconds(),
        "rule": value.rule,
        "exceptions": [local.isoformat() for local in value.exceptions],
        "fold": value.fold,
        "shift": value.shift,
    }
