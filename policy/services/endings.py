"""How sessions end in policy, and who tells the journal: an end that the journal has not yet is told with the lease, in one transaction.

Between the two a gateway may be killed, or be cut off for an hour. So each end is one entry of the journal, whoever tells
it: the journal keeps the first, and the outbox brings it where nobody lives to do so. In the outbox it has an identifier
that nobody can guess, as any change: who took it beforehand would keep gateways from starting and leases from ending.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from policy.domain.ids import HospitalId, SessionId
from policy.domain.sessions import INTERRUPTED, Closing, LiveSession
from policy.store.unit_of_work import UnitOfWork


async def close(work: UnitOfWork, closings: Sequence[Closing]) -> None:
    """End these sessions for the gateways that held them; a second time changes nothing.

    Where another gateway took one for interrupted meanwhile, this one's word stands in its place, and is told as that.
    """
    first = {(one.hospital_id, one.session_id): one for one in reversed(closings)}
    ended = await work.leases.close(list(first.values()))
    untold = {which: first[which] for which in ended if not first[which].told}
    sessions = await _sessions(work, list(untold.values()))
    for which, one in untold.items():
        session, presumed = sessions[which], ended[which]
        facts = {"reason": one.reason, **one.facts, "ended": one.at}
        if presumed is None:
            await _tell(work, session, facts)
        else:
            await _correct(work, session, presumed, facts)


async def tell_left(work: UnitOfWork, left: Iterable[LiveSession]) -> None:
    """Tell of sessions that were ended because their own gateway did not live to do so."""
    for session in left:
        known = session.closed_at or session.opened_at
        await _tell(work, session, {"reason": session.end_reason, "node": session.node, "last_known": known})


async def _sessions(
    work: UnitOfWork, closings: Sequence[Closing]
) -> Mapping[tuple[HospitalId, SessionId], LiveSession]:
    wanted: defaultdict[HospitalId, list[SessionId]] = defaultdict(list)
    for one in closings:
        wanted[one.hospital_id].append(one.session_id)
    return {
        (hospital_id, session.session_id): session
        for hospital_id, session_ids in wanted.items()
        for session in await work.leases.list(hospital_id, closings[0].at, session_ids=session_ids)
    }


async def _tell(work: UnitOfWork, session: LiveSession, facts: Mapping[str, object]) -> None:
    await work.emit(
        "session.closed", session.hospital_id, session.session_id, {}, {**_about(session), **facts}
    )


async def _correct(
    work: UnitOfWork, session: LiveSession, presumed: datetime, facts: Mapping[str, object]
) -> None:
    await work.emit(
        "session.end_corrected",
        session.hospital_id,
        session.session_id,
        {"reason": INTERRUPTED, "last_known": presumed},
        {**_about(session), **facts},
    )


def _about(session: LiveSession) -> dict[str, object]:
    return {
        "person_id": session.person_id,
        "device_id": session.device_id,
        "source": session.source,
        "device": session.device_name,
        "account": session.account_name,
    }
