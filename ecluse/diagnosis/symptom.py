"""What one check found, as message keys: it is put into words where the language is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Level(StrEnum):
    """How bad a symptom is. ``FAILED`` keeps the installation from running safely; ``UNDONE``: nobody could be asked."""

    GOOD = "good"
    NOTICE = "notice"
    UNDONE = "undone"
    FAILED = "failed"


MARKS: Final = {Level.GOOD: "✓", Level.NOTICE: "!", Level.UNDONE: "?", Level.FAILED: "✗"}


@dataclass(frozen=True, slots=True)
class Saying:
    """A sentence of the catalogues: its key and its arguments, of which ``why`` may be an error, to be told in its language."""

    key: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """One check's outcome: what was looked at, how it is, and what to do where it is not good."""

    subject: Saying
    level: Level
    finding: Saying
    remedy: Saying | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A thing looked at, ``doctor.<name>`` in the catalogues. Makes the symptoms of it.

    Findings are under ``doctor.<name>.<finding>``, and the way out under that key with ``.remedy``.
    """

    name: str
    arguments: Mapping[str, object]

    def good(self, finding: str = "good", **arguments: object) -> Symptom:
        """Return that it is as it should be."""
        return Symptom(subject=self._subject(), level=Level.GOOD, finding=self._finding(finding, arguments))

    def notice(self, finding: str, **arguments: object) -> Symptom:
        """Return that it serves, and would be better otherwise."""
        return self._bad(Level.NOTICE, finding, arguments)

    def undone(self, finding: str, **arguments: object) -> Symptom:
        """Return that it could not be looked at, and why: that is no good news."""
        return self._bad(Level.UNDONE, finding, arguments)

    def failed(self, finding: str, **arguments: object) -> Symptom:
        """Return that it must be mended."""
        return self._bad(Level.FAILED, finding, arguments)

    def _bad(self, level: Level, finding: str, arguments: Mapping[str, object]) -> Symptom:
        found = self._finding(finding, arguments)
        remedy = Saying(f"{found.key}.remedy", found.arguments)
        return Symptom(subject=self._subject(), level=level, finding=found, remedy=remedy)

    def _subject(self) -> Saying:
        return Saying(f"doctor.{self.name}", self.arguments)

    def _finding(self, finding: str, arguments: Mapping[str, object]) -> Saying:
        return Saying(f"doctor.{self.name}.{finding}", {**self.arguments, **arguments})


def look(name: str, **arguments: object) -> Check:
    """Begin to look at the thing *name*, which *arguments* tell from others of its kind."""
    return Check(name, arguments)


def document(symptom: Symptom, subject: str, sentence: str, remedy: str) -> dict[str, Any]:
    """Return the symptom for scripts: its keys and arguments, and the sentences as they were shown."""
    return {
        "check": symptom.subject.key,
        "finding": symptom.finding.key,
        "arguments": {
            name: str(value) if isinstance(value, Exception) else value
            for name, value in symptom.finding.arguments.items()
        },
        "level": symptom.level.value,
        "subject": subject,
        "sentence": sentence,
        "remedy": remedy,
    }
