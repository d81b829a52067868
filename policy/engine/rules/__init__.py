"""The rules, one module a family; ``GATES`` are all of them, in gate order."""

from typing import Final

from policy.domain.access import Finding
from policy.engine.case import Case
from policy.engine.rules import device, engagements, limits, person, supplier, traces, window

GATES: Final = (
    supplier.findings,
    engagements.findings,
    person.findings,
    device.findings,
    window.findings,
    limits.findings,
    traces.findings,
)


def all_findings(case: Case) -> tuple[Finding, ...]:
    """Return the finding of every rule, held or failed, in gate order: none stops at the first failure."""
    return tuple(finding for gate in GATES for finding in gate(case))
