"""Reads all that the engine may look at, for any number of people and devices, in seven queries."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Row, Table, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from policy.domain.access import Facts, Revocation
from policy.domain.derogations import Derogation
from policy.domain.devices import DedicatedAccount, Device, Zone
from policy.domain.engagements import EngagementState
from policy.domain.hospitals import Hospital
from policy.domain.ids import DeviceId, HospitalId, InterventionId, OccurrenceId, PersonId
from policy.domain.interventions import Intervention
from policy.domain.people import Person
from policy.domain.proofs import KeyStanding
from policy.domain.suppliers import Supplier
from policy.domain.windows import Window
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.accounts import VAULTED
from policy.store.repositories.derogations import Derogations
from policy.store.repositories.engagements import Engagements
from policy.store.repositories.leases import Leases, live_sessions_of
from policy.store.repositories.window_rows import assemble

_PAST = timedelta(days=1)
"""How long a window that is over is still told of, with its reason, to those it named."""
_COMING = 64
"""How many occurrences of a window are read ahead; the next one is all that a refusal names."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """A device and where it stands, with its dedicated accounts."""

    device: Device
    zone: Zone
    accounts: tuple[DedicatedAccount, ...]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What was read: the facts of any of these people on any of these devices."""

    hospital: Hospital
    people: Mapping[PersonId, tuple[Person, Supplier | None, int]]
    reach: Mapping[DeviceId, Reach]
    windows: tuple[Window, ...]
    interventions: Mapping[InterventionId, Intervention]
    derogations: tuple[Derogation, ...]
    revocations: tuple[Revocation, ...]
    session_limit: int
    engagements: Mapping[PersonId, tuple[EngagementState, ...]]
    sources: Mapping[PersonId, frozenset[str]]

    def facts(
        self, person_id: PersonId, device_id: DeviceId | None, standing: KeyStanding | None = None
    ) -> Facts:
        """Return the facts of one person on one device (None: a device that does not exist).

        *standing* is that of the key her log-in was proved with.
        """
        person, supplier, live = self.people[person_id]
        reach = None if device_id is None else self.reach.get(device_id)
        windows = (
            ()
            if reach is None
            else tuple(
                window
                for window in self.windows
                if person_id in window.people
                and (reach.device.id in window.devices or window.groups & reach.device.groups)
            )
        )
        return Facts(
            hospital=self.hospital,
            person=person,
            supplier=supplier,
            device=None if reach is None else reach.device,
            zone=None if reach is None else reach.zone,
            accounts=() if reach is None else reach.accounts,
            windows=windows,
            interventions={
                window.intervention_id: self.interventions[window.intervention_id] for window in windows
            },
            derogations=tuple(one for one in self.derogations if one.device_id == device_id),
            revocations=self.revocations,
            live_sessions=live,
            session_limit=self.session_limit,
            sources=self.sources.get(person_id, frozenset()),
            engagements=self.engagements.get(person_id, ()),
            standing=standing,
        )

    def device_named(self, name: str) -> DeviceId | None:
        """Return the id of the device of that name, None where it was not found."""
        return next((key for key, reach in self.reach.items() if reach.device.name == name), None)


