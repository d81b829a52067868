"""People: technicians of suppliers and the hospital's own staff."""

from dataclasses import dataclass
from enum import StrEnum

from policy.domain.ids import HospitalId, PersonId, SupplierId


class Role(StrEnum):
    """What a person does for the hospital; a person may hold several."""

    TECHNICIAN = "technician"
    PLANNER = "planner"
    SECURITY = "security"
    ADMINISTRATOR = "administrator"


class Factor(StrEnum):
    """An authentication factor that was proved at log-in."""

    PASSWORD = "password"  # noqa: S105 - the name of a factor, not a secret
    TOTP = "totp"
    PUBLIC_KEY = "public-key"


class Language(StrEnum):
    """The languages every screen, banner and refusal speaks."""

    FRENCH = "fr"
    ENGLISH = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A natural person. ``supplier_id`` is None for the hospital's own staff."""

    id: PersonId
    hospital_id: HospitalId
    login: str
    full_name: str
    email: str
    language: Language
    roles: frozenset[Role]
    supplier_id: SupplierId | None
    active: bool
