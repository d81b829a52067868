"""What an inspection of the whole store finds: where, what, and how much it looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

MAX_FINDINGS: Final = 1000
"""Findings kept: whoever destroyed more has been found."""

Progress = Callable[[str, int, int], None]
"""Told how far a long walk is: of which part (``checkpoints``, ``journal``, ``traces``), done, and in all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was.

    Attributes:
        place: ``checkpoint``, ``stamp``, ``anchor``, ``journal``, ``catalogue``, ``trace`` or ``clock``.
        name: Which one: a number, a session's identifier, a writer and a number.
        what: Code of what is wrong, such as ``missing`` or ``digest``.
        detail: One sentence.
        record: Number of the first bad record of a trace, 0 for its header; None where none is to blame.
    """

    place: str
    name: str
    what: str
    detail: str
    record: int | None = None


@dataclass(slots=True)
class Inspection:
    """What was found so far.

    Attributes:
        findings: What was touched, in the order found; the first is the one to name.
        remarks: What is no proof of a touch but leaves something unproven: a clock that went wrong, a session
            whose trace never came, a checkpoint without its time stamp.
        counts: How much was looked at, by name.
        newest: Number and instant of the newest checkpoint, to be compared with what is known elsewhere.
        heads: For each chain of the journal, ``hospital/writer``, number and digest of its last entry.
    """

    findings: list[Finding] = field(default_factory=list)
    remarks: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    newest: tuple[int, str] | None = None
    heads: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def intact(self) -> bool:
        """Whether nothing was touched."""
        return not self.findings

    def found(self, place: str, name: object, what: str, detail: str, record: int | None = None) -> None:
        """Note what was touched."""
        _keep(self.findings, Finding(place, str(name), what, detail, record))

    def remark(self, place: str, name: object, what: str, detail: str) -> None:
        """Note what cannot be proven."""
        _keep(self.remarks, Finding(place, str(name), what, detail))


def _keep(findings: list[Finding], finding: Finding) -> None:
    if len(findings) < MAX_FINDINGS:
        findings.append(finding)
