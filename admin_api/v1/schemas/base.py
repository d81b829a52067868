"""What every shape of version 1 has in common."""

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, StringConstraints

from policy.domain.ids import NAME_PATTERN

NAME_FORM = f"^{NAME_PATTERN.pattern}$"
IDENTIFIER_FORM = r"^[0-9a-f]{32}$"

Name = Annotated[str, StringConstraints(pattern=NAME_FORM)]
"""What a login, a device or an account may be called."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
"""One line or a short paragraph that people read."""

Identifier = Annotated[str, StringConstraints(pattern=IDENTIFIER_FORM)]
"""An identifier made by Écluse."""


def example(**values: Any) -> dict[str, Any]:
    """Return the schema extra that shows *values* as the example."""
    return {"examples": [values]}


def wall(at: datetime, timezone: str) -> str:
    """Return the aware instant *at* as the wall time of *timezone* (an IANA name), to the minute."""
    return at.astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M")


class Input(BaseModel):
    """A request body: an unknown field is refused, so that a misspelt one never passes in silence."""

    model_config = ConfigDict(extra="forbid")


class Reason(Input):
    """Why something is done: kept in the journal."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(reason="Contrat suspendu"))

    reason: Text
