"""The hospital: the tenant every row belongs to."""

from dataclasses import dataclass

from policy.domain.continuations import OFF, ContinuationRule
from policy.domain.factors import DEFAULT_TABLE, FactorTable
from policy.domain.ids import HospitalId


@dataclass(frozen=True, slots=True, kw_only=True)
class Hospital:
    """A health establishment and what its screens say of it.

    ``timezone`` is an IANA name (``Europe/Paris``); recurrences are expanded in it.
    ``security_contact`` is the free text shown on every banner and refusal (S43); ``factors`` what its technicians
    log in with, ``continuation`` whether a completed log-in may be continued by further connections.
    """

    id: HospitalId
    name: str
    timezone: str
    security_contact: str
    factors: FactorTable = DEFAULT_TABLE
    continuation: ContinuationRule = OFF
