"""One log-in in progress: what the client has proved on this connection, and to whom it says it belongs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from policy.authn.held_keys import KeyProof
from policy.domain.attempts import AttemptKind
from policy.domain.factors import Factor, FactorTable
from policy.domain.ids import HospitalId
from policy.domain.people import Person
from policy.errors import AuthenticationFailed
from policy.vault.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What a verified signature proves; ``person`` is set where that is enough to enter.

    ``forwarding``: no certificate takes from its holder the right to forward ports.
    ``continued``: enough because it continues a log-in completed a moment ago.
    """

    factor: Factor
    person: Person | None
    forwarding: bool = True
    continued: bool = False

    @property
    def factors(self) -> frozenset[Factor]:
        """All that counts for it."""
        return frozenset({self.factor, Factor.CONTINUED_CODE} if self.continued else {self.factor})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """A dialogue that let somebody in: who, and by which factors."""

    person: Person
    factors: frozenset[Factor]


class Checks(Protocol):
    """What an attempt asks of the service that began it."""

    async def has_key(self, attempt: "LoginAttempt", blob: bytes) -> bool:
        """Tell whether *blob* may log in; proves nothing, records nothing."""
        ...

    async def accept_key(self, attempt: "LoginAttempt", proof: KeyProof) -> Accepted:
        """Take a verified signature; raises AuthenticationFailed or LockedOut."""
        ...

    async def check(
        self,
        attempt: "LoginAttempt",
        kind: AttemptKind,
        code: str,
        *,
        password: Secret | None = None,
        proved: "ProvedKey | None" = None,
    ) -> Entered:
        """Check all factors of one dialogue; raises AuthenticationFailed or LockedOut."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedKey:
    """A key signed with before, and the factor that it was."""

    proof: KeyProof
    factor: Factor


class LoginAttempt:
    """One person's log-in on one connection. A client that changes its user name begins another.

    ``locked_until`` is how things stood at the beginning, aware UTC, and ``table`` what counts as a log-in;
    ``console``: at the hospital's own door; ``device`` is the device that the login names. ``factors`` are those
    proved by a call that returned: a call that was cancelled proves nothing to its connection.
    """

    def __init__(
        self,
        service: Checks,
        *,
        hospital_id: HospitalId,
        login: str,
        source: str,
        origin: str,
        locked_until: datetime | None,
        table: FactorTable,
        console: bool = False,
        device: str | None = None,
    ) -> None:
        """Made by ``LoginService.begin``."""
        self.hospital_id: Final = hospital_id
        self.login: Final = login
        self.source: Final = source
        self.origin: Final = origin
        self.locked_until: Final = locked_until
        self.table: Final = table
        self.console: Final = console
        self.device: Final = device
        self._service: Final = service
        self._factors: frozenset[Factor] = frozenset()
        self._key: ProvedKey | None = None
        self.forwarding = True
        """Whether her certificate, if she proved one, leaves her the right to forward ports."""

    @property
    def factors(self) -> frozenset[Factor]:
        """The factors proved so far; the log-in ends as soon as they are a row of the table."""
        return self._factors

    @property
    def proved_key(self) -> bytes | None:
        """The key or certificate (SSH wire format) that counts among the factors, None where none does."""
        return None if self._key is None or not self._factors else self._key.proof.blob

    async def offers_key(self, public_blob: bytes) -> bool:
        """Tell whether a signature by this key (SSH wire format) would be accepted: a query, and never a proof.

        No failure is recorded. As with every SSH server, who holds somebody's public key can learn that
        it opens a door here.
        """
        return await self._service.has_key(self, public_blob)

    async def key_proved(
        self, public_blob: bytes, *, touched: bool = False, verified: bool = False
    ) -> Person | None:
        """Take note that the client signed with this key: call it after the signature was verified, never before.

        *touched* and *verified* are what a security key signed of its holder. Returns the person where the key
        is enough, None where a code is still needed. Forgets any key before; raises LockedOut, or
        AuthenticationFailed if the key may not log in.
        """
        self._key, self._factors, self.forwarding = None, frozenset(), True
        proof = KeyProof(blob=public_blob, touched=touched, verified=verified)
        accepted = await self._service.accept_key(self, proof)
        self._key = ProvedKey(proof=proof, factor=accepted.factor)
        self._factors, self.forwarding = accepted.factors, accepted.forwarding
        return accepted.person

    async def check_password_and_code(self, password: Secret, code: str) -> Person:
        """Check both factors, the second even if the first is wrong, and return the person.

        Raises LockedOut where nothing was looked at, AuthenticationFailed without saying what was wrong,
        PolicyUnavailable. The attempt is counted before anything is checked, whatever becomes of the caller.
        """
        entered = await self._service.check(self, AttemptKind.PASSWORD_AND_CODE, code, password=password)
        self._factors = entered.factors
        return entered.person

    async def check_code(self, code: str) -> Person:
        """Check the code after ``key_proved`` and return the person; raises as ``check_password_and_code`` does."""
        if self._key is None:
            raise AuthenticationFailed("authentication failed")
        entered = await self._service.check(self, AttemptKind.KEY_AND_CODE, code, proved=self._key)
        self._factors = entered.factors
        return entered.person
