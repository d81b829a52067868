"""Shapes of derogations."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from admin_api.v1.schemas.base import Input, Page, example, shown
from policy.domain.derogations import Derogation


class DerogationOut(BaseModel):
    """A weakness of a device that somebody answers for. ``state``: in-force, ending (30 days), over, withdrawn."""

    model_config = example(
        id="de000f5e4f3a4ac5b0f6c0a9b1a2c3d4",
        device_id="d1c00f5e4f3a4ac5b0f6c0a9b1a2c3d4",
        weakness="kex=diffie-hellman-group1-sha1",
        reason="Console remplacée en juin",
        decided_by="ad000f5e4f3a4ac5b0f6c0a9b1a2c3d4",
        decided_at="2026-03-03T19:00:00Z",
        expires_at="2026-06-30T22:00:00Z",
        state="in-force",
    )

    id: str
    device_id: str
    weakness: str
    reason: str
    decided_by: str
    decided_at: datetime
    expires_at: datetime
    state: str

    @classmethod
    def of(cls, derogation: Derogation, at: datetime) -> "DerogationOut":
        """Show *derogation* as it stands at the aware instant *at*."""
        return shown(cls, derogation, state=derogation.state(at))


class DerogationsPage(Page[DerogationOut]):
    """One page of derogations."""


class DerogationIn(Input):
    """What somebody answers for, why, and until when. ``weaknesses`` left out: all that the device has."""

    model_config = example(reason="Console remplacée en juin", until="2026-06-30T22:00:00Z")

    reason: str = Field(min_length=1, max_length=500)
    until: AwareDatetime
    weaknesses: list[Annotated[str, Field(max_length=100)]] | None = Field(default=None, max_length=50)
