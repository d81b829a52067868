"""The window's rules: open now for this very session (O3), on living work (E9), with an idle delay (T10)."""

from datetime import timedelta

from policy.domain.access import Finding
from policy.domain.windows import WindowState
from policy.engine.case import Candidate, Case
from policy.engine.rules.findings import failed, held


def findings(case: Case) -> tuple[Finding, ...]:
    """Return the findings of this family, in gate order.

    Without a window that is open for this session there is no work and no delay to speak of: O3 stands alone.
    """
    window = open_now(case)
    chosen = case.chosen
    if not window.held or chosen is None:
        return (window,)
    return window, work_goes_on(case, chosen), idle_agreed(chosen)


def open_now(case: Case) -> Finding:
    """O3: an approved window is open now, and names the person, the device and the account."""
    if not case.naming:
        return failed("O3", "finding.O3.none", "next.O3.plan", "planner")
    if not case.approved:
        if any(window.state is WindowState.PLANNED for window in case.naming):
            return failed("O3", "finding.O3.unapproved", "next.O3.approve", "planner")
        return _refused(case) or failed("O3", "finding.O3.cancelled", "next.O3.plan", "planner")
    chosen = case.chosen
    if chosen is None:
        return _closed(case)
    if case.account is not None and not chosen.window.allows_account(case.account.name):
        return _other_account(case)
    if not _channels(case, chosen):
        return failed("O3", "finding.O3.no_channel", "next.O3.no_channel", "planner")
    return held("O3", "finding.O3.open", until=chosen.end, purpose=chosen.window.purpose)


def work_goes_on(case: Case, chosen: Candidate) -> Finding:
    """E9: the window's intervention belongs to the person's supplier, and can be worked on."""
    intervention = chosen.intervention
    if intervention is None or intervention.supplier_id != case.facts.person.supplier_id:
        return failed("E9", "finding.E9.other_supplier", "next.E9.other_supplier", "planner")
    if not intervention.workable:
        return failed("E9", f"finding.E9.{intervention.state.value}", "next.E9.reopen", "planner")
    return held("E9", "finding.E9.goes_on", purpose=intervention.purpose)


def idle_agreed(chosen: Candidate) -> Finding:
    """T10: silence ends the session after an agreed delay; where output counts, a ceiling bounds it."""
    idle = chosen.window.idle
    bounded = not idle.output_counts or (idle.ceiling is not None and idle.ceiling >= idle.limit)
    if idle.limit <= timedelta(0) or not bounded:
        return failed("T10", "finding.T10.none", "next.T10.none", "planner")
    return held("T10", "finding.T10.agreed", limit=idle.limit)


def _channels(case: Case, chosen: Candidate) -> bool:
    allowed = chosen.window.channels
    return bool(allowed if case.grant is None else allowed & case.grant.obligations.channels)


def _closed(case: Case) -> Finding:
    if case.grant is not None:
        return failed("O3", "finding.O3.ended", "next.O3.ended", "technician")
    if case.open_now:
        return _other_account(case)
    if case.next_opening is None:
        return _refused(case) or failed("O3", "finding.O3.over", "next.O3.plan", "planner")
    return failed("O3", "finding.O3.outside", "next.O3.wait", "technician")


def _refused(case: Case) -> Finding | None:
    """O3: the window asked for was refused, with the words of whoever refused it: the last one that is not over."""
    refused = [
        window
        for window in case.naming
        if window.state is WindowState.REFUSED and any(one.end > case.at for one in window.occurrences)
    ]
    if not refused:
        return None
    last = max(refused, key=lambda window: (max(one.end for one in window.occurrences), window.id))
    return failed("O3", "finding.O3.refused", "next.O3.ask", "technician", reason=last.answer or "")


def _other_account(case: Case) -> Finding:
    names = {one.window.account for one in case.open_now if one.window.account is not None}
    return failed(
        "O3", "finding.O3.other_account", "next.O3.other_account", "technician", accounts=tuple(sorted(names))
    )