class FactReader:
    """Reads snapshots of facts."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Read through *connection*."""
        self._connection = connection

    async def snapshot(
        self,
        hospital_id: HospitalId,
        people: Collection[PersonId],
        *,
        at: datetime,
        lease: timedelta,
        session_limit: int,
        names: Collection[str] = (),
        devices: Collection[DeviceId] | None = None,
        occurrences: Collection[OccurrenceId] = (),
        revoked_since: datetime | None = None,
    ) -> Snapshot | None:
        """Read the facts of *people* around the instant *at*; None where none of them exists in this hospital.

        On the devices of these *names* and ids, or, where *devices* is None and no name is given, on every
        device that their windows name. *occurrences* are read however old they are.
        """
        hospital, known = await self._people(hospital_id, people, at - lease)
        if hospital is None:
            return None
        mine = t.windows.c.id.in_(
            select(t.window_people.c.window_id).where(
                (t.window_people.c.hospital_id == hospital_id) & t.window_people.c.person_id.in_(list(known))
            )
        )
        reach: dict[DeviceId, Reach]
        if names or devices is not None:
            wanted = t.devices.c.name.in_(list(names)) | t.devices.c.id.in_(list(devices or ()))
            reach = await self._devices(hospital_id, wanted)
            windows, interventions = await self._windows(
                hospital_id, mine & _naming(hospital_id, reach), at, occurrences
            )
        else:
            windows, interventions = await self._windows(hospital_id, mine, at, occurrences)
            reach = await self._devices(hospital_id, _named_by(hospital_id, windows))
        return Snapshot(
            hospital=hospital,
            people=known,
            reach=reach,
            windows=tuple(windows),
            interventions=interventions,
            revocations=await self._revocations(hospital_id, revoked_since or at),
            session_limit=session_limit,
            sources=await self._sources(hospital_id, known, at - lease),
            engagements=await Engagements(self._connection).states(hospital_id, known, at),
            derogations=await self._derogations(hospital_id, reach),
        )

    async def _derogations(
        self, hospital_id: HospitalId, reach: Mapping[DeviceId, Reach]
    ) -> tuple[Derogation, ...]:
        old = [key for key, one in reach.items() if one.device.algorithms.weaknesses]
        return tuple(await Derogations(self._connection).list(hospital_id, old)) if old else ()

    async def _sources(
        self,
        hospital_id: HospitalId,
        known: Mapping[PersonId, tuple[Person, Supplier | None, int]],
        beat_since: datetime,
    ) -> Mapping[PersonId, frozenset[str]]:
        """Read where the sessions of those come from who work from one post at a time (E2)."""
        bound = [
            key
            for key, (person, supplier, live) in known.items()
            if live and (person.one_post or (supplier is not None and supplier.one_post))
        ]
        return await Leases(self._connection).sources(hospital_id, bound, beat_since) if bound else {}

    async def _people(
        self, hospital_id: HospitalId, people: Collection[PersonId], beat_since: datetime
    ) -> tuple[Hospital | None, dict[PersonId, tuple[Person, Supplier | None, int]]]:
        where = (t.people.c.hospital_id == hospital_id) & t.people.c.id.in_(list(people))
        same = (t.suppliers.c.hospital_id == t.people.c.hospital_id) & (
            t.suppliers.c.id == t.people.c.supplier_id
        )
        query = (
            select(
                *_labelled("h", t.hospitals),
                *_labelled("p", t.people),
                *_labelled("s", t.suppliers),
                live_sessions_of(t.people.c.hospital_id, t.people.c.id, beat_since).label("live"),
            )
            .select_from(
                t.people.join(t.hospitals, t.hospitals.c.id == t.people.c.hospital_id).outerjoin(
                    t.suppliers, same
                )
            )
            .where(where)
        )
        hospital: Hospital | None = None
        found: dict[PersonId, tuple[Person, Supplier | None, int]] = {}
        for row in await self._connection.execute(query):
            hospital = mapping.hospital(_part(row, "h"))
            person = mapping.person(_part(row, "p"))
            supplier = None if row.s_id is None else mapping.supplier(_part(row, "s"))
            found[person.id] = (person, supplier, row.live)
        return hospital, found

    async def _devices(self, hospital_id: HospitalId, wanted: ColumnElement[bool]) -> dict[DeviceId, Reach]:
        d, a, g = t.devices.c, t.accounts.c, t.device_groups.c
        query = (
            select(
                *_labelled("d", t.devices),
                *_labelled("z", t.zones),
                *_labelled("a", t.accounts),
                VAULTED.label("a_vaulted"),
                g.name.label("group"),
            )
            .select_from(
                t.devices.join(
                    t.zones, (t.zones.c.hospital_id == d.hospital_id) & (t.zones.c.id == d.zone_id)
                )
                .outerjoin(t.accounts, (a.hospital_id == d.hospital_id) & (a.device_id == d.id))
                .outerjoin(t.device_groups, (g.hospital_id == d.hospital_id) & (g.device_id == d.id))
            )
            .where((d.hospital_id == hospital_id) & wanted)
        )
        rows: dict[DeviceId, Row[*tuple[Any, ...]]] = {}
        groups: dict[DeviceId, set[str]] = defaultdict(set)
        accounts: dict[DeviceId, dict[str, DedicatedAccount]] = defaultdict(dict)
        for row in await self._connection.execute(query):
            rows[row.d_id] = row
            if row.group is not None:
                groups[row.d_id].add(row.group)
            if row.a_id is not None:
                accounts[row.d_id][row.a_id] = mapping.account(_part(row, "a"))
        return {
            key: Reach(
                device=mapping.device(_part(row, "d"), groups[key]),
                zone=mapping.zone(_part(row, "z")),
                accounts=tuple(sorted(accounts[key].values(), key=lambda account: account.name)),
            )
            for key, row in rows.items()
        }

    async def _windows(
        self,
        hospital_id: HospitalId,
        wanted: ColumnElement[bool],
        at: datetime,
        occurrences: Collection[OccurrenceId],
    ) -> tuple[list[Window], dict[InterventionId, Intervention]]:
        o = t.occurrences.c
        recent = (o.hospital_id == hospital_id) & ((o.end_at > at - _PAST) | o.id.in_(list(occurrences)))
        same = (t.interventions.c.hospital_id == t.windows.c.hospital_id) & (
            t.interventions.c.id == t.windows.c.intervention_id
        )
        query = (
            select(t.windows, *_labelled("i", t.interventions))
            .select_from(t.windows.join(t.interventions, same))
            .where(
                (t.windows.c.hospital_id == hospital_id)
                & wanted
                & select(o.id).where(recent & (o.window_id == t.windows.c.id)).exists()
            )
            .order_by(t.windows.c.id)
        )
        rows = (await self._connection.execute(query)).all()
        nearest = (
            select(
                o.id,
                func.row_number()
                .over(
                    partition_by=(o.window_id, case((o.end_at > at, 1), else_=0)), order_by=(o.start_at, o.id)
                )
                .label("rank"),
                o.end_at,
            )
            .where((o.hospital_id == hospital_id) & o.window_id.in_([row.id for row in rows]) & recent)
            .subquery()
        )
        near = o.id.in_(select(nearest.c.id).where((nearest.c.rank <= _COMING) | (nearest.c.end_at <= at)))
        windows = await assemble(self._connection, hospital_id, rows, near)
        interventions = (mapping.intervention(_part(row, "i")) for row in rows)
        return windows, {intervention.id: intervention for intervention in interventions}

    async def _revocations(self, hospital_id: HospitalId, since: datetime) -> tuple[Revocation, ...]:
        c = t.revocations.c
        query = (
            select(t.revocations).where((c.hospital_id == hospital_id) & (c.at >= since)).order_by(c.at, c.id)
        )
        return tuple(mapping.revocation(row) for row in await self._connection.execute(query))


