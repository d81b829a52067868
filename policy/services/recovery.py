"""Lost paths: a recovery code and the factor that is left, under the same lock-outs as every log-in.

A mailbox opens none of them: each asks for two things that never travel by mail.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from policy.authn import totp
from policy.authn.lockout import Lockout, LockoutSettings, canonical_source, origin_of
from policy.authn.passwords import Passwords
from policy.clock import Clock
from policy.domain.attempts import Attempt, AttemptKind, AttemptOutcome
from policy.domain.credentials import SealedKind, sealing_context
from policy.domain.ids import HospitalId, PersonId, is_name, new_id
from policy.domain.people import Person
from policy.domain.suppliers import Supplier
from policy.errors import AuthenticationFailed, Conflict, LockedOut, VaultError
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.store.unit_of_work import UnitOfWork
from policy.vault.keyring import Keyring
from policy.vault.secret import Secret

CODES: Final = 8
"""How many recovery codes a person gets at once."""
_BYTES: Final = 10  # 80 random bits: 16 letters and digits
_GROUP: Final = 4
_TYPED: Final = re.compile(r"[A-Z2-7]{16}")
_LONGEST: Final = 64
_NOBODY: Final = PersonId("0" * 32)


class RecoveryService:
    """Makes recovery codes, and checks one together with what the person still has."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        passwords: Passwords,
        clock: Clock,
        settings: PolicySettings,
    ) -> None:
        """Check against *database*, and share *passwords*, whose owner closes it."""
        self._database = database
        self._keyring = keyring
        self._passwords = passwords
        self._clock = clock
        self._lockout = Lockout(LockoutSettings.of(settings))
        self._nobody_context = sealing_context(SealedKind.TOTP_SECRET, HospitalId(""), _NOBODY)
        self._nobody_totp = keyring.seal(totp.new_secret(), self._nobody_context)

    async def with_password(
        self, hospital_id: HospitalId, login: str, password: Secret, recovery_code: str, source: str
    ) -> Person:
        """Take her password and a recovery code, which is then used up: her telephone is lost.

        Raises LockedOut, AuthenticationFailed (also where too much is being checked), PolicyUnavailable.
        """
        attempt = self._attempt(hospital_id, login, source, AttemptKind.PASSWORD_AND_RECOVERY)
        async with self._passwords.turn():
            person, password_hash, _ = await self._reserve(attempt)
            try:
                await self._passwords.verify_apart(password_hash, password)
                right = True
            except AuthenticationFailed:
                right = False
        return await self._settle(attempt, person, recovery_code, right=right, step=None)

    async def with_code(
        self, hospital_id: HospitalId, login: str, code: str, recovery_code: str, source: str
    ) -> Person:
        """Take a code of her telephone and a recovery code, which is then used up: her password is forgotten.

        Raises as ``with_password``.
        """
        attempt = self._attempt(hospital_id, login, source, AttemptKind.RECOVERY_AND_CODE)
        person, _, sealed = await self._reserve(attempt)
        step: int | None = None
        try:
            step = totp.verify(self._opened(person, sealed), code, attempt.at)
        except (AuthenticationFailed, VaultError):
            step = None
        right = person is not None and sealed is not None and step is not None
        return await self._settle(attempt, person, recovery_code, right=right, step=step)

    async def renew_in(self, work: UnitOfWork, person: Person) -> tuple[Secret, ...]:
        """Give the person fresh recovery codes, shown this once; those before serve no longer."""
        codes = tuple(_fresh() for _ in range(CODES))
        hashes = [_digest(person.id, one.reveal()) for one in codes]
        at = self._clock.now()
        await work.recovery_codes.replace_all(person.hospital_id, person.id, hashes, at)
        await work.emit("person.recovery_codes_made", person.hospital_id, person.id, {}, {"made": CODES})
        return codes

    def _attempt(self, hospital_id: HospitalId, login: str, source: str, kind: AttemptKind) -> Attempt:
        typed = login if is_name(login) else "?"
        return Attempt(
            id=new_id(),
            hospital_id=hospital_id,
            login=typed,
            source=canonical_source(source),
            origin=origin_of(source),
            at=self._clock.now(),
            outcome=AttemptOutcome.PENDING,
            kind=kind,
        )

    async def _reserve(self, attempt: Attempt) -> tuple[Person | None, str | None, str | None]:
        """Count the attempt before anything is checked; raises LockedOut, counting nothing, if locked."""
        hospital_id, login = attempt.hospital_id, attempt.login
        async with self._database.unit_of_work(None, self._clock) as work:
            await work.attempts.hold(hospital_id, login, attempt.origin)
            person = await work.people.by_login(hospital_id, login)
            until = await self._locked_until(work, attempt, person)
            person_id = person.id if person is not None else _NOBODY
            password_hash = await work.credentials.password_hash(person_id)
            sealed = await work.credentials.totp_secret(person_id)
            if until is None:
                await work.attempts.insert(attempt)
        if until is not None:
            raise LockedOut(until)
        return person, password_hash, sealed

    async def _settle(
        self, attempt: Attempt, person: Person | None, recovery_code: str, *, right: bool, step: int | None
    ) -> Person:
        person_id = person.id if person is not None else _NOBODY
        digest = _digest(person_id, recovery_code)
        async with self._database.unit_of_work(None, self._clock) as work:
            holds = await work.recovery_codes.holds(attempt.hospital_id, person_id, digest)
            let_in = person is not None and person.active and right and holds
            if let_in:
                let_in = await self._use(work, attempt, person_id, digest, step)
            outcome = AttemptOutcome.SUCCESS if let_in else AttemptOutcome.FAILURE
            await work.attempts.settle(attempt.id, outcome)
            if person is not None:
                name = "person.recovered" if let_in else "person.recovery_failed"
                facts = {"kind": attempt.kind, "source": attempt.source}
                await work.emit(name, attempt.hospital_id, person.id, {}, facts)
        if person is None or not let_in:
            raise AuthenticationFailed("authentication failed")
        return person

    async def _use(
        self, work: UnitOfWork, attempt: Attempt, person_id: PersonId, digest: str, step: int | None
    ) -> bool:
        """Use up what was shown; False where the one-time code was used before."""
        if step is not None:
            try:
                await work.credentials.use_totp_step(person_id, step)
            except Conflict:
                return False
        return await work.recovery_codes.use(attempt.hospital_id, person_id, digest, self._clock.now())

    def _opened(self, person: Person | None, sealed: str | None) -> Secret:
        if person is None or sealed is None:
            return self._keyring.open(self._nobody_totp, self._nobody_context)
        context = sealing_context(SealedKind.TOTP_SECRET, person.hospital_id, person.id)
        return self._keyring.open(sealed, context)

    async def _locked_until(
        self, work: UnitOfWork, attempt: Attempt, person: Person | None
    ) -> datetime | None:
        since = attempt.at - self._lockout.settings.memory
        attempts = await work.attempts.recent(attempt.hospital_id, attempt.login, attempt.origin, since)
        declared = _declared(person, await work.suppliers.list(attempt.hospital_id))
        return self._lockout.locked_until(attempts, attempt.login, attempt.origin, attempt.at, declared)


def _declared(person: Person | None, suppliers: Sequence[Supplier]) -> Callable[[str], bool]:
    own = [each for each in suppliers if person is None or each.id == person.supplier_id]
    return lambda source: any(each.site_of(source) is not None for each in own)


def _fresh() -> Secret:
    text = base64.b32encode(secrets.token_bytes(_BYTES)).decode("ascii")
    return Secret("-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP)))


def _digest(person_id: PersonId, typed: str) -> str:
    """Return what is kept of a code: of 80 random bits, hashed with whose it is, a plain hash cannot be searched."""
    bare = re.sub(r"[\s-]", "", typed[:_LONGEST]).upper()
    sound = bare if _TYPED.fullmatch(bare) else ""
    return hashlib.sha256(f"{person_id} {sound}".encode()).hexdigest()
