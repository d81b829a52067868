"""The charter and the engagements: published by version, accepted by each person, never changed afterwards."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Final

from policy.domain.engagements import Engagement, EngagementKind, EngagementText
from policy.domain.ids import HospitalId, PersonId
from policy.domain.people import Language, Person
from policy.errors import InvalidInput
from policy.services import inputs
from policy.services.duties import Duty, require
from policy.services.service import Service
from policy.store.unit_of_work import UnitOfWork, View

_LONGEST_TITLE: Final = 200
_LONGEST_PARAGRAPH: Final = 5_000
_MOST_PARAGRAPHS: Final = 100


class EngagementService(Service):
    """What a hospital has its technicians accept."""

    async def texts(self, actor: PersonId, hospital_id: HospitalId) -> Sequence[EngagementText]:
        """Return every version of every text, by kind, oldest first; those that every hospital begins with included."""
        async with self._acting(actor, hospital_id, Duty.READ) as work:
            await first_texts(work, hospital_id, self._clock.now())
            return await work.engagements.texts(hospital_id)

    async def publish(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        kind: EngagementKind,
        *,
        titles: Mapping[Language, str],
        paragraphs: Mapping[Language, Sequence[str]],
        effective_at: datetime | None = None,
    ) -> EngagementText:
        """Publish the next version of a text, in force from *effective_at* (None: now).

        Until then whoever accepted the one before may go on, and may accept this one. Raises InvalidInput for an
        empty text, one that lacks a language, or an instant that is past.
        """
        at = self._clock.now()
        start = effective_at or at
        if start < at:
            raise InvalidInput("effective", "write a time to come, or leave it out for now")
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            await first_texts(work, hospital_id, at)
            versions = [
                text.version for text in await work.engagements.texts(hospital_id) if text.kind is kind
            ]
            text = EngagementText(
                hospital_id=hospital_id,
                kind=kind,
                version=max(versions) + 1,
                titles={language: _title(titles, language) for language in Language},
                paragraphs={language: _paragraphs(paragraphs, language) for language in Language},
                published_at=at,
                effective_at=start,
                published_by=actor,
            )
            await work.engagements.insert_text(text)
            facts = {"kind": kind, "version": text.version, "digest": text.digest, "effective_at": start}
            await work.emit("engagement.published", hospital_id, hospital_id, {}, facts)
        return text

    async def accepted(
        self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId
    ) -> Sequence[Engagement]:
        """Return what a person accepted, oldest first; one's own may always be seen."""
        async with self._database.read() as view:
            if actor != person_id:
                await require(view, hospital_id, actor, Duty.READ)
            await view.people.get(hospital_id, person_id)
            return await view.engagements.accepted(hospital_id, person_id)


async def first_texts(work: UnitOfWork, hospital_id: HospitalId, at: datetime) -> None:
    """Make sure that the hospital has a version of every text: the first is the one that comes with this program."""
    present = {text.kind for text in await work.engagements.texts(hospital_id)}
    for kind in EngagementKind:
        if kind in present:
            continue
        words = {language: _shipped(kind, language) for language in Language}
        text = EngagementText(
            hospital_id=hospital_id,
            kind=kind,
            version=1,
            titles={language: title for language, (title, _) in words.items()},
            paragraphs={language: said for language, (_, said) in words.items()},
            published_at=at,
            effective_at=at,
        )
        await work.engagements.insert_text(text)
        facts = {"kind": kind, "version": 1, "digest": text.digest, "effective_at": at}
        await work.emit("engagement.published", hospital_id, hospital_id, {}, facts)


async def demand_in(work: UnitOfWork, person: Person, at: datetime) -> None:
    """Demand the texts of *person* from now on, in the caller's transaction."""
    await first_texts(work, person.hospital_id, at)
    if not await work.engagements.demanded(person.hospital_id, person.id):
        await work.engagements.demand(person.hospital_id, person.id, at)
        await work.emit("engagement.demanded", person.hospital_id, person.id, {}, {"since": at})


async def to_accept(view: View, person: Person) -> Sequence[EngagementText]:
    """Return the newest version of each text that is demanded of *person* and that she has not accepted, as read."""
    if not await view.engagements.demanded(person.hospital_id, person.id):
        return ()
    newest = {text.kind: text for text in await view.engagements.texts(person.hospital_id)}
    mine = {(one.kind, one.version) for one in await view.engagements.accepted(person.hospital_id, person.id)}
    wanted = (newest[kind] for kind in EngagementKind if kind in newest)
    return tuple(text for text in wanted if (text.kind, text.version) not in mine)


async def accept_in(
    work: UnitOfWork, person: Person, versions: Mapping[EngagementKind, int], source: str, at: datetime
) -> None:
    """Keep that *person* accepts these *versions*, which must be the ones she was shown: all that wait for her.

    Raises InvalidInput where one is left out, or was replaced while she read.
    """
    waiting = await to_accept(work, person)
    for text in waiting:
        if versions.get(text.kind) != text.version:
            raise InvalidInput("engagements", "read and accept every text, in its present version")
    for text in waiting:
        engagement = Engagement(
            hospital_id=person.hospital_id,
            person_id=person.id,
            kind=text.kind,
            version=text.version,
            digest=text.digest,
            at=at,
            source=source,
        )
        if await work.engagements.insert(engagement):
            facts = {"kind": text.kind, "version": text.version, "digest": text.digest, "source": source}
            await work.emit("engagement.accepted", person.hospital_id, person.id, {}, facts)


def _shipped(kind: EngagementKind, language: Language) -> tuple[str, tuple[str, ...]]:
    place = files("policy") / "locales" / language.value / f"{kind.value}.txt"
    title, *paragraphs = place.read_text(encoding="utf-8").strip().split("\n\n")
    return title, tuple(paragraphs)


def _title(titles: Mapping[Language, str], language: Language) -> str:
    return inputs.line(titles.get(language, ""), f"titles.{language.value}", longest=_LONGEST_TITLE)


def _paragraphs(paragraphs: Mapping[Language, Sequence[str]], language: Language) -> tuple[str, ...]:
    field = f"paragraphs.{language.value}"
    said = tuple(paragraphs.get(language, ()))
    if not 0 < len(said) <= _MOST_PARAGRAPHS:
        raise InvalidInput(field, f"write 1 to {_MOST_PARAGRAPHS} paragraphs of plain text")
    return tuple(inputs.line(one, field, longest=_LONGEST_PARAGRAPH) for one in said)
