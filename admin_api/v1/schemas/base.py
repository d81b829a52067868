"""What every shape of version 1 has in common."""

from collections.abc import Callable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, Generic, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

from admin_api.deps import PageRequest
from admin_api.errors import BadCursor
from policy.domain.ids import NAME_PATTERN

NAME_FORM = f"^{NAME_PATTERN.pattern}$"
IDENTIFIER_FORM = r"^[0-9a-f]{32}$"

Name = Annotated[str, StringConstraints(pattern=NAME_FORM)]
"""What a login, a device or an account may be called."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
"""One line or a short paragraph that people read."""

Identifier = Annotated[str, StringConstraints(pattern=IDENTIFIER_FORM)]
"""An identifier made by Écluse."""

Item = TypeVar("Item")
Row = TypeVar("Row")
Shape = TypeVar("Shape", bound=BaseModel)

InOrder = Annotated[list[Item], BeforeValidator(sorted)]
"""A set, shown as a list in order."""


def example(**values: Any) -> ConfigDict:
    """Return the configuration of a shape that shows *values* as its example."""
    return ConfigDict(json_schema_extra={"examples": [values]})


def wall(at: datetime, timezone: str) -> str:
    """Return the aware instant *at* as the wall time of *timezone* (an IANA name), to the minute."""
    return at.astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M")


def shown(shape: type[Shape], value: object, **more: object) -> Shape:
    """Return *value* as *shape*: those of its attributes that the shape declares and no other, but for *more*."""
    same = {name: getattr(value, name) for name in shape.model_fields if name not in more}
    return shape.model_validate(same | more, from_attributes=True)


class Shown(BaseModel):
    """An answer that shows one value."""

    @classmethod
    def of(cls, value: Any, /) -> Self:
        """Show *value*."""
        return shown(cls, value)


class Page(BaseModel, Generic[Item]):
    """Some of a list; ``next`` is the cursor of what follows, if anything does."""

    items: list[Item]
    next: str | None = None

    @classmethod
    def part(
        cls,
        rows: Sequence[Row],
        page: PageRequest,
        show: Callable[[Row], Item],
        key: Callable[[Row], str] = attrgetter("id"),
    ) -> Self:
        """Return the *page* of *rows*, in their order, each as *show* shows it.

        *key* gives a row's stable identifier, which is the cursor. Raises BadCursor where no row bears it any more.
        """
        start = 0
        if page.after is not None:
            place = next((number for number, row in enumerate(rows) if key(row) == page.after), None)
            if place is None:
                raise BadCursor
            start = place + 1
        chosen = rows[start : start + page.limit]
        more = start + page.limit < len(rows)
        return cls(items=[show(row) for row in chosen], next=key(chosen[-1]) if more and chosen else None)


class Input(BaseModel):
    """A request body: an unknown field is refused, so that a misspelt one never passes in silence."""

    model_config = ConfigDict(extra="forbid")


class Reason(Input):
    """Why something is done: kept in the journal."""

    model_config = example(reason="Contrat suspendu")

    reason: Text
