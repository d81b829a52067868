"""The report of a self-audit: what was looked at on one machine, what was found, and who signed it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from recorder.errors import TraceFormatError
from recorder.seal import documents
from recorder.seal.signing import PublicKey, SigningKey
from recorder.trace import instants

FORMAT: Final = "ecluse-self-audit"
VERSION: Final = 1
PURPOSE: Final = "self-audit"
LARGEST: Final = 512 * 1024
"""Bytes of a report that is read; one has some tens of thousands."""


class Outcome(StrEnum):
    """How a check, a part or a whole audit ended, the best first. ``UNDONE``: nobody could be asked, which is not clean."""

    GOOD = "good"
    NOTICE = "notice"
    UNDONE = "undone"
    FAILED = "failed"

    @classmethod
    def worst(cls, of: Sequence["Outcome"]) -> "Outcome":
        """Return the worst one; of nothing, that nothing was done."""
        return max(of, key=list(cls).index, default=cls.UNDONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One thing looked at. ``check`` and ``finding`` are keys of sentences, whose English ones stand beside them."""

    check: str
    finding: str
    level: Outcome
    arguments: Mapping[str, Any]
    subject: str
    sentence: str
    remedy: str

    @property
    def identity(self) -> tuple[str, str]:
        """What tells a finding from another, from one audit to the next."""
        return self.finding, self.subject

    def document(self) -> dict[str, Any]:
        """Return it as it is signed."""
        return {
            "check": self.check,
            "finding": self.finding,
            "level": self.level.value,
            "arguments": dict(self.arguments),
            "subject": self.subject,
            "sentence": self.sentence,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PartResult:
    """One part of the audit, and all that was looked at for it."""

    part: str
    checks: tuple[CheckResult, ...]

    @property
    def outcome(self) -> Outcome:
        """How it ended: as its worst check; undone where there was none."""
        return Outcome.worst([one.level for one in self.checks])


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The audit of the same machine before this one."""

    id: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One self-audit of one machine.

    Attributes:
        node: The machine's name in the installation; ``machine`` its own.
        occasion: ``nightly`` or ``asked``.
        made_at: When it was begun, aware UTC; ``finished_at`` when it was over.
        previous: The one before, as this console knew it: reports of a machine are a chain.
    """

    id: str
    hospital_id: str
    node: str
    machine: str
    occasion: str
    made_at: datetime
    finished_at: datetime
    ecluse: str
    parts: tuple[PartResult, ...]
    previous: Predecessor | None = None

    @property
    def outcome(self) -> Outcome:
        """How the whole ended: as its worst part."""
        return Outcome.worst([one.outcome for one in self.parts])

    def checks(self, level: Outcome) -> list[CheckResult]:
        """Return all checks of that *level*, in their order."""
        return [one for part in self.parts for one in part.checks if one.level is level]

    def signed(self, key: SigningKey) -> bytes:
        """Return the signed document: one line of JSON. Raises TraceFormatError for what has no JSON form."""
        previous = None if self.previous is None else {"id": self.previous.id, "sha256": self.previous.sha256}
        content = {
            "format": FORMAT,
            "version": VERSION,
            "id": self.id,
            "hospital_id": self.hospital_id,
            "node": self.node,
            "machine": self.machine,
            "occasion": self.occasion,
            "made_at": instants.text(self.made_at),
            "finished_at": instants.text(self.finished_at),
            "ecluse": self.ecluse,
            "outcome": self.outcome.value,
            "previous": previous,
            "parts": [
                {
                    "part": one.part,
                    "outcome": one.outcome.value,
                    "checks": [check.document() for check in one.checks],
                }
                for one in self.parts
            ],
        }
        return documents.signed(content, PURPOSE, key)

    @classmethod
    def opened(cls, document: bytes, keys: Sequence[PublicKey]) -> tuple["Report", PublicKey]:
        """Return the report in *document*, and which of *keys* signed it.

        Raises SignatureInvalid where none of them did, TraceFormatError where it is none of a version known here.
        """
        content, key = documents.opened(document, PURPOSE, keys)
        if content.get("format") != FORMAT or content.get("version") != VERSION:
            raise TraceFormatError("this is no report of a self-audit of a version that this program reads")
        try:
            return cls._read(content), key
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TraceFormatError(f"this is no report of a self-audit: {error!r}") from error

    @classmethod
    def _read(cls, content: Mapping[str, Any]) -> "Report":
        previous = content["previous"]
        return cls(
            id=str(content["id"]),
            hospital_id=str(content["hospital_id"]),
            node=str(content["node"]),
            machine=str(content["machine"]),
            occasion=str(content["occasion"]),
            made_at=instants.parse(content["made_at"]),
            finished_at=instants.parse(content["finished_at"]),
            ecluse=str(content["ecluse"]),
            parts=tuple(
                PartResult(
                    part=str(part["part"]),
                    checks=tuple(
                        CheckResult(
                            check=str(one["check"]),
                            finding=str(one["finding"]),
                            level=Outcome(one["level"]),
                            arguments=dict(one["arguments"]),
                            subject=str(one["subject"]),
                            sentence=str(one["sentence"]),
                            remedy=str(one["remedy"]),
                        )
                        for one in part["checks"]
                    ),
                )
                for part in content["parts"]
            ),
            previous=None if previous is None else Predecessor(str(previous["id"]), str(previous["sha256"])),
        )


def digest(document: bytes) -> str:
    """Return the SHA-256 of a signed report, in hexadecimal: what the journal tells, and the next report names."""
    return hashlib.sha256(document).hexdigest()
