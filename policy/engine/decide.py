"""The decision, and the only place where a Grant is made (invariant 1)."""

from datetime import datetime

from policy.domain.access import (
    GRANT_SEAL,
    AccessRequest,
    Denial,
    Facts,
    Finding,
    Grant,
    Obligations,
)
from policy.domain.derogations import covered_until
from policy.domain.ids import SessionId, new_id
from policy.domain.interventions import InterventionKind
from policy.engine.case import Candidate, Case
from policy.engine.rules import all_findings
from policy.engine.rules.traces import CENTRAL_ONLY


def decide(request: AccessRequest, facts: Facts, at: datetime) -> Grant | Denial:
    """Answer *request* at the aware instant *at*: a Grant if every rule holds, else every finding.

    The answer follows from the arguments alone, but for the grant's fresh session id. Raises ValueError where
    *facts* answer another question or *at* is naive.
    """
    case = Case.of_request(request, facts, at)
    findings = all_findings(case)
    if all(finding.held for finding in findings):
        grant = _grant(case, findings)
        if grant is not None:
            return grant
    return denial(case, findings)


def denial(case: Case, findings: tuple[Finding, ...]) -> Denial:
    """Return the refusal of *case*; its reasons may be told to whoever some window names on the device."""
    disclose = bool(case.naming) or case.grant is not None
    return Denial(findings=findings, disclose=disclose, next_opening=case.next_opening)


def obligations(case: Case, chosen: Candidate) -> Obligations:
    """Return what the gateway must hold: the terms of the *chosen* window as they now stand.

    A live session keeps to the channels and ports it was granted: a window that is widened widens new sessions only.
    """
    window = chosen.window
    channels, forwards = window.channels, window.forwards
    if case.grant is not None:
        granted = case.grant.obligations
        channels &= granted.channels
        forwards = tuple(one for one in forwards if granted.forward_to(one.port) is not None)
    return Obligations(
        idle_limit=window.idle.limit,
        output_counts=window.idle.output_counts,
        output_ceiling=window.idle.ceiling,
        hard_end=chosen.end,
        channels=channels,
        forwards=forwards,
        outage_grace=window.outage_grace if _kind(case, chosen) in CENTRAL_ONLY else None,
    )


def _kind(case: Case, chosen: Candidate) -> InterventionKind | None:
    if case.grant is not None:
        return case.grant.kind
    return None if chosen.intervention is None else chosen.intervention.kind


def ask_again_at(case: Case, chosen: Candidate) -> datetime:
    """Return when the answer can change by itself: the window's end, or before it a derogation's or certificate's."""
    device = case.facts.device
    weaknesses = () if device is None else device.algorithms.weaknesses
    covered = covered_until(weaknesses, case.facts.derogations, case.at)
    standing = case.facts.standing
    certified = None if standing is None else standing.until
    return min(end for end in (chosen.end, covered, certified) if end is not None)


def _grant(case: Case, findings: tuple[Finding, ...]) -> Grant | None:
    facts, chosen, account = case.facts, case.chosen, case.account
    person, supplier, device, zone = facts.person, facts.supplier, facts.device, facts.zone
    if supplier is None or device is None or zone is None or chosen is None or account is None:
        return None
    site, intervention, level = supplier.site_of(case.source), chosen.intervention, case.level
    if site is None or intervention is None or level is None:
        return None
    duties = obligations(case, chosen)
    return Grant(
        seal=GRANT_SEAL,
        session_id=SessionId(new_id()),
        hospital_id=facts.hospital.id,
        person_id=person.id,
        person_login=person.login,
        person_name=person.full_name,
        language=person.language,
        supplier_id=supplier.id,
        supplier_name=supplier.name,
        site=site.name,
        device_id=device.id,
        device_name=device.name,
        address=device.address,
        port=device.port,
        source_address=zone.source_address,
        host_keys=device.host_keys,
        algorithms=device.algorithms,
        account_id=account.id,
        account_name=account.name,
        account_method=account.method,
        intervention_id=intervention.id,
        kind=intervention.kind,
        purpose=chosen.window.purpose,
        window_id=chosen.window.id,
        occurrence_id=chosen.occurrence.id,
        opened=chosen.occurrence.start,
        obligations=duties,
        factors=case.factors,
        level=level,
        source=case.source,
        issued_at=case.at,
        ask_again_at=ask_again_at(case, chosen),
        findings=findings,
        proved_key=case.proved_key,
    )
