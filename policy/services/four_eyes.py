"""Four eyes: who asks and who approves are two people, and neither has made the other."""

from datetime import datetime, timedelta

from policy.domain.ids import HospitalId, PersonId
from policy.errors import Forbidden
from policy.store.unit_of_work import View


async def require_independent(
    view: View,
    hospital_id: HospitalId,
    asked: PersonId,
    approves: PersonId,
    *,
    now: datetime,
    period: timedelta,
) -> None:
    """Raise Forbidden where one invitation of the last *period* stands behind both; *now* is UTC.

    Whoever hands out an invitation can take it up herself: an account just invited, or renewed, may be its
    inviter's second one. That holds whichever of the two asks, and for two accounts of one inviter.
    """
    since = now - period
    mine = await _behind(view, hospital_id, asked, since)
    if mine & await _behind(view, hospital_id, approves, since):
        raise Forbidden(
            "one of the two who ask and approve invited the other, or one person both, "
            f"less than {period.days} days ago: ask another administrator (four eyes)"
        )


async def _behind(view: View, hospital_id: HospitalId, person: PersonId, since: datetime) -> set[PersonId]:
    """Return the person, who invited her since then, who invited those, and so on."""
    found, fresh = {person}, {person}
    while fresh:
        inviters = [await view.invitations.inviters(hospital_id, one, since) for one in sorted(fresh)]
        fresh = set().union(*inviters) - found
        found |= fresh
    return found
