"""Reads all that the engine may look at, for any number of people and devices, by one question."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from policy.domain.access import Facts, Revocation
from policy.domain.derogations import Derogation
from policy.domain.devices import DedicatedAccount, Device, Zone
from policy.domain.engagements import EngagementKind, EngagementState
from policy.domain.hospitals import Hospital
from policy.domain.ids import DeviceId, HospitalId, InterventionId, OccurrenceId, PersonId, WindowId
from policy.domain.interventions import Intervention
from policy.domain.people import Person
from policy.domain.proofs import KeyStanding
from policy.domain.suppliers import Supplier
from policy.domain.windows import Occurrence, Window
from policy.store import mapping
from policy.store.lists import instant
from policy.store.repositories import fact_queries as queries
from policy.store.repositories.derogations import Derogations
from policy.store.repositories.leases import Leases

_PAST = timedelta(days=1)
"""How long a window that is over is still told of, with its reason, to those it named."""


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


@dataclass(frozen=True, slots=True)
class _Who:
    """What the first question gives: ``cut`` tells whether anything was cut since the instant asked about."""

    hospital: Hospital
    people: Mapping[PersonId, tuple[Person, Supplier | None, int]]
    engagements: Mapping[PersonId, tuple[EngagementState, ...]]
    cut: bool


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
        where: dict[str, Any] = {
            "hospital": hospital_id,
            "people": list(people),
            "at": at,
            "past": at - _PAST,
        }
        where |= {"beat_since": at - lease, "since": revoked_since or at, "occurrences": list(occurrences)}
        if names or devices is not None:
            question = queries.facts_on()
            where |= {"names": list(names), "devices": list(devices or ())}
        else:
            question = queries.facts_of()
        found = (await self._connection.execute(question.statement, where)).one()
        who = _who(question.people.rows(found.people))
        if who is None:
            return None
        known, reach = who.people, _reach(question.devices.rows(found.devices))
        windows, interventions = _windows(question.windows.rows(found.windows))
        return Snapshot(
            hospital=who.hospital,
            people=known,
            reach=reach,
            windows=windows,
            interventions=interventions,
            revocations=await self._revocations(hospital_id, revoked_since or at) if who.cut else (),
            session_limit=session_limit,
            sources=await self._sources(hospital_id, known, at - lease),
            engagements=who.engagements,
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

    async def _revocations(self, hospital_id: HospitalId, since: datetime) -> tuple[Revocation, ...]:
        asked = {"hospital": hospital_id, "since": since}
        found = await self._connection.execute(queries.revocations(), asked)
        return tuple(mapping.revocation(row) for row in found)


def _who(rows: Iterable[Any]) -> _Who | None:
    hospital: Hospital | None = None
    found: dict[PersonId, tuple[Person, Supplier | None, int]] = {}
    engagements: dict[PersonId, tuple[EngagementState, ...]] = {}
    cut = False
    for row in rows:
        hospital = hospital or mapping.hospital(_part(row, "h"))
        person = mapping.person(_part(row, "p"))
        supplier = None if row.s_id is None else mapping.supplier(_part(row, "s"))
        found[person.id] = (person, supplier, row.live)
        engagements[person.id] = _states(row.engagements)
        cut = cut or row.cut
    return None if hospital is None else _Who(hospital, found, engagements, cut)


def _reach(rows: Iterable[Any]) -> dict[DeviceId, Reach]:
    devices: dict[DeviceId, Any] = {}
    groups: dict[DeviceId, set[str]] = defaultdict(set)
    accounts: dict[DeviceId, dict[str, DedicatedAccount]] = defaultdict(dict)
    for row in rows:
        devices[row.d_id] = row
        if row.group is not None:
            groups[row.d_id].add(row.group)
        if row.a_id is not None:
            accounts[row.d_id][row.a_id] = mapping.account(_part(row, "a"))
    return {
        key: Reach(
            device=mapping.device(_part(row, "d"), groups[key]),
            zone=mapping.read(Zone, _part(row, "z")),
            accounts=tuple(sorted(accounts[key].values(), key=lambda account: account.name)),
        )
        for key, row in devices.items()
    }


def _windows(rows: Iterable[Any]) -> tuple[tuple[Window, ...], dict[InterventionId, Intervention]]:
    windows: list[Window] = []
    interventions: dict[InterventionId, Intervention] = {}
    for row in rows:
        windows.append(
            mapping.window(
                row,
                people=[name for (name,) in row.named_people],
                devices=[name for (name,) in row.named_devices],
                groups=[name for (name,) in row.named_groups],
                occurrences=[_occurrence(row.id, *each) for each in (*row.coming, *row.just_over)],
            )
        )
        if row.intervention_id not in interventions:
            interventions[row.intervention_id] = mapping.intervention(_part(row, "i"))
    return tuple(sorted(windows, key=lambda window: window.id)), interventions


def _states(listed: Sequence[tuple[str, int, int | None]]) -> tuple[EngagementState, ...]:
    states = {
        kind: EngagementState(kind=EngagementKind(kind), in_force=in_force, accepted=accepted)
        for kind, in_force, accepted in listed
    }
    return tuple(states[kind] for kind in EngagementKind if kind in states)


def _occurrence(window_id: WindowId, occurrence_id: str, start: str, end: str) -> Occurrence:
    return Occurrence(
        id=OccurrenceId(occurrence_id), window_id=window_id, start=instant(start), end=instant(end)
    )


def _part(row: Any, prefix: str) -> SimpleNamespace:
    return SimpleNamespace(**{name: row[place] for name, place in _places(row._fields, prefix)})


@cache
def _places(fields: tuple[str, ...], prefix: str) -> tuple[tuple[str, int], ...]:
    """Return the columns that are labelled with *prefix*, and where they stand: looked for once a query, not once a row."""
    start = f"{prefix}_"
    return tuple(
        (name.removeprefix(start), place) for place, name in enumerate(fields) if name.startswith(start)
    )
