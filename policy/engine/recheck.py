"""The same question again, for a session that is under way."""

from datetime import datetime

from policy.domain.access import Denial, Facts, Grant, Held
from policy.engine.case import Case
from policy.engine.decide import ask_again_at, denial, obligations
from policy.engine.rules import all_findings


def recheck(grant: Grant, facts: Facts, at: datetime) -> Held | Denial:
    """Tell whether *grant* still holds at the aware instant *at*, and under which obligations.

    The rules are those of the opening, with the present facts: but only the grant's own window counts, cuts
    count since the grant was issued, and the session is not counted against its own limit. ``ask_again_at``
    is the next instant at which the answer can change with no fact changing. Raises ValueError where *facts*
    are about another person or device, or *at* is naive.
    """
    case = Case.of_grant(grant, facts, at)
    findings = all_findings(case)
    chosen = case.chosen
    if chosen is None or not all(finding.held for finding in findings):
        return denial(case, findings)
    duties = obligations(case, chosen)
    return Held(obligations=duties, ask_again_at=ask_again_at(case, chosen))
