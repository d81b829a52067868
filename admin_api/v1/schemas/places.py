"""Shapes of the hospital, its suppliers and their sites."""

from pydantic import BaseModel, Field

from admin_api.v1.schemas.base import Input, Page, Shown, Text, example, shown
from policy.domain.hospitals import Hospital

_LYON = {"name": "Lyon", "country": "FR", "networks": ["192.0.2.0/24"]}


class ContinuationBody(Input):
    """For how many seconds, and how many further connections, one log-in may be continued; 0 and 0: never."""

    model_config = example(seconds=60, connections=4)

    seconds: int = Field(ge=0, le=120)
    connections: int = Field(ge=0, le=8)


class HospitalOut(BaseModel):
    """The hospital and what its screens say of it."""

    model_config = example(
        id="5f1c0f5e4f3a4ac5b0f6c0a9b1a2c3d4",
        name="CH de Saint-Exemple",
        timezone="Europe/Paris",
        security_contact="RSSI, poste 4242",
        continuation={"seconds": 0, "connections": 0},
    )

    id: str
    name: str
    timezone: str
    security_contact: str
    continuation: ContinuationBody

    @classmethod
    def of(cls, hospital: Hospital) -> "HospitalOut":
        """Show *hospital*."""
        rule = hospital.continuation
        return shown(
            cls,
            hospital,
            continuation=ContinuationBody(seconds=int(rule.life.total_seconds()), connections=rule.most),
        )


class HospitalsPage(Page[HospitalOut]):
    """One page of hospitals: today the caller's own."""


class ContactIn(Input):
    """The contact shown on every banner and refusal."""

    model_config = example(security_contact="RSSI, poste 4242")

    security_contact: Text


class SiteBody(Input):
    """A declared place of work (rule C2)."""

    model_config = example(**_LYON)

    name: Text
    country: str = Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2.")
    networks: list[str] = Field(min_length=1, max_length=200, description="Networks, each as CIDR.")


class SiteOut(Shown):
    """A declared place of work."""

    id: str
    name: str
    country: str
    networks: list[str]


class SupplierOut(Shown):
    """A supplier and its declared sites."""

    model_config = example(
        id="0b7c0f5e4f3a4ac5b0f6c0a9b1a2c3d4",
        name="Imagix",
        active=True,
        one_post=False,
        sites=[{"id": "77aa0f5e4f3a4ac5b0f6c0a9b1a2c3d4", **_LYON}],
    )

    id: str
    name: str
    active: bool
    one_post: bool
    sites: list[SiteOut]


class SuppliersPage(Page[SupplierOut]):
    """One page of suppliers."""


class SupplierIn(Input):
    """A supplier to make."""

    model_config = example(name="Imagix", sites=[_LYON])

    name: Text
    sites: list[SiteBody] = Field(default_factory=list, max_length=200)


class SupplierChange(Input):
    """What to change of a supplier; what is left out stays."""

    model_config = example(sites=[_LYON])

    name: Text | None = None
    sites: list[SiteBody] | None = Field(default=None, max_length=200)
    one_post: bool | None = None
