"""What a person logs in with, as she may read it herself: never a secret."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policy.domain.certificates import TokenCertificate
from policy.domain.credentials import EnrolledKey
from policy.domain.ids import HospitalId, PersonId
from policy.services.duties import Duty, require
from policy.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFactors:
    """Whether she has a password and a telephone's codes, and her public keys, oldest first.

    ``certificates`` are those of the tokens among her keys, by the fingerprint of the key, the longest lasting of
    each; ``recovery_codes`` is how many she has not used.
    """

    password: bool
    codes: bool
    recovery_codes: int
    keys: Sequence[EnrolledKey]
    certificates: Mapping[str, TokenCertificate]


class OwnFactorService:
    """Tells a technician what is enrolled for her (rule E3)."""

    def __init__(self, database: Database) -> None:
        """Read *database*."""
        self._database = database

    async def held(self, actor: PersonId, hospital_id: HospitalId) -> OwnFactors:
        """Return the actor's own factors; raises Forbidden for who is no technician."""
        async with self._database.read() as view:
            await require(view, hospital_id, actor, Duty.ASK)
            certificates: dict[str, TokenCertificate] = {}
            for one in await view.certificates.of_person(hospital_id, actor):
                certificates.setdefault(one.key_fingerprint, one)
            return OwnFactors(
                password=await view.credentials.password_hash(actor) is not None,
                codes=await view.credentials.totp_secret(actor) is not None,
                recovery_codes=await view.recovery_codes.left(hospital_id, actor),
                keys=await view.credentials.ssh_keys(actor),
                certificates=certificates,
            )
