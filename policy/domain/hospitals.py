"""The hospital: the tenant every row belongs to."""

from dataclasses import dataclass
from datetime import datetime

from policy.domain.continuations import OFF, ContinuationRule
from policy.domain.factors import DEFAULT_TABLE, FactorTable
from policy.domain.ids import HospitalId, PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """Nobody gets in since the general cut at ``at`` (aware UTC), made by ``by``, until a person opens again."""

    at: datetime
    by: PersonId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hospital:
    """A health establishment and what its screens say of it.

    ``timezone`` is an IANA name (``Europe/Paris``); recurrences are expanded in it.
    ``security_contact`` is the free text shown on every banner and refusal (S43); ``factors`` what its technicians
    log in with, ``closure`` is there while a general cut keeps everybody out, ``continuation`` whether a completed log-in may be continued by further connections.
    """

    id: HospitalId
    name: str
    timezone: str
    security_contact: str
    factors: FactorTable = DEFAULT_TABLE
    continuation: ContinuationRule = OFF
    closure: Closure | None = None
