"""A window while it is open: more time needs a second person, less time does not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from policy.clock import Clock
from policy.domain.ids import HospitalId, OccurrenceId, PersonId, WindowId, new_id
from policy.domain.windows import Extension, Occurrence, Window, WindowState
from policy.errors import Conflict, Forbidden, InvalidInput, NotFound
from policy.services import inputs
from policy.services.duties import Duty, require
from policy.services.four_eyes import require_independent
from policy.services.service import Service
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.store.plain import described
from policy.store.unit_of_work import UnitOfWork, View


class WindowChanges(Service):
    """Shortens and extends the occurrences of approved windows."""

    def __init__(self, database: Database, clock: Clock, settings: PolicySettings) -> None:
        """Keep windows in *database*."""
        super().__init__(database, clock)
        self._settings = settings

    async def shorten(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        window_id: WindowId,
        *,
        end: datetime,
        occurrence_id: OccurrenceId | None = None,
    ) -> Window:
        """Let an occurrence (None: the one open now) end earlier, at once where *end* is past.

        *end* is aware. Raises InvalidInput, and Conflict where it is over, or none is open.
        """
        async with self._acting(actor, hospital_id, Duty.STOP) as work:
            window = await work.windows.get(hospital_id, window_id)
            occurrence = self._chosen(window, occurrence_id)
            wanted = max(_aware(end), min(self._clock.now(), occurrence.end))
            if wanted >= occurrence.end:
                raise InvalidInput("end", f"must be earlier than {occurrence.end.isoformat()}")
            if wanted <= occurrence.start:
                raise InvalidInput("end", "must be later than the start: cancel the window instead")
            return await self._end(work, "window.shortened", window, occurrence, wanted)

    async def extend(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        window_id: WindowId,
        *,
        end: datetime,
        occurrence_id: OccurrenceId | None = None,
    ) -> Window:
        """Let an occurrence (None: the one open now) end later, decided by somebody else than its requester.

        *end* is aware. Raises Forbidden for the window's requester, who may ``request_extension``; InvalidInput
        for an *end* out of bounds; Conflict where it is over, or not approved.
        """
        async with self._acting(actor, hospital_id, Duty.PLAN) as work:
            window = await work.windows.get(hospital_id, window_id)
            if window.requested_by == actor:
                raise Forbidden(
                    "who asked for a window may ask for more time, and somebody else decides (four eyes)"
                )
            await self._independent(work, hospital_id, window.requested_by, actor)
            occurrence = self._chosen(window, occurrence_id)
            await self._extensible(work, window, occurrence, _aware(end))
            return await self._end(work, "window.extended", window, occurrence, _aware(end))

    async def request_extension(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        window_id: WindowId,
        *,
        end: datetime,
        occurrence_id: OccurrenceId | None = None,
        reason: str = "",
    ) -> Extension:
        """Ask for more time, for somebody else to decide; refused on the same grounds as ``extend``."""
        why = inputs.line(reason, "reason", longest=500, empty=True)
        async with self._acting(actor, hospital_id, Duty.PLAN) as work:
            window = await work.windows.get(hospital_id, window_id)
            occurrence = self._chosen(window, occurrence_id)
            await self._extensible(work, window, occurrence, _aware(end))
            extension = Extension(
                id=new_id(),
                hospital_id=hospital_id,
                window_id=window_id,
                occurrence_id=occurrence.id,
                end=_aware(end),
                requested_by=actor,
                requested_at=self._clock.now(),
                reason=why,
            )
            await work.extensions.insert(extension)
            facts = described(extension)
            await work.emit("window.extension_requested", hospital_id, window_id, {}, facts)
        return extension

    async def decide_extension(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        extension_id: str,
        *,
        approve: bool,
        reason: str = "",
    ) -> Extension:
        """Grant or refuse more time; whoever asked for it reads *reason*, which a refusal cannot do without.

        Raises Forbidden for who asked for it, Conflict where it is decided, or over, InvalidInput.
        """
        answer = inputs.line(reason, "reason", longest=500, empty=approve) or None
        async with self._database.unit_of_work(actor, self._clock) as work:
            decider = await require(work, hospital_id, actor, Duty.PLAN)
            asked = await work.extensions.get(hospital_id, extension_id)
            if asked.requested_by == actor:
                raise Forbidden("an extension is decided by somebody else than who asked for it (four eyes)")
            if approve:
                await self._independent(work, hospital_id, asked.requested_by, actor)
            await work.extensions.decide(asked, actor, approved=approve, answer=answer)
            window = await work.windows.get(hospital_id, asked.window_id)
            facts = {
                "extension": extension_id,
                "requested_by": asked.requested_by,
                "decided_by": decider.full_name,
                "reason": answer,
            }
            if approve:
                occurrence = self._chosen(window, asked.occurrence_id)
                await self._extensible(work, window, occurrence, asked.end)
                await self._end(work, "window.extended", window, occurrence, asked.end, facts)
            else:
                await work.emit("window.extension_refused", hospital_id, window.id, described(asked), facts)
        return replace(asked, decided_by=actor, approved=approve, answer=answer)

    async def extensions(self, actor: PersonId, hospital_id: HospitalId) -> Sequence[Extension]:
        """Return the extensions that wait for a decision, oldest first."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.extensions.list(hospital_id)

    async def _independent(
        self, view: View, hospital_id: HospitalId, asked: PersonId, approves: PersonId
    ) -> None:
        now, period = self._clock.now(), self._settings.four_eyes_period
        await require_independent(view, hospital_id, asked, approves, now=now, period=period)

    def _chosen(self, window: Window, occurrence_id: OccurrenceId | None) -> Occurrence:
        """Return the occurrence meant, not over yet."""
        now = self._clock.now()
        if occurrence_id is None:
            occurrence = window.occurrence_at(now)
            if occurrence is None:
                raise Conflict("this window is not open now: name the occurrence")
            return occurrence
        found = next((one for one in window.occurrences if one.id == occurrence_id), None)
        if found is None:
            raise NotFound("occurrence", occurrence_id)
        if found.end <= now:
            raise Conflict("this occurrence is over")
        return found

    async def _extensible(self, view: View, window: Window, occurrence: Occurrence, end: datetime) -> None:
        if window.state is not WindowState.APPROVED:
            raise Conflict(f"this window is {window.state.value}: only an approved one is extended")
        if end <= occurrence.end:
            raise InvalidInput("end", f"must be later than {occurrence.end.isoformat()}")
        intervention = await view.interventions.get(window.hospital_id, window.intervention_id)
        longest = self._settings.longest(intervention.kind)
        if end - occurrence.start > longest:
            latest = (occurrence.start + longest).isoformat()
            raise InvalidInput("end", f"must be {latest} at the latest, for this kind of intervention")

    @staticmethod
    async def _end(
        work: UnitOfWork,
        name: str,
        window: Window,
        occurrence: Occurrence,
        end: datetime,
        more: Mapping[str, object] | None = None,
    ) -> Window:
        changed = replace(occurrence, end=end)
        after = replace(
            window,
            occurrences=tuple(changed if one.id == changed.id else one for one in window.occurrences),
            version=window.version + 1,
        )
        await work.windows.update(after)
        await work.windows.end_occurrence(window.hospital_id, occurrence.id, end)
        facts = {**described(changed), **(more or {})}
        await work.emit(name, window.hospital_id, window.id, described(occurrence), facts)
        return after


def shown(window: Window) -> dict[str, object]:
    """Return what an event says of *window*: of many occurrences, the first and their number."""
    short = replace(window, occurrences=window.occurrences[:1])
    return {**described(short), "occurrences_stored": len(window.occurrences)}


def _aware(end: datetime) -> datetime:
    if end.tzinfo is None:
        raise InvalidInput("end", "write an instant with its offset")
    return end.astimezone(UTC)
