"""The log-in machine that the gateway and the API share: who comes, with which factors, told alike to everybody.

Every check goes through the same steps for a person who exists and one who does not: reserve an
attempt, verify a password hash, open a TOTP secret, compare a code, settle the attempt. What differs is
known to the journal only (``LoginOutcome.reason``).
"""

import asyncio
from collections.abc import Coroutine

import structlog

from policy.authn import held_keys, ssh_keys, totp
from policy.authn.dialogue import Expected, Found, true_cause
from policy.authn.lockout import canonical_source, origin_of
from policy.authn.passwords import Busy, Passwords
from policy.clock import Clock
from policy.domain.attempts import Attempt, AttemptKind, AttemptOutcome
from policy.domain.continuations import Continuation
from policy.domain.credentials import SealedKind, sealing_context
from policy.domain.factors import Factor
from policy.domain.ids import HospitalId, is_name, new_id
from policy.domain.logins import LoginOutcome, LoginReason, LoginResult
from policy.domain.people import Person
from policy.errors import (
    AuthenticationFailed,
    Conflict,
    LockedOut,
    PolicyUnavailable,
    VaultError,
)
from policy.ports import Responder
from policy.services.login_attempt import Entered, LoginAttempt, ProvedKey
from policy.services.login_continuation import PASSWORD, in_words
from policy.services.login_door import NOBODY, OnOutcome, bounded, only_hospital
from policy.services.login_keys import KeyLogins
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.vault.keyring import Keyring
from policy.vault.secret import Secret

__all__ = ["LoginAttempt", "LoginOutcome", "LoginReason", "LoginResult", "LoginService", "OnOutcome"]

_log = structlog.get_logger()


