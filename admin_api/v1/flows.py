"""What a probe of the network found: whether anything answers that should not, seen from outside (rule T1)."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from admin_api.alarms.causes import proves
from admin_api.deps import Ctx, Who
from admin_api.evidence import note
from admin_api.security.permissions import VERIFYING, GuardedRoute
from admin_api.v1.schemas.base import Input, example

router = APIRouter(prefix="/flows", tags=["flows"], route_class=GuardedRoute)

EVENT: Final = "flows.probed"
_SHOWN: Final = 20
_MOST: Final = 20_000

Spot = Annotated[str, StringConstraints(pattern=r"^[0-9a-f.:\[\]]{3,60}$")]
"""An address and a port, as the probe writes them."""


class ProbeIn(Input):
    """A finished probe, as ``ecluse flows probe --json`` prints it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra=example(
            vantage="imagix-lyon",
            at="2026-11-24T02:00:00Z",
            tried=42,
            answered=["10.20.4.7:22"],
            refused=[],
            missing=[],
        ),
    )

    vantage: str = Field(pattern="^[a-z0-9][a-z0-9.-]{0,62}$", description="From where it was tried.")
    at: AwareDatetime
    tried: int = Field(ge=1, le=_MOST, description="How many places that must not answer were tried.")
    answered: list[Spot] = Field(
        max_length=_MOST, description="Those that took a connection: ways around the bastion."
    )
    refused: list[Spot] = Field(
        max_length=_MOST, description="Those where a machine refused: it was reached."
    )
    missing: list[Spot] = Field(
        max_length=_MOST,
        description="The bastion's own doors that did not answer; then a probe proves nothing.",
    )

    def facts(self) -> dict[str, object]:
        """Return what the journal keeps; ``found`` is short enough for a mail."""
        found = [*self.answered, *self.refused]
        more = f" (+{len(found) - _SHOWN})" if len(found) > _SHOWN else ""
        return {
            "vantage": self.vantage,
            "probed_at": self.at.isoformat(),
            "tried": self.tried,
            "answered": self.answered,
            "refused": self.refused,
            "missing": self.missing,
            "found": ", ".join(found[:_SHOWN]) + more,
        }


class ProbeOut(BaseModel):
    """What was made of it."""

    bypass: bool = Field(
        description="Something answered: the alarm `bypass` (T1) is raised for this vantage."
    )
    proved: bool = Field(
        description="Nothing answered, the bastion's own doors did, within three days of this report."
    )
    at: datetime

    @classmethod
    def of(cls, probe: ProbeIn, now: datetime) -> "ProbeOut":
        """Say what *probe*, reported *now*, means."""
        bypass = bool(probe.answered or probe.refused)
        return cls(bypass=bypass, proved=proves(probe.facts(), now), at=probe.at)


@router.post("/probes", status_code=201, openapi_extra=VERIFYING)
async def report_probe(context: Ctx, who: Who, body: ProbeIn) -> ProbeOut:
    """Put a probe's result into the journal; what answered raises an alarm, and a clean probe of these days ends it."""
    await note(context, who, EVENT, details=body.facts())
    return ProbeOut.of(body, context.clock.now())
