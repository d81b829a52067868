"""The person's rules: a named, active technician (E3), whose log-in is as sure as is demanded (S35)."""

from policy.domain.access import Finding
from policy.domain.factors import Level
from policy.domain.people import Role
from policy.engine.case import Case
from policy.engine.rules.findings import failed, held


def findings(case: Case) -> tuple[Finding, ...]:
    """Return the findings of this family, in gate order."""
    return identity(case), level_reached(case)


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