class LoginService(KeyLogins):
    """Authenticates people against the policy database."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        passwords: Passwords,
        clock: Clock,
        settings: PolicySettings,
        *,
        on_outcome: OnOutcome | None = None,
        responder: Responder | None = None,
    ) -> None:
        """Share *passwords*, whose owner closes it; call *on_outcome* with every outcome before it is told.

        Ask *responder* whether tokens' certificates were revoked; without one, nobody can be asked.
        """
        super().__init__(database, clock, settings, on_outcome, responder)
        self._keyring = keyring
        self._passwords = passwords
        self._rehashes = settings.rehashes
        self._running: set[asyncio.Task[Entered]] = set()
        self._nobody_context = sealing_context(SealedKind.TOTP_SECRET, HospitalId(""), NOBODY)
        self._nobody_totp = keyring.seal(totp.new_secret(), self._nobody_context)

    async def begin(
        self,
        login: str,
        source: str,
        *,
        hospital_id: HospitalId | None = None,
        console: bool = False,
        device: str | None = None,
    ) -> LoginAttempt:
        """Start a log-in of *login* (the person's part of what was typed, hostile) from the IP literal *source*.

        Never fails for an unknown or locked person. *hospital_id* may be left out where there is only one.
        *console*: at the hospital's own door, where its table of technicians' factors does not count. *device*: the
        one that was typed with the login, hostile too; a log-in that names none is never continued.
        Raises InvalidInput for a source that is no IP literal, PolicyUnavailable without a readable store.
        """
        typed = bounded(login)
        address, origin = canonical_source(source), origin_of(source)
        async with self._database.read() as view:
            hospital = hospital_id or await only_hospital(view)
            person = await view.people.by_login(hospital, typed)
            until = await self._locked_until(view, hospital, typed, address, person)
            table = await self._table(view, hospital, console=console)
        return LoginAttempt(
            self,
            hospital_id=hospital,
            login=typed,
            source=address,
            origin=origin,
            locked_until=until,
            table=table,
            console=console,
            device=device if device is not None and is_name(device) else None,
        )

    async def close(self) -> None:
        """Wait until the checks under way are settled, those whose client has left included."""
        while self._running:
            await asyncio.wait(set(self._running))

    async def check(
        self,
        attempt: LoginAttempt,
        kind: AttemptKind,
        code: str,
        *,
        password: Secret | None = None,
        proved: ProvedKey | None = None,
    ) -> Entered:
        """Check all factors of one dialogue, and go on to the end even if the caller is cancelled meanwhile.

        An SSH client cancels a check by sending another; were the check dropped, so would its failure be.
        """
        work = self._check(attempt, kind, code, password or Secret(""), proved)
        return await asyncio.shield(self._start(work))

    async def check_again(self, attempt: LoginAttempt, person: Person, code: str) -> None:
        """Check a further *code* of *person*, whom a session that she began by a log-in has proved already.

        It counts as an attempt, under the same lock-outs. Raises LockedOut, AuthenticationFailed.
        """
        await asyncio.shield(self._start(self._check_again(attempt, person, code)))

    async def _check_again(self, attempt: LoginAttempt, person: Person, code: str) -> Entered:
        expected = await self._reserve(attempt, AttemptKind.SESSION_AND_CODE, None)
        step, closed = self._step_of(expected, code)
        reason = LoginReason.VAULT_CLOSED if closed else LoginReason.WRONG_CODE
        async with self._database.unit_of_work(None, self._clock) as work:
            present = expected.person
            if present is None or not present.active or present.id != person.id:
                step, reason = None, LoginReason.INACTIVE_PERSON
            if step is not None:
                try:
                    await work.credentials.use_totp_step(person.id, step)
                    reason = LoginReason.CODE_AGAIN
                except Conflict:
                    reason = LoginReason.REPLAYED_CODE
            right = reason is LoginReason.CODE_AGAIN
            outcome = AttemptOutcome.SUCCESS if right else AttemptOutcome.FAILURE
            await work.attempts.settle(expected.attempt.id, outcome)
        factors = frozenset({Factor.TOTP}) if right else frozenset()
        result = LoginResult.SUCCESS if right else LoginResult.FAILURE
        await self._tell(attempt, result, reason, person=person, factors=factors)
        if not right:
            raise AuthenticationFailed("authentication failed")
        return Entered(person=person, factors=factors)

    def _start(self, work: Coroutine[object, object, Entered]) -> asyncio.Task[Entered]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Entered]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, AuthenticationFailed):
            _log.error("login.check_failed", error=type(error).__name__)

    async def _check(
        self, attempt: LoginAttempt, kind: AttemptKind, code: str, password: Secret, proved: ProvedKey | None
    ) -> Entered:
        blob = None if proved is None else proved.proof.blob
        try:
            async with self._passwords.turn():
                expected = await self._reserve(attempt, kind, blob)
                found = await self._compare(expected, code, password, proved)
        except Busy:
            await self._tell(attempt, LoginResult.BUSY, LoginReason.TOO_MANY_AT_ONCE, blob=blob)
            raise
        reason, continued = await self._settle(attempt, expected, found)
        person = expected.person
        if reason not in {LoginReason.ALL_FACTORS, LoginReason.CONTINUED} or person is None:
            await self._tell(
                attempt, LoginResult.FAILURE, reason, person=person, factors=found.right, blob=blob
            )
            raise AuthenticationFailed("authentication failed")
        await self._rehash(expected, password)
        factors = found.right
        if continued is not None:
            factors = factors - {Factor.TOTP} | {Factor.CONTINUED_CODE}
        await self._tell(
            attempt,
            LoginResult.SUCCESS,
            reason,
            person=person,
            factors=factors,
            level=expected.table.level_of(factors),
            blob=blob,
            detail=None if continued is None else in_words(continued),
        )
        return Entered(person=person, factors=factors)

    async def _reserve(self, attempt: LoginAttempt, kind: AttemptKind, blob: bytes | None) -> Expected:
        """Count the attempt as pending before anything is checked; raises LockedOut, counting nothing, if locked.

        The count and the insert share a transaction that keeps the pair's other attempts out, so that
        however many run at once, no more are heard than the lock-out allows.
        """
        hospital, login = attempt.hospital_id, attempt.login
        pending = Attempt(
            id=new_id(),
            hospital_id=hospital,
            login=login,
            source=attempt.source,
            origin=attempt.origin,
            at=self._clock.now(),
            outcome=AttemptOutcome.PENDING,
            kind=kind,
        )
        async with self._database.unit_of_work(None, self._clock) as work:
            await work.attempts.hold(hospital, login, attempt.origin)
            person = await work.people.by_login(hospital, login)
            until = await self._locked_until(work, hospital, login, attempt.source, person)
            person_id = person.id if person else NOBODY
            if until is None:
                keys = await work.credentials.ssh_keys(person_id)
                expected = Expected(
                    attempt=pending,
                    person=person,
                    password_hash=await work.credentials.password_hash(person_id),
                    totp_sealed=await work.credentials.totp_secret(person_id),
                    keys=tuple(keys),
                    certified=await self._in_force(work, attempt, person, blob),
                    table=await self._table(work, attempt.hospital_id, console=attempt.console),
                )
                await work.attempts.insert(pending)
        if until is not None:
            await self._tell(
                attempt,
                LoginResult.LOCKED,
                LoginReason.TOO_MANY_FAILURES,
                person=person,
                blob=blob,
                until=until,
            )
            raise LockedOut(until)
        return expected

    async def _compare(
        self, expected: Expected, code: str, password: Secret, proved: ProvedKey | None
    ) -> Found:
        first = Factor.PASSWORD if proved is None else proved.factor
        first_right = proved is not None and (
            expected.certified
            and (
                first is Factor.SSH_CERTIFICATE or held_keys.still_proves(proved.proof, first, expected.keys)
            )
        )
        if proved is None:
            try:
                await self._passwords.verify_apart(expected.password_hash, password)
                first_right = True
            except AuthenticationFailed:
                first_right = False
        step, closed = self._step_of(expected, code)
        blob = None if proved is None else proved.proof.blob
        return Found(first=first, first_right=first_right, step=step, vault_closed=closed, blob=blob)

    def _step_of(self, expected: Expected, code: str) -> tuple[int | None, bool]:
        """Return the time step of a right code, and whether the vault was closed. As long for nobody's as for hers."""
        sealed, context = self._nobody_totp, self._nobody_context
        if expected.person is not None and expected.totp_sealed is not None:
            sealed = expected.totp_sealed
            context = sealing_context(SealedKind.TOTP_SECRET, expected.person.hospital_id, expected.person.id)
        step: int | None = None
        closed = False
        try:
            step = totp.verify(self._keyring.open(sealed, context), code, expected.attempt.at)
        except VaultError as error:
            closed = expected.totp_sealed is not None
            _log.error("login.vault_closed", error=str(error))
        except AuthenticationFailed:
            step = None
        if expected.person is None or expected.totp_sealed is None:
            step = None  # even if it was the code of nobody's secret
        return step, closed

    async def _settle(
        self, attempt: LoginAttempt, expected: Expected, found: Found
    ) -> tuple[LoginReason, Continuation | None]:
        """Use the code up, or continue the log-in that used it; settle the attempt by what came of it."""
        reason, person, continued = true_cause(expected, found), expected.person, None
        first = PASSWORD if found.blob is None else ssh_keys.fingerprint(found.blob)
        async with self._database.unit_of_work(None, self._clock) as work:
            if reason is LoginReason.ALL_FACTORS and person is not None and found.step is not None:
                try:
                    await work.credentials.use_totp_step(person.id, found.step)
                    await self._leave_open(work, attempt, person, first, found.step, expected.attempt.id)
                except Conflict:
                    continued = await self._continue(work, attempt, person, first, found.step)
                    reason = LoginReason.REPLAYED_CODE if continued is None else LoginReason.CONTINUED
            right = reason in {LoginReason.ALL_FACTORS, LoginReason.CONTINUED}
            outcome = AttemptOutcome.SUCCESS if right else AttemptOutcome.FAILURE
            await work.attempts.settle(expected.attempt.id, outcome)
        return reason, continued

    async def _rehash(self, expected: Expected, password: Secret) -> None:
        old, person = expected.password_hash, expected.person
        if not self._rehashes:
            return
        if expected.attempt.kind is not AttemptKind.PASSWORD_AND_CODE or old is None or person is None:
            return
        if not self._passwords.needs_rehash(old):
            return
        fresh = await self._passwords.hash_apart(password)
        try:
            async with self._database.unit_of_work(None, self._clock) as work:
                if await work.credentials.password_hash(person.id) == old:
                    await work.credentials.set_password_hash(person.id, fresh)
        except PolicyUnavailable:
            _log.warning("login.rehash_put_off", person=person.id)
