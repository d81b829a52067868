"""The person's rules: at one post (E2), a named, active technician (E3), whose log-in is as sure as demanded (S35)."""

from typing import Final

from policy.domain.access import Finding
from policy.domain.factors import Level
from policy.domain.people import Role
from policy.domain.posts import post_of
from policy.domain.proofs import KeyStanding, Loss
from policy.engine.case import Case
from policy.engine.rules.findings import failed, held

_LOST: Final = {
    Loss.REMOVED: ("finding.S35.key_removed", "next.S35.key_removed"),
    Loss.EXPIRED: ("finding.S35.key_expired", "next.S35.key_expired"),
    Loss.REVOKED: ("finding.S35.key_revoked", "next.S35.key_revoked"),
    Loss.UNTRUSTED: ("finding.S35.key_untrusted", "next.S35.key_untrusted"),
    Loss.UNFIT: ("finding.S35.key_unfit", "next.S35.key_unfit"),
}


def findings(case: Case) -> tuple[Finding, ...]:
    """Return the findings of this family, in gate order; E2 is looked at where it is agreed, the key where one was proved."""
    posts = (one_post(case),) if one_post_agreed(case) else ()
    keys = () if case.facts.standing is None else (key_held(case.facts.standing),)
    return *posts, identity(case), level_reached(case), *keys


def one_post_agreed(case: Case) -> bool:
    """Tell whether this person, or everybody of her supplier, works from one post at a time."""
    supplier = case.facts.supplier
    return case.facts.person.one_post or (supplier is not None and supplier.one_post)


def one_post(case: Case) -> Finding:
    """E2: no live session of the person comes from another post. The one that was there first stays."""
    here = post_of(case.source)
    others = sorted(source for source in case.facts.sources if post_of(source) != here)
    if case.grant is None and case.source and others:
        return failed("E2", "finding.E2.elsewhere", "next.E2.elsewhere", "technician", source=others[0])
    return held("E2", "finding.E2.one_post")


def identity(case: Case) -> Finding:
    """E3: whoever connects is one active person whose role is to intervene."""
    person = case.facts.person
    if not person.active:
        return failed("E3", "finding.E3.suspended", "next.E3.suspended", "administrator", person=person.login)
    if Role.TECHNICIAN not in person.roles:
        return failed("E3", "finding.E3.role", "next.E3.role", "administrator", person=person.login)
    return held("E3", "finding.E3.technician", person=person.login)


def level_reached(case: Case) -> Finding:
    """S35: what was proved at log-in is a row of the hospital's table, of the level that device and window demand."""
    if case.level is None:
        return failed("S35", "finding.S35.missing", "next.S35.missing", "technician")
    demands = [Level.STANDARD]
    if case.facts.device is not None:
        demands.append(case.facts.device.level)
    if case.chosen is not None:
        demands.append(case.chosen.window.level)
    demanded = max(demands, key=lambda level: level.rank)
    if not case.suffices(demanded):
        return failed(
            "S35",
            "finding.S35.level",
            "next.S35.level",
            "technician",
            factors=case.factors,
            level=case.level,
            demanded=demanded,
        )
    return held("S35", "finding.S35.proved", factors=case.factors, level=case.level)


def key_held(standing: KeyStanding) -> Finding:
    """S35: the key that the log-in was proved with is still hers, and its certificate, if it has one, in force."""
    fingerprint, by = standing.fingerprint, standing.by or "?"
    if standing.loss is None:
        return held("S35", "finding.S35.key_held", fingerprint=fingerprint)
    sentence, step = _LOST[standing.loss]
    return failed("S35", sentence, step, "administrator", fingerprint=fingerprint, by=by)
