"""What a person accepts before her first session: the charter and the individual engagements (C6, C7, S21)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from policy.domain.ids import HospitalId, PersonId
from policy.domain.people import Language


class EngagementKind(StrEnum):
    """The texts of a hospital, in the order in which they are read."""

    CHARTER = "charter"
    CONFIDENTIALITY = "confidentiality"
    ACTION_LIMIT = "action-limit"

    @property
    def rule(self) -> str:
        """The code of the rule that asks for it."""
        return {"charter": "S21", "confidentiality": "C6", "action-limit": "C7"}[self.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngagementText:
    """One version of one text, in every language: a title, and paragraphs of plain text.

    It is in force from ``effective_at`` (aware UTC) until a later version is. ``published_by`` is None for the text
    that every hospital begins with.
    """

    hospital_id: HospitalId
    kind: EngagementKind
    version: int
    titles: Mapping[Language, str]
    paragraphs: Mapping[Language, tuple[str, ...]]
    published_at: datetime
    effective_at: datetime
    published_by: PersonId | None = None

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the words in every language: what exactly was accepted."""
        words = {language.value: [self.titles[language], *self.paragraphs[language]] for language in Language}
        written = json.dumps(words, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(written.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Engagement:
    """A person's acceptance of one version of a text: when (aware UTC), from which address, and of which words."""

    hospital_id: HospitalId
    person_id: PersonId
    kind: EngagementKind
    version: int
    digest: str
    at: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngagementState:
    """What the engine looks at: the version in force of a text that is demanded, and the last that she accepted."""

    kind: EngagementKind
    in_force: int
    accepted: int | None

    @property
    def held(self) -> bool:
        """Whether she accepted the version in force, or one published after it."""
        return self.accepted is not None and self.accepted >= self.in_force
