"""The person's rules: a named, active technician (E3), who proved two factors (S35)."""

from policy.domain.access import Finding
from policy.domain.people import Role
from policy.engine.case import Case
from policy.engine.rules.findings import failed, held


def findings(case: Case) -> tuple[Finding, ...]:
    """Return the findings of this family, in gate order."""
    return identity(case), two_factors(case)


def identity(case: Case) -> Finding:
    """E3: whoever connects is one active person whose role is to intervene."""
    person = case.facts.person
    if not person.active:
        return failed("E3", "finding.E3.suspended", "next.E3.suspended", "administrator", person=person.login)
    if Role.TECHNICIAN not in person.roles:
        return failed("E3", "finding.E3.role", "next.E3.role", "administrator", person=person.login)
    return held("E3", "finding.E3.technician", person=person.login)


def two_factors(case: Case) -> Finding:
    """S35: two different factors were proved at log-in."""
    if len(case.factors) < 2:
        return failed("S35", "finding.S35.missing", "next.S35.missing", "technician")
    return held("S35", "finding.S35.proved", factors=case.factors)
