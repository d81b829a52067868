"""Tokens: whether each anchor's revocation lists are good, and what is done without."""

from collections.abc import Sequence
from datetime import datetime

from ecluse.diagnosis.databases import opened, policy_is_absent
from ecluse.diagnosis.symptom import Symptom, look
from ecluse.errors import SettingsError
from ecluse.settings import Settings
from policy.clock import Clock
from policy.domain.certificates import RevocationList, TrustAnchor, WhenStale
from policy.domain.ids import HospitalId
from policy.errors import PolicyError


async def anchors(settings: Settings, clock: Clock) -> list[Symptom]:
    """Look at each trust anchor; nothing is said where there is none."""
    if policy_is_absent(settings):
        return []  # told by the database's own check
    try:
        async with opened(settings) as database, database.read() as view:
            hospital = HospitalId(settings.hospital_id)
            known = [
                (anchor, await view.certificates.lists(hospital, anchor.id))
                for anchor in await view.certificates.anchors(hospital)
            ]
    except (PolicyError, SettingsError):
        return []  # the same
    return [_of(anchor, lists, clock.now()) for anchor, lists in known]


def _of(anchor: TrustAnchor, lists: Sequence[RevocationList], at: datetime) -> Symptom:
    check = look("anchors", anchor=anchor.name)
    if not lists and anchor.ocsp_url is None:
        return check.notice("unlisted")
    until = min((one.next_update for one in lists), default=None)
    if until is not None and until <= at:
        return check.notice("stale", until=until)
    if anchor.when_stale is WhenStale.ACCEPT:
        return check.notice("accepts")
    return check.good("asked") if until is None else check.good(until=until)
