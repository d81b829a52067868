"""Shapes of the table of factors."""

from pydantic import BaseModel, ConfigDict, Field

from admin_api.v1.schemas.base import Input, example
from policy.domain.factors import Factor, FactorRow, FactorTable, Level

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

    factors: list[Factor]
    level: Level


class FactorTableOut(BaseModel):
    """What a technician's log-in takes in this hospital."""

    model_config = ConfigDict(json_schema_extra=example(rows=_ROWS))

    rows: list[FactorRowOut]

    @classmethod
    def of(cls, table: FactorTable) -> "FactorTableOut":
        """Show *table*."""
        return cls(rows=[FactorRowOut(factors=sorted(row.factors), level=row.level) for row in table.rows])


class FactorTableIn(Input):
    """The whole table anew. Each row is one first factor, with or without ``totp``; see the refusal for the bounds."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(rows=_ROWS))

    rows: list[FactorRowBody] = Field(max_length=20)
