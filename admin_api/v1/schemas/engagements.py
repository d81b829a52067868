"""Shapes of the charter and the engagements."""

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, Field

from admin_api.v1.schemas.base import Input, example, shown
from policy.domain.engagements import EngagementKind, EngagementText
from policy.domain.people import Language

_WORDS = {
    "titles": {"fr": "Charte d'accès à distance", "en": "Remote access charter"},
    "paragraphs": {
        "fr": ["Cet accès est nominatif : vous ne le prêtez à personne."],
        "en": ["This access is personal: you lend it to nobody."],
    },
}


class EngagementTextOut(BaseModel):
    """One version of a text, in every language: titles, and paragraphs of plain text."""

    kind: EngagementKind
    version: int
    titles: dict[Language, str]
    paragraphs: dict[Language, list[str]]
    digest: str = Field(description="SHA-256 of the words: what an acceptance refers to.")
    published: datetime
    effective: datetime
    published_by: str | None

    @classmethod
    def of(cls, text: EngagementText) -> "EngagementTextOut":
        """Show *text*."""
        return shown(cls, text, published=text.published_at, effective=text.effective_at)


class EngagementTexts(BaseModel):
    """Every version of every text."""

    items: list[EngagementTextOut]


class EngagementTextIn(Input):
    """The next version of a text. It is in force from ``effective`` on; left out, at once."""

    model_config = example(**_WORDS)

    titles: dict[Language, str]
    paragraphs: dict[Language, list[str]]
    effective: AwareDatetime | None = None
