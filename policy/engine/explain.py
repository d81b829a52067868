"""Why: every rule, held or failed, for a person, a device and an instant."""

from datetime import datetime

from policy.domain.access import AccessRequest, Explanation, Facts, Finding
from policy.engine.case import Case
from policy.engine.decide import denial
from policy.engine.rules import all_findings
from policy.engine.rules.findings import held

__all__ = ["Explanation", "explain"]


def explain(request: AccessRequest, facts: Facts, at: datetime) -> Explanation:
    """Return the finding of every rule for *request* at the aware instant *at*, and the next opening.

    Somebody who asks beforehand need not know where the person will come from: an empty ``source`` and empty
    ``factors`` are not judged, and the findings say that they will be at log-in. Nothing is granted here.
    Raises ValueError where *facts* answer another question or *at* is naive.
    """
    case = Case.of_request(request, facts, at)
    findings = tuple(_unstated(finding, request) for finding in all_findings(case))
    refusal = denial(case, findings)
    return Explanation(
        findings=findings,
        allowed=not refusal.failed,
        disclose=refusal.disclose,
        next_opening=refusal.next_opening,
    )


def _unstated(finding: Finding, request: AccessRequest) -> Finding:
    if finding.code == "C2" and not request.source:
        return held("C2", "finding.C2.unstated")
    if finding.code == "S35" and not request.factors:
        return held("S35", "finding.S35.unstated")
    return finding
