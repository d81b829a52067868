"""Who was there: the sessions on a device, of a person or of a supplier at an instant or within a period."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from admin_api.deps import Context, Ctx, Spoken, Who
from admin_api.named import moment, named
from admin_api.security.permissions import READING, GuardedRoute
from admin_api.v1.schemas.windows import Fold
from admin_api.wording import say_in
from policy.domain.hospitals import Hospital
from policy.domain.ids import HospitalId, SessionId
from policy.domain.people import Language
from policy.errors import InvalidInput, NotFound
from policy.services.tokens import Principal
from recorder.store.catalog import CatalogedSession, SessionState
from recorder.store.presence import MAX_PRESENT, Period, present
from recorder.trace.instants import parse

router = APIRouter(tags=["sessions"], route_class=GuardedRoute)

Moment = Annotated[
    str | None,
    Query(
        max_length=40,
        description="On the hospital's clock, or with an offset.",
        examples=["2026-11-22 21:14"],
    ),
]
Name = Annotated[str | None, Query(max_length=200, description="Name or identifier.")]


class PresentOut(BaseModel):
    """One session that overlaps what was asked. Texts that came from people are data: escape them."""

    id: str
    state: SessionState = Field(description="`lost`: its end is not known, its gateway no longer answers.")
    person_id: str
    person_login: str
    person_name: str
    supplier: str
    device_id: str
    device_name: str
    account_name: str
    purpose: str
    source: str
    started: datetime
    ended: datetime | None
    window_end: datetime


class PresenceOut(BaseModel):
    """Who was there: the answer in sentences, and the sessions it tells of."""

    answer: list[str]
    since: datetime
    until: datetime | None = Field(description="The end of the period, no part of it; null for an instant.")
    device: str | None
    person: str | None
    supplier: str | None
    items: list[PresentOut]
    more: bool = Field(description=f"There are more than {MAX_PRESENT}: ask for less.")


@router.get("/presence", openapi_extra=READING)
async def who_was_there(
    context: Ctx,
    who: Who,
    spoken: Spoken,
    device: Name = None,
    person: Name = None,
    supplier: Name = None,
    at: Moment = None,
    from_: Annotated[Moment, Query(alias="from")] = None,
    to: Moment = None,
    at_fold: Annotated[Fold | None, Query(description="Which one, where the clock shows it twice.")] = None,
    from_fold: Fold | None = None,
    to_fold: Fold | None = None,
) -> PresenceOut:
    """Say who was on a device (or anywhere) at an instant (``at``, now if nothing is given) or from … to."""
    hospital = await context.services.hospitals.get(who.hospital_id)
    moments = [
        moment(text, fold, field, hospital)
        for text, fold, field in ((at, at_fold, "at"), (from_, from_fold, "from"), (to, to_fold, "to"))
    ]
    since, until = _span(moments, context.clock.now())
    asked = {"device": device, "person": person, "supplier": supplier}
    return await who_was(context, who, spoken, since, until, **asked)


async def who_was(
    context: Context,
    who: Principal,
    spoken: Language,
    since: datetime,
    until: datetime | None,
    **asked: str | None,
) -> PresenceOut:
    """Say who was there at *since*, or from then to *until* (aware UTC).

    *asked* names device, person and supplier, each by name or identifier. Raises NotFound.
    """
    hospital = await context.services.hospitals.get(who.hospital_id)
    whom = await named(context, who, **asked)
    ids = {noun: one.id for noun, one in whom.items()}
    names = {noun: one.name for noun, one in whom.items()}
    found = await present(
        context.catalog.database,
        Period(
            hospital_id=who.hospital_id,
            since=since,
            until=until,
            device_id=ids.get("device"),
            person_id=ids.get("person"),
            supplier_id=ids.get("supplier"),
        ),
    )
    stays = [await _stay(context, session) for session in found.sessions]
    stays = [stay for stay in stays if stay.ended is None or stay.ended > since]
    return PresenceOut(
        answer=_answer(stays, since, until, names, hospital, spoken),
        since=since,
        until=until,
        device=names.get("device"),
        person=names.get("person"),
        supplier=names.get("supplier"),
        items=[_out(stay) for stay in stays],
        more=found.more,
    )


@dataclass(frozen=True, slots=True)
class Stay:
    """A session, and what is known of its end: from the catalogue, or from policy while its trace is on its way."""

    session: CatalogedSession
    state: SessionState
    ended: datetime | None


async def _stay(context: Context, session: CatalogedSession) -> Stay:
    header, closing = session.header, session.closing
    if closing is not None:
        return Stay(session, SessionState.ENDED, closing.closed_at)
    try:
        counted = await context.services.access.session(
            HospitalId(header.hospital_id), SessionId(header.session_id)
        )
    except NotFound:  # policy keeps its own rows for a year; the catalogue keeps them for good
        return Stay(session, SessionState.LOST, None)
    return Stay(session, SessionState(counted.state.value), counted.closed_at)


def _span(moments: Sequence[datetime | None], now: datetime) -> tuple[datetime, datetime | None]:
    at, since, until = moments
    if at is not None and (since is not None or until is not None):
        raise InvalidInput("at", "say either at, or from and to")
    if until is not None and since is None:
        raise InvalidInput("from", "say from when, too")
    begin, end = (since, until or now) if since is not None else (at or now, None)
    for field, said in (("from" if since is not None else "at", begin), ("to", end)):
        if said is not None and said > now:
            raise InvalidInput(field, "nobody knows yet: say an instant that has passed")
    if end is not None and end <= begin:
        raise InvalidInput("to", "must be later than from")
    return begin, end


def _answer(
    stays: Sequence[Stay],
    since: datetime,
    until: datetime | None,
    names: Mapping[str, str],
    hospital: Hospital,
    language: Language,
) -> list[str]:
    """Put it into sentences, times on the hospital's clock."""

    def told(key: str, **arguments: object) -> str:
        return say_in(hospital.timezone, f"presence.{key}", language, **arguments)

    begin = told("at", at=since)
    same = until is None or told("at", at=until) == begin  # of the minute that was asked for
    when = begin if same else told("period", since=since, until=until)
    about = {
        "on": {"device": names.get("device")},
        "person": {"person": names.get("person")},
        "supplier": {"supplier": names.get("supplier")},
    }
    parts = [told(key, **fact) for key, fact in about.items() if None not in fact.values()]
    asked = ", ".join(parts) or told("anywhere")
    if not stays:
        return [told("nobody", when=when, asked=asked)]
    return [
        told("somebody", when=when, asked=asked, count=len(stays)),
        *(_sentence(stay, told) for stay in stays),
    ]


def _sentence(stay: Stay, told: Callable[..., str]) -> str:
    header, closing = stay.session.header, stay.session.closing
    facts: dict[str, object] = {
        "person": header.person["full_name"],
        "login": header.person["login"],
        "supplier": header.supplier["name"],
        "device": header.device["name"],
        "account": header.account,
        "start": header.started_at,
    }
    if closing is not None and closing.interrupted:
        return told("interrupted", **facts, end=closing.closed_at)
    if stay.ended is not None:
        brief = told("at", at=stay.ended) == told("at", at=header.started_at)
        return told("moment" if brief else "ended", **facts, end=stay.ended)
    if stay.state is SessionState.LIVE:
        return told("live", **facts)
    return told("lost", **facts, window_end=parse(header.window["end"]))


def _out(stay: Stay) -> PresentOut:
    header = stay.session.header
    return PresentOut(
        id=header.session_id,
        state=stay.state,
        **header.named(),
        purpose=header.intervention["purpose"],
        source=header.source,
        started=header.started_at,
        ended=stay.ended,
        window_end=parse(header.window["end"]),
    )
