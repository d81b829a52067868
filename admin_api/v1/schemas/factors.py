"""Shapes of the table of factors."""

from pydantic import BaseModel, Field

from admin_api.v1.schemas.base import InOrder, Input, Shown, example
from policy.domain.factors import Factor, FactorRow, Level

_ROWS = [
    {"factors": ["password", "totp"], "level": "standard"},
    {"factors": ["token-certificate"], "level": "high"},
]


class FactorRowBody(Input):
    """Factors that, proved together, reach a level."""

    factors: set[Factor] = Field(min_length=1, max_length=2)
    level: Level

    def domain(self) -> FactorRow:
        """Return it as policy knows it."""
        return FactorRow(frozenset(self.factors), self.level)


class FactorRowOut(BaseModel):
    """A row of the table, its factors in alphabetical order."""

    factors: InOrder[Factor]
    level: Level


class FactorTableOut(Shown):
    """What a technician's log-in takes in this hospital."""

    model_config = example(rows=_ROWS)

    rows: list[FactorRowOut]


class FactorTableIn(Input):
    """The whole table anew. Each row is one first factor, with or without ``totp``; see the refusal for the bounds."""

    model_config = example(rows=_ROWS)

    rows: list[FactorRowBody] = Field(max_length=20)