def _naming(hospital_id: HospitalId, reach: Mapping[DeviceId, Reach]) -> ColumnElement[bool]:
    d, g = t.window_devices.c, t.window_groups.c
    groups = {group for one in reach.values() for group in one.device.groups}
    by_device = select(d.window_id).where((d.hospital_id == hospital_id) & d.device_id.in_(list(reach)))
    by_group = select(g.window_id).where((g.hospital_id == hospital_id) & g.name.in_(sorted(groups)))
    return t.windows.c.id.in_(by_device) | t.windows.c.id.in_(by_group)


def _named_by(hospital_id: HospitalId, windows: Collection[Window]) -> ColumnElement[bool]:
    g = t.device_groups.c
    devices = {device for window in windows for device in window.devices}
    groups = {group for window in windows for group in window.groups}
    members = select(g.device_id).where((g.hospital_id == hospital_id) & g.name.in_(sorted(groups)))
    return t.devices.c.id.in_(sorted(devices)) | t.devices.c.id.in_(members)


def _labelled(prefix: str, table: Table) -> list[ColumnElement[Any]]:
    return [column.label(f"{prefix}_{column.name}") for column in table.c]


def _part(row: Row[*tuple[Any, ...]], prefix: str) -> SimpleNamespace:
    start = f"{prefix}_"
    return SimpleNamespace(
        **{name.removeprefix(start): value for name, value in row._mapping.items() if name.startswith(start)}  # noqa: SLF001 - Row's documented mapping
    )
