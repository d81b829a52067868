"""The supplier's rules: it is active (E4), and the person comes from one of its declared sites (C2)."""

from policy.domain.access import Finding
from policy.engine.case import Case
from policy.engine.rules.findings import failed, held


def findings(case: Case) -> tuple[Finding, ...]:
    """Return the findings of this family, in gate order."""
    return active(case), source_declared(case)


def active(case: Case) -> Finding:
    """E4: the person's supplier is registered and active; a suspended one has no access at all."""
    supplier = case.facts.supplier
    if supplier is None:
        return failed("E4", "finding.E4.none", "next.E4.none", "administrator")
    if not supplier.active:
        return failed("E4", "finding.E4.suspended", "next.E4.suspended", "security", supplier=supplier.name)
    return held("E4", "finding.E4.active", supplier=supplier.name)


def source_declared(case: Case) -> Finding:
    """C2: the source address belongs to a site that the supplier declared."""
    supplier = case.facts.supplier
    site = None if supplier is None else supplier.site_of(case.source)
    if site is None:
        return failed("C2", "finding.C2.undeclared", "next.C2.undeclared", "supplier", source=case.source)
    return held("C2", "finding.C2.declared", source=case.source, site=site.name)
