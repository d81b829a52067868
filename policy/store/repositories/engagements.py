"""Texts, who accepted which version, and of whom they are demanded."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from policy.domain.engagements import Engagement, EngagementKind, EngagementText
from policy.domain.ids import HospitalId, PersonId
from policy.domain.people import Language
from policy.store import mapping
from policy.store import tables as t
from policy.store.dialects import insertion
from policy.store.repositories.repository import Repository

_texts, _made, _duties = t.engagement_texts.c, t.engagements.c, t.engagement_duties.c


class Engagements(Repository):
    """Tables ``engagement_texts``, ``engagements`` and ``engagement_duties``: the first two are only ever added to."""

    async def insert_text(self, text: EngagementText) -> None:
        """Add a version; one that is there already stays as it is."""
        row = mapping.columns(text, digest=text.digest)
        await self._connection.execute(
            insertion(self._connection, t.engagement_texts).values(row).on_conflict_do_nothing()
        )

    async def texts(self, hospital_id: HospitalId) -> Sequence[EngagementText]:
        """Return every version of every text of the hospital, by kind, oldest first."""
        query = select(t.engagement_texts).where(_texts.hospital_id == hospital_id)
        rows = await self._connection.execute(query.order_by(_texts.kind, _texts.version))
        return [_text(row) for row in rows]

    async def insert(self, engagement: Engagement) -> bool:
        """Add an acceptance; False where she had accepted that version before, which stays as it was."""
        row = mapping.columns(engagement)
        done = await self._connection.execute(
            insertion(self._connection, t.engagements).values(row).on_conflict_do_nothing()
        )
        return done.rowcount == 1

    async def accepted(self, hospital_id: HospitalId, person_id: PersonId) -> Sequence[Engagement]:
        """Return what the person accepted, oldest first."""
        where = (_made.hospital_id == hospital_id) & (_made.person_id == person_id)
        query = select(t.engagements).where(where).order_by(_made.at, _made.kind, _made.version)
        return [_engagement(row) for row in await self._connection.execute(query)]

    async def demand(self, hospital_id: HospitalId, person_id: PersonId, since: datetime) -> None:
        """Ask the person for the versions in force, from *since* on; where that is so already, nothing changes."""
        row = {"hospital_id": hospital_id, "person_id": person_id, "since": since}
        await self._connection.execute(
            insertion(self._connection, t.engagement_duties).values(row).on_conflict_do_nothing()
        )

    async def demanded(self, hospital_id: HospitalId, person_id: PersonId) -> bool:
        """Tell whether the texts are demanded of the person."""
        where = (_duties.hospital_id == hospital_id) & (_duties.person_id == person_id)
        return (await self._connection.execute(select(_duties.since).where(where))).first() is not None


def _text(row: Row[Any]) -> EngagementText:
    return mapping.read(
        EngagementText,
        row,
        kind=EngagementKind(row.kind),
        titles={Language(language): title for language, title in row.titles.items()},
        paragraphs={Language(language): tuple(said) for language, said in row.paragraphs.items()},
    )


def _engagement(row: Row[Any]) -> Engagement:
    return mapping.read(Engagement, row, kind=EngagementKind(row.kind))
