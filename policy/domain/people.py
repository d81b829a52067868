"""People: technicians of suppliers and the hospital's own staff."""

from dataclasses import dataclass
from enum import StrEnum

from policy.domain.factors import Factor
from policy.domain.ids import HospitalId, PersonId, SupplierId

__all__ = ["Factor", "Language", "Person", "Role"]


class Role(StrEnum):
    """What a person does for the hospital; a person may hold several."""

    TECHNICIAN = "technician"
    PLANNER = "planner"
    SECURITY = "security"
    ADMINISTRATOR = "administrator"


class Language(StrEnum):
    """The languages every screen, banner and refusal speaks."""

    FRENCH = "fr"
    ENGLISH = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A natural person. ``supplier_id`` is None for the hospital's own staff.

    ``one_post``: her sessions come from one source at a time (rule E2).
    """

    id: PersonId
    hospital_id: HospitalId
    login: str
    full_name: str
    email: str
    language: Language
    roles: frozenset[Role]
    supplier_id: SupplierId | None
    active: bool
    one_post: bool = False
