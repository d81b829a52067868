"""What a person accepted before she comes in: the charter (S21), confidentiality (C6), no more than is needed (C7)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from policy.domain.access import Finding
from policy.domain.engagements import EngagementKind, EngagementState
from policy.engine.case import Case
from policy.engine.rules.findings import failed, held


@dataclass(frozen=True, slots=True)
class _Words:
    accepted: str
    missing: str
    outdated: str
    step: str


_WORDS: Final[Mapping[EngagementKind, _Words]] = {
    EngagementKind.CHARTER: _Words(
        "finding.S21.accepted", "finding.S21.missing", "finding.S21.outdated", "next.S21.accept"
    ),
    EngagementKind.CONFIDENTIALITY: _Words(
        "finding.C6.accepted", "finding.C6.missing", "finding.C6.outdated", "next.C6.accept"
    ),
    EngagementKind.ACTION_LIMIT: _Words(
        "finding.C7.accepted", "finding.C7.missing", "finding.C7.outdated", "next.C7.accept"
    ),
}


def findings(case: Case) -> tuple[Finding, ...]:
    """Return one finding for each text that is demanded of the person.

    A live session is not asked again: a new version of a text is for the next opening, not a reason to cut.
    """
    if case.grant is not None:
        return ()
    return tuple(accepted(state) for state in case.facts.engagements)


def accepted(state: EngagementState) -> Finding:
    """S21, C6, C7: the version in force of the text was accepted, or one published after it."""
    rule, words = state.kind.rule, _WORDS[state.kind]
    if state.held:
        return held(rule, words.accepted, version=state.accepted)
    found = words.missing if state.accepted is None else words.outdated
    return failed(rule, found, words.step, "technician", version=state.in_force)
