"""Limits and cuts (X35): no cut reaches the session, and the person has not too many sessions already."""

from policy.domain.access import Finding, Revocation, RevocationScope
from policy.engine.case import Case
from policy.engine.rules.findings import failed, held


def findings(case: Case) -> tuple[Finding, ...]:
    """Return the findings of this family; a live session is not counted against its own limit."""
    return (not_cut(case),) if case.grant is not None else (not_cut(case), room_left(case))


def not_cut(case: Case) -> Finding:
    """X35: no revocation reaches the session.

    A cut reaches every grant issued at its instant or before. A node whose clock is behind may ask for a new
    grant dated before a cut that is already known: that grant would be cut too, so it is refused. After a general
    cut nobody gets in before a person opens again: time alone never does.
    """
    closure = case.facts.hospital.closure
    if closure is not None:
        return failed(
            "X35", "finding.X35.closed", "next.X35.closed", "security", at=closure.at, reason=closure.reason
        )
    since = case.at if case.grant is None else case.grant.issued_at
    cuts = [cut for cut in case.facts.revocations if cut.at >= since and _reaches(cut, case)]
    if cuts:
        last = max(cuts, key=lambda cut: (cut.at, cut.reason))
        return failed("X35", "finding.X35.cut", "next.X35.cut", "security", at=last.at, reason=last.reason)
    return held("X35", "finding.X35.not_cut")


def room_left(case: Case) -> Finding:
    """X35: the person's open sessions are fewer than her limit."""
    live, limit = case.facts.live_sessions, case.facts.session_limit
    if live >= limit:
        return failed("X35", "finding.X35.full", "next.X35.full", "technician", live=live, limit=limit)
    return held("X35", "finding.X35.room", live=live, limit=limit)


def _reaches(cut: Revocation, case: Case) -> bool:
    facts = case.facts
    if cut.hospital_id != facts.hospital.id:
        return False
    match cut.scope:
        case RevocationScope.ALL:
            return True
        case RevocationScope.SESSION:
            return case.grant is not None and cut.target == case.grant.session_id
        case RevocationScope.PERSON:
            return cut.target == facts.person.id
        case RevocationScope.SUPPLIER:
            return cut.target == facts.person.supplier_id
        case RevocationScope.DEVICE:
            return facts.device is not None and cut.target == facts.device.id
