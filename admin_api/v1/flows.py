"""What a probe of the network found: whether anything answers that should not, seen from outside (rule T1)."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from admin_api.alarms.causes import proves
from admin_api.deps import Ctx, Who
from admin_api.evidence import note
from admin_api.probes import FORMAT, PROBED, VERSION, taken
from admin_api.registered_keys import RegisteredKeys
from admin_api.security.permissions import VERIFYING, GuardedRoute
from admin_api.v1.schemas.base import Input, example

router = APIRouter(prefix="/flows", tags=["flows"], route_class=GuardedRoute)

_MOST: Final = 20_000

Spot = Annotated[str, StringConstraints(pattern=r"^[0-9a-f.:\[\]]{3,60}$")]
"""An address and a port, as the probe writes them."""


class ProbeIn(Input):
    """A finished probe, as ``ecluse flows probe --key … --json`` prints it: signed by the key registered for its vantage."""

    model_config = example(
        format=FORMAT,
        version=VERSION,
        hospital_id="8f1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e",
        vantage="imagix-lyon",
        at="2026-11-24T02:00:00.000000Z",
        tried=42,
        answered=["10.20.4.7:22"],
        refused=[],
        missing=[],
        signer="0123456789abcdef",
        signature="c2lnbmVk",
    )

    format: Literal["ecluse-probe"]
    version: Literal[2] = Field(description="Results of version 1 were not signed.")
    hospital_id: str = Field(pattern="^[0-9a-f]{32}$", description="Whose matrix was tried.")

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

    signer: str = Field(max_length=64, description="Identifier of the key that signed it.")
    signature: str = Field(
        max_length=200,
        description="Ed25519 (base64) over all the other members, as canonical JSON behind the purpose.",
    )


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
    def of(cls, facts: dict[str, Any], now: datetime) -> "ProbeOut":
        """Say what a probe's *facts*, reported *now*, mean."""
        bypass = bool(facts["answered"] or facts["refused"])
        return cls(bypass=bypass, proved=proves(facts, now), at=facts["at"])


@router.post("/probes", status_code=201, openapi_extra=VERIFYING)
async def report_probe(context: Ctx, who: Who, body: ProbeIn, request: Request) -> ProbeOut:
    """Put a probe's signed result into the journal; what answered raises an alarm, and a clean probe of these days ends it.

    It must be signed by the key registered for its vantage, and be newer than what was told of that vantage before.
    """
    del body  # its form; what was signed is what was sent
    now, keys = context.clock.now(), RegisteredKeys(context.settings.probe_keys)
    facts = await taken(await request.json(), context.journal, who.hospital_id, keys, now)
    await note(context, who, PROBED, details=facts)
    return ProbeOut.of(facts, now)
