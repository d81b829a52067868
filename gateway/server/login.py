"""The log-in of one connection: the name as typed, and the factors in their order."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Final, TypeVar

from gateway.sshfix import Proof, SignedKey
from policy.domain.ids import HospitalId, is_name
from policy.domain.people import Factor, Person
from policy.errors import AuthenticationFailed, KeyUnfit
from policy.services.login import LoginService
from policy.services.login_attempt import LoginAttempt
from policy.vault.secret import Secret

_T = TypeVar("_T")

MAX_NAME_BYTES: Final = 128
MAX_NAMES: Final = 6
"""User names one connection may try."""
MAX_KEY_OFFERS: Final = 20
"""Keys one connection may offer; agents hold several."""
MAX_ANSWER: Final = 1024


@dataclass(frozen=True, slots=True)
class LoginName:
    """``person[+device[+account]]`` as typed; ``%`` separates as well as ``+``."""

    person: str
    device: str | None = None
    account: str | None = None

    @classmethod
    def parse(cls, typed: str) -> "LoginName":
        """Take a user name apart; never fails.

        What does not have this form is kept whole, cut to 128 bytes, as the name of a person: nobody has
        such a name, and the dialogue goes on as for any unknown person (invariant 7).
        """
        parts = typed.replace("%", "+").split("+")
        if len(parts) <= 3 and all(is_name(part) for part in parts):
            return cls(*parts)
        return cls(typed.encode("utf-8", "replace")[:MAX_NAME_BYTES].decode("utf-8", "ignore"))


class TooManyAttempts(Exception):
    """The connection has had its dialogues; it must be closed."""


class Dialogue:
    """What one connection has proved, bound to one user name.

    ``person`` is set when all factors are there, and by nothing else. Failures are counted before the
    first await: a client may cancel a check by sending another request.
    """

    def __init__(self, logins: LoginService, hospital_id: HospitalId, source: str, limit: int) -> None:
        """Serve a connection from *source* (an IP literal) that may fail *limit* dialogues."""
        self._logins = logins
        self._hospital_id = hospital_id
        self._source = source
        self._limit = limit
        self._names = 0
        self._offers = 0
        self.failures = 0
        self.name = LoginName("")
        self.person: Person | None = None
        self.unfit: str | None = None
        """Why her own key, which was proved, did not serve; None where there is nothing to tell."""
        self._attempt: asyncio.Task[LoginAttempt] | None = None

    async def begin(self, typed: str) -> None:
        """Start over under the user name *typed*: nothing proved under another name counts.

        Raises TooManyAttempts, PolicyUnavailable.
        """
        self._names += 1
        if self._names > MAX_NAMES:
            raise TooManyAttempts
        self.name = LoginName.parse(typed)
        self.person = None
        self._attempt = None
        await self._current()

    async def _current(self) -> LoginAttempt:
        # asyncssh does not announce an empty first user name: the attempt then begins at the first factor.
        if self._attempt is None:
            begun = self._logins.begin(
                self.name.person, self._source, hospital_id=self._hospital_id, device=self.name.device
            )
            self._attempt = asyncio.ensure_future(begun)
        return await asyncio.shield(self._attempt)

    @property
    def factors(self) -> frozenset[Factor]:
        """The factors proved under the present name."""
        attempt = self._attempt
        if attempt is None or not attempt.done() or attempt.cancelled() or attempt.exception():
            return frozenset()
        return attempt.result().factors

    @property
    def proved_key(self) -> bytes | None:
        """The key or certificate among those factors, None where there is none."""
        attempt = self._attempt
        return attempt.result().proved_key if self.factors and attempt is not None else None

    @property
    def key_proved(self) -> bool:
        """Whether a key was signed with, so that the code alone is missing."""
        return bool(self.factors - {Factor.PASSWORD, Factor.TOTP, Factor.CONTINUED_CODE})

    @property
    def forwards(self) -> bool:
        """Whether a certificate, if one was proved, leaves its holder the right to forward ports."""
        attempt = self._attempt
        return attempt is not None and attempt.done() and attempt.result().forwarding

    @property
    def answers_help(self) -> bool:
        """Whether a keyboard-interactive dialogue can lead in now, by the hospital's table of factors."""
        attempt = self._attempt
        if self.key_proved or attempt is None or not attempt.done() or attempt.cancelled():
            return True
        return attempt.exception() is None and attempt.result().table.begins_with(Factor.PASSWORD)

    async def offers_key(self, blob: bytes) -> bool:
        """Tell whether a signature by *blob* would do. A query proves nothing. Raises TooManyAttempts."""
        self._offers += 1
        if self._offers > MAX_KEY_OFFERS:
            raise TooManyAttempts
        if self.key_proved:
            return False
        attempt = await self._current()
        return await _whole(attempt.offers_key(blob))

    async def answer(self, responses: list[str]) -> bool:
        """Check the answers of one keyboard-interactive dialogue; True when the log-in is complete.

        Raises TooManyAttempts when the last dialogue failed.
        """
        self.failures += 1
        if self.failures > self._limit:
            raise TooManyAttempts
        self.person = None
        attempt = await self._current()
        wanted = 1 if self.key_proved else 2
        if len(responses) != wanted or any(len(response) > MAX_ANSWER for response in responses):
            responses = [""] * wanted
        try:
            if wanted == 1:
                person = await attempt.check_code(responses[0])
            else:
                person = await attempt.check_password_and_code(Secret(responses[0]), responses[1])
        except AuthenticationFailed:
            if self.failures >= self._limit:
                raise TooManyAttempts from None
            return False
        self.failures -= 1
        self.person = person
        return True

    async def factor_proved(self, method: str, key: SignedKey | None) -> Proof:
        """Take note of a factor that the SSH library verified."""
        if method == "publickey" and key is not None:
            attempt = await self._current()
            proved = attempt.key_proved(key.blob, touched=key.touched, verified=key.verified)
            try:
                self.person = await _whole(proved)
            except KeyUnfit as unfit:
                self.unfit = unfit.reason
                return Proof.REFUSED
            except AuthenticationFailed:
                return Proof.REFUSED
            return Proof.PARTIAL if self.person is None else Proof.COMPLETE
        if method == "keyboard-interactive" and self.person is not None:
            return Proof.COMPLETE
        return Proof.REFUSED


async def _whole(question: Coroutine[object, object, _T]) -> _T:
    """Ask to the end though the client may cancel: a question dropped half-way costs a database connection."""
    return await asyncio.shield(asyncio.ensure_future(question))
