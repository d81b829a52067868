"""The hospital: the tenant every row belongs to."""

from dataclasses import dataclass

from policy.domain.ids import HospitalId


@dataclass(frozen=True, slots=True, kw_only=True)
class Hospital:
    """A health establishment and what its screens say of it.

    ``timezone`` is an IANA name (``Europe/Paris``); recurrences are expanded in it.
    ``security_contact`` is the free text shown on every banner and refusal (S43).
    """

    id: HospitalId
    name: str
    timezone: str
    security_contact: str
