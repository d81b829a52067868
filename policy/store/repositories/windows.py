"""Windows, whom and what they name, and their occurrences."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Select, delete, func, insert, select, update

from policy.domain.devices import Device
from policy.domain.ids import DeviceId, HospitalId, InterventionId, OccurrenceId, PersonId, WindowId
from policy.domain.windows import Occurrence, Window, WindowState
from policy.errors import Conflict, NotFound
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository
from policy.store.repositories.window_rows import assemble, every_occurrence

_c = t.windows.c
_o = t.occurrences.c
_OVER = [state.value for state in WindowState if state.over]


class Windows(Repository):
    """Tables ``windows``, ``window_people``, ``window_devices``, ``window_groups`` and ``occurrences``."""

    async def insert(self, window: Window, stored_until: datetime | None) -> None:
        """Add a window with what it names and its occurrences; a recurrence is stored up to *stored_until*."""
        row = {**mapping.window_row(window), "stored_until": stored_until}
        await self._connection.execute(insert(t.windows).values(row))
        await self._name(window)
        await self.add_occurrences(window.hospital_id, window.occurrences)

    async def update(self, window: Window) -> None:
        """Write the window's own values as its next version: *window*.version is the one to be written.

        What it names and its occurrences are not written. Raises Conflict where somebody else wrote that version
        already.
        """
        before = (
            (_c.hospital_id == window.hospital_id) & (_c.id == window.id) & (_c.version == window.version - 1)
        )
        row = mapping.window_row(window)
        done = await self._connection.execute(update(t.windows).where(before).values(row))
        if done.rowcount != 1:
            raise Conflict("this window was changed meanwhile: look at it again")

    async def cancel(self, window: Window) -> None:
        """Write that the window is cancelled, as its next version, and nothing else of it.

        Raises Conflict where somebody else wrote that version already.
        """
        before = (
            (_c.hospital_id == window.hospital_id) & (_c.id == window.id) & (_c.version == window.version - 1)
        )
        row = {"state": WindowState.CANCELLED.value, "version": window.version}
        done = await self._connection.execute(update(t.windows).where(before).values(row))
        if done.rowcount != 1:
            raise Conflict("this window was changed meanwhile: look at it again")

    async def add_occurrences(self, hospital_id: HospitalId, occurrences: Iterable[Occurrence]) -> None:
        """Add occurrences to windows of this hospital."""
        rows = [
            {
                "hospital_id": hospital_id,
                "id": one.id,
                "window_id": one.window_id,
                "start_at": one.start,
                "end_at": one.end,
            }
            for one in occurrences
        ]
        if rows:
            await self._connection.execute(insert(t.occurrences), rows)

    async def end_occurrence(
        self, hospital_id: HospitalId, occurrence_id: OccurrenceId, end: datetime
    ) -> None:
        """Let an occurrence end at *end* instead."""
        where = (_o.hospital_id == hospital_id) & (_o.id == occurrence_id)
        await self._connection.execute(update(t.occurrences).where(where).values(end_at=end))

    async def drop_occurrences(self, hospital_id: HospitalId, window_id: WindowId, after: datetime) -> None:
        """Remove the window's occurrences that end later than *after*, and what was asked about them."""
        mine = (_o.hospital_id == hospital_id) & (_o.window_id == window_id) & (_o.end_at > after)
        e = t.extensions.c
        asked = (e.hospital_id == hospital_id) & e.occurrence_id.in_(select(_o.id).where(mine))
        await self._connection.execute(delete(t.extensions).where(asked))
        await self._connection.execute(delete(t.occurrences).where(mine))

    async def get(self, hospital_id: HospitalId, window_id: WindowId) -> Window:
        """Return the window with every occurrence stored; raises NotFound."""
        query = select(t.windows).where((_c.hospital_id == hospital_id) & (_c.id == window_id))
        rows = (await self._connection.execute(query)).all()
        if not rows:
            raise NotFound("window", window_id)
        return (await assemble(self._connection, hospital_id, rows))[0]

    async def store_until(
        self, hospital_id: HospitalId, window_id: WindowId, *, since: datetime, until: datetime
    ) -> bool:
        """Note that a recurrence stored until *since* is now stored until *until*; False where it no longer was."""
        where = (_c.hospital_id == hospital_id) & (_c.id == window_id) & (_c.stored_until == since)
        done = await self._connection.execute(update(t.windows).where(where).values(stored_until=until))
        return done.rowcount == 1

    async def list(
        self,
        hospital_id: HospitalId,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        intervention_id: InterventionId | None = None,
        state: WindowState | None = None,
        person_id: PersonId | None = None,
    ) -> Sequence[Window]:
        """Return the windows with an occurrence in ``[start, end)``, with those occurrences only, first first.

        Those of an intervention only, in one *state* only, or that name *person_id*, where these are given.
        """
        within = _o.hospital_id == hospital_id
        if start is not None:
            within &= _o.end_at > start
        if end is not None:
            within &= _o.start_at < end
        query = select(t.windows).where(
            (_c.hospital_id == hospital_id) & select(_o.id).where(within & (_o.window_id == _c.id)).exists()
        )
        if intervention_id is not None:
            query = query.where(_c.intervention_id == intervention_id)
        if state is not None:
            query = query.where(_c.state == state.value)
        if person_id is not None:
            query = query.where(_c.id.in_(_naming_person(hospital_id, person_id)))
        rows = (await self._connection.execute(query)).all()
        found = await assemble(self._connection, hospital_id, rows, every_occurrence().where(within))
        return sorted(found, key=lambda window: (window.occurrences[0].start, window.id))

    async def on_devices(
        self,
        hospital_id: HospitalId,
        devices: Iterable[DeviceId],
        groups: Iterable[str],
        start: datetime,
        end: datetime,
    ) -> Sequence[Window]:
        """Return the windows, not cancelled, that name one of *devices* or *groups* within ``[start, end)``."""
        named_device = t.window_devices.c.device_id.in_(list(devices))
        named_group = t.window_groups.c.name.in_(list(groups))
        within = (_o.hospital_id == hospital_id) & (_o.end_at > start) & (_o.start_at < end)
        query = select(t.windows).where(
            (_c.hospital_id == hospital_id)
            & _c.state.not_in(_OVER)
            & select(_o.id).where(within & (_o.window_id == _c.id)).exists()
            & (
                _c.id.in_(select(t.window_devices.c.window_id).where(named_device))
                | _c.id.in_(select(t.window_groups.c.window_id).where(named_group))
            )
        )
        rows = (await self._connection.execute(query)).all()
        return await assemble(self._connection, hospital_id, rows, every_occurrence().where(within))

    async def known_to(self, hospital_id: HospitalId, person_id: PersonId, reached: Device) -> bool:
        """Tell whether some window, whatever its state and time, ever named the person and the device."""
        d, g = t.window_devices.c, t.window_groups.c
        by_device = select(d.window_id).where((d.hospital_id == hospital_id) & (d.device_id == reached.id))
        by_group = select(g.window_id).where(
            (g.hospital_id == hospital_id) & g.name.in_(sorted(reached.groups))
        )
        query = select(_c.id).where(
            (_c.hospital_id == hospital_id)
            & _c.id.in_(_naming_person(hospital_id, person_id))
            & (_c.id.in_(by_device) | _c.id.in_(by_group))
        )
        return (await self._connection.execute(query.limit(1))).first() is not None

    async def waiting(self, hospital_id: HospitalId, person_id: PersonId, at: datetime) -> int:
        """Return how many windows the person asked for wait for an answer and are not over at *at*."""
        open_still = select(_o.id).where(
            (_o.hospital_id == hospital_id) & (_o.window_id == _c.id) & (_o.end_at > at)
        )
        query = select(func.count()).where(
            (_c.hospital_id == hospital_id)
            & (_c.requested_by == person_id)
            & (_c.state == WindowState.PLANNED.value)
            & open_still.exists()
        )
        return (await self._connection.execute(query)).scalar_one()

    async def restart(self, hospital_id: HospitalId, window_id: WindowId, until: datetime) -> None:
        """Note that another recurrence took the place of the one before, and is stored until *until*."""
        where = (_c.hospital_id == hospital_id) & (_c.id == window_id)
        await self._connection.execute(update(t.windows).where(where).values(stored_until=until))

    async def recurring_short_of(self, until: datetime) -> Sequence[tuple[HospitalId, WindowId, datetime]]:
        """Return the recurring windows of every hospital, not cancelled, stored short of *until*, and until when."""
        query = (
            select(_c.hospital_id, _c.id, _c.stored_until)
            .where((_c.stored_until < until) & _c.state.not_in(_OVER))
            .order_by(_c.hospital_id, _c.id)
        )
        return [(row.hospital_id, row.id, row.stored_until) for row in await self._connection.execute(query)]

    async def _name(self, window: Window) -> None:
        for table, column, names in (
            (t.window_people, "person_id", window.people),
            (t.window_devices, "device_id", window.devices),
            (t.window_groups, "name", window.groups),
        ):
            rows = [
                {"hospital_id": window.hospital_id, "window_id": window.id, column: name}
                for name in sorted(names)
            ]
            if rows:
                await self._connection.execute(insert(table), rows)


def _naming_person(hospital_id: HospitalId, person_id: PersonId) -> Select[tuple[str]]:
    """Return, as a query, the ids of the windows that name the person."""
    p = t.window_people.c
    return select(p.window_id).where((p.hospital_id == hospital_id) & (p.person_id == person_id))
