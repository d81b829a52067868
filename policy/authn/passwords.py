"""Passwords: their policy, and Argon2id (RFC 9106) in threads of its own."""

import asyncio
import secrets
import unicodedata
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import ARGON2_VERSION

from policy.authn.denylist import is_predictable, unpredictable
from policy.errors import AuthenticationFailed, InvalidInput
from policy.vault.secret import Secret

MINIMUM_CHARACTERS: Final = 12
MAXIMUM_BYTES: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordSettings:
    """How passwords are hashed, and how much of it may be asked at once.

    Defaults are RFC 9106's second recommended option (3 passes, ``memory`` in KiB, 4 lanes). ``workers``
    threads hash; beyond ``waiting`` log-ins in line, more are turned away unheard.
    """

    passes: int = 3
    memory: int = 65536
    lanes: int = 4
    workers: int = 2
    waiting: int = 64


class Strength(StrEnum):
    """How much of an accepted password an attacker would have to guess blindly."""

    FAIR = "fair"
    GOOD = "good"
    STRONG = "strong"


_GOOD: Final = 14
_STRONG: Final = 20


class Busy(AuthenticationFailed):
    """Too many passwords are being checked at once; nothing was looked at."""


class Passwords:
    """Checks, hashes and verifies passwords; owns the threads it hashes in until ``close``."""

    def __init__(self, settings: PasswordSettings | None = None) -> None:
        """Make the hasher, and the hash that stands in for everybody who has none."""
        self._settings = settings or PasswordSettings()
        self._hasher = PasswordHasher(
            time_cost=self._settings.passes,
            memory_cost=self._settings.memory,
            parallelism=self._settings.lanes,
        )
        self._pool = ThreadPoolExecutor(self._settings.workers, thread_name_prefix="argon2")
        self._asked = 0
        self._nobody = _of_nothing(self._hasher)

    def check_policy(self, password: Secret, *, login: str, words: Iterable[str] = ()) -> None:
        """Raise InvalidInput unless *password* may be chosen by *login*.

        At least 12 characters after NFKC, at most 1024 bytes, no control character, and not predictable:
        see ``denylist``. *words* are what an attacker knows besides the login: her names, e-mail, hospital.
        """
        octets = _octets(password)
        if octets is None:
            raise InvalidInput("password", f"takes more than {MAXIMUM_BYTES} bytes; choose a shorter one")
        text = octets.decode("utf-8", "surrogatepass")
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
            raise InvalidInput("password", "holds a control character; use letters, digits, spaces and signs")
        if len(text) < MINIMUM_CHARACTERS:
            raise InvalidInput(
                "password", f"has fewer than {MINIMUM_CHARACTERS} characters; choose a longer one"
            )
        if is_predictable(text, (login, *words)):
            raise InvalidInput(
                "password",
                "is built from common words, runs, repeats or your own names; choose several unrelated words",
            )

    def strength(self, password: Secret, *, login: str, words: Iterable[str] = ()) -> Strength:
        """Return how strong a *password* is that ``check_policy`` lets *login* choose, known *words* taken away."""
        octets = _octets(password) or b""
        left = unpredictable(octets.decode("utf-8", "surrogatepass"), (login, *words))
        if left < _GOOD:
            return Strength.FAIR
        return Strength.GOOD if left < _STRONG else Strength.STRONG

    def hash(self, password: Secret) -> str:
        """Return the PHC string of *password*; raises InvalidInput where it takes more than 1024 bytes."""
        octets = _octets(password)
        if octets is None:
            raise InvalidInput("password", f"takes more than {MAXIMUM_BYTES} bytes; choose a shorter one")
        return self._hasher.hash(octets)

    def verify(self, password_hash: str | None, password: Secret) -> None:
        """Raise AuthenticationFailed unless *password* is the one of *password_hash*.

        None stands for a person who is unknown or has no password: the same work is done against a hash
        of the same parameters, and fails. So does a password over the length or a hash that is damaged.
        """
        octets = _octets(password)
        known = password_hash is not None and octets is not None
        try:
            self._hasher.verify(password_hash if password_hash and known else self._nobody, octets or b"")
        except InvalidHashError:
            self._verify_nobody()
            raise AuthenticationFailed("authentication failed") from None
        except Argon2Error:
            raise AuthenticationFailed("authentication failed") from None
        if not known:
            raise AuthenticationFailed("authentication failed")

    def needs_rehash(self, password_hash: str) -> bool:
        """Tell whether *password_hash* was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold a place among the log-ins being checked; raises Busy where all are taken. Never waits."""
        if self._asked >= self._settings.workers + self._settings.waiting:
            raise Busy("authentication failed")
        self._asked += 1
        try:
            yield
        finally:
            self._asked -= 1

    async def verify_apart(self, password_hash: str | None, password: Secret) -> None:
        """As ``verify``, in a thread of the pool."""
        await asyncio.get_running_loop().run_in_executor(self._pool, self.verify, password_hash, password)

    async def hash_apart(self, password: Secret) -> str:
        """As ``hash``, in a thread of the pool."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.hash, password)

    def close(self) -> None:
        """Wait for the threads to end."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _verify_nobody(self) -> None:
        try:
            self._hasher.verify(self._nobody, b"")
        except Argon2Error:
            return


def _of_nothing(hasher: PasswordHasher) -> str:
    """Return a PHC string as *hasher* makes them, of no password: to verify one against it is the same work, and fails.

    Its hash is drawn and not computed, so that a program does not begin with a quarter of a second of Argon2.
    """
    salt, drawn = (
        b64encode(secrets.token_bytes(length)).decode().rstrip("=")
        for length in (hasher.salt_len, hasher.hash_len)
    )
    settings = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${settings}${salt}${drawn}"


def _octets(password: Secret) -> bytes | None:
    # Bounded before and after: NFKC can make a text eighteen times as long.
    text = password.reveal()
    if len(text) > MAXIMUM_BYTES:
        return None
    octets = unicodedata.normalize("NFKC", text).encode("utf-8", "surrogatepass")
    return octets if len(octets) <= MAXIMUM_BYTES else None
