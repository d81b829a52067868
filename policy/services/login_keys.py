"""The part of a log-in that keys prove: a query that proves nothing, and a signature that was verified."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn

from policy.authn import held_keys, ssh_certificates, ssh_keys
from policy.authn.held_keys import KeyProof, KeyRefused
from policy.authn.ssh_certificates import Certified
from policy.clock import Clock
from policy.domain.attempts import Attempt, AttemptKind, AttemptOutcome
from policy.domain.credentials import EnrolledKey, KeyKind
from policy.domain.factors import Factor, FactorTable
from policy.domain.ids import new_id
from policy.domain.logins import LoginReason, LoginResult
from policy.domain.people import Person
from policy.errors import AuthenticationFailed, KeyUnfit, LockedOut
from policy.ports import Responder
from policy.services.login_attempt import Accepted, LoginAttempt
from policy.services.login_continuation import ContinuedLogins, in_words
from policy.services.login_door import NOBODY, OnOutcome
from policy.services.token_check import TokenCheck, TokenFacts, read_token_facts
from policy.services.token_watch import RevokedTokens
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.store.unit_of_work import View

TOLD: Final = frozenset(
    {
        LoginReason.CERTIFICATE_EXPIRED,
        LoginReason.CERTIFICATE_UNTRUSTED,
        LoginReason.CERTIFICATE_UNFIT,
        LoginReason.CERTIFICATE_REVOKED,
        LoginReason.CERTIFICATE_UNCHECKED,
    }
)
"""What whoever signed with an enrolled key may be told: that key is hers, and nothing is learned of another's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeyFacts:
    """What a key is judged on, read in one snapshot."""

    person: Person | None
    key: EnrolledKey | None
    table: FactorTable
    until: datetime | None
    token: TokenFacts
    certified: Certified | KeyRefused | None

    @property
    def forwarding(self) -> bool:
        """Whether a certificate, if it was one, leaves its holder the right to forward ports."""
        return not isinstance(self.certified, Certified) or self.certified.forwarding

    @property
    def known(self) -> bool:
        """Whether the key is on file, or a certificate that lets in."""
        return self.key is not None or isinstance(self.certified, Certified)

    @property
    def ours(self) -> bool:
        """Whether it is a certificate that an authority of the hospital's signed, in force or not."""
        if isinstance(self.certified, KeyRefused):
            return self.certified.reason is not LoginReason.UNKNOWN_KEY
        return self.certified is not None

    @property
    def active(self) -> bool:
        return self.person is not None and self.person.active


class KeyLogins(ContinuedLogins):
    """Judges keys. A key is never guessed, and agents hold several: a wrong one counts for no lock-out."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: PolicySettings,
        on_outcome: OnOutcome | None,
        responder: Responder | None,
    ) -> None:
        """As ``LoginDoor``; ask *responder* whether certificates were revoked."""
        super().__init__(database, clock, settings, on_outcome)
        self._tokens = TokenCheck(responder, RevokedTokens(database, clock).note)
        self._known = TokenCheck(None)

    async def has_key(self, attempt: LoginAttempt, blob: bytes) -> bool:
        """Tell whether *blob* is a key the attempt's person may log in with now; proves nothing, records nothing."""
        async with self._database.read() as view:
            facts = await self._key_facts(view, attempt, blob)
        if facts.ours:
            # also where it is refused in the end: whoever signs with it is told why
            leads = facts.table.begins_with(Factor.SSH_CERTIFICATE)
        else:
            leads = held_keys.may_lead_in(facts.key, facts.table)
        return facts.until is None and facts.active and leads

    async def accept_key(self, attempt: LoginAttempt, proof: KeyProof) -> Accepted:
        """Take a verified signature: what it proves, and the person where that is enough by the table.

        Raises LockedOut or AuthenticationFailed, journalled.
        """
        async with self._database.read() as view:
            facts = await self._key_facts(view, attempt, proof.blob)
        await self._unlocked(attempt, facts, proof.blob)
        try:
            factor, detail = await self._factor_of(facts, proof)
        except KeyRefused as refused:
            await self._refuse_key(attempt, facts, proof.blob, refused)
        if facts.table.level_of(frozenset({factor})) is None:
            known = await self._continue_by_key(attempt, proof, factor)
            continued = known is not None
            return Accepted(factor=factor, person=known, forwarding=facts.forwarding, continued=continued)
        person = await self._enter(attempt, proof, factor, detail)
        return Accepted(factor=factor, person=person, forwarding=facts.forwarding)

    async def _factor_of(self, facts: _KeyFacts, proof: KeyProof) -> tuple[Factor, str | None]:
        """Return what was proved, and what the journal should know of it besides."""
        if isinstance(facts.certified, KeyRefused):
            raise facts.certified
        if not facts.known or not facts.active:
            raise KeyRefused(LoginReason.UNKNOWN_KEY)
        if facts.key is None:
            factor = Factor.SSH_CERTIFICATE
        else:
            factor = held_keys.factor_of(proof, facts.key)
        if not facts.table.begins_with(factor):
            raise KeyRefused(LoginReason.NOT_IN_THE_TABLE)
        if isinstance(facts.certified, Certified):
            return factor, facts.certified.told
        if facts.key is None or factor is not Factor.TOKEN_CERTIFICATE:
            return factor, None
        return factor, await self._tokens.in_force(facts.token, facts.key, self._clock.now())

    async def _continue_by_key(self, attempt: LoginAttempt, proof: KeyProof, factor: Factor) -> Person | None:
        """Let in whoever proved the key of a log-in that may be continued; None where a code is asked, as ever."""
        first = ssh_keys.fingerprint(proof.blob)
        async with self._database.read() as view:
            facts, rule = await self._key_facts(view, attempt, proof.blob), await self._rule(view, attempt)
        if not rule.on or facts.person is None:
            return None
        proved = frozenset({factor, Factor.CONTINUED_CODE})
        async with self._database.unit_of_work(None, self._clock) as work:
            await work.attempts.hold(attempt.hospital_id, attempt.login, attempt.origin)
            facts = await self._key_facts(work, attempt, proof.blob)
            level = facts.table.level_of(proved)
            if not facts.known or facts.person is None or not facts.active:
                return None
            if isinstance(facts.certified, KeyRefused) or level is None or facts.until is not None:
                return None
            continued = await self._continue(work, attempt, facts.person, first, None)
            if continued is None:
                return None
            await work.attempts.insert(self._success(attempt))
        await self._tell(
            attempt,
            LoginResult.SUCCESS,
            LoginReason.CONTINUED,
            person=facts.person,
            factors=proved,
            level=level,
            blob=proof.blob,
            detail=in_words(continued),
        )
        return facts.person

    def _success(self, attempt: LoginAttempt) -> Attempt:
        return Attempt(
            id=new_id(),
            hospital_id=attempt.hospital_id,
            login=attempt.login,
            source=attempt.source,
            origin=attempt.origin,
            at=self._clock.now(),
            outcome=AttemptOutcome.SUCCESS,
            kind=AttemptKind.KEY_ALONE,
        )

    async def _enter(
        self, attempt: LoginAttempt, proof: KeyProof, factor: Factor, detail: str | None
    ) -> Person:
        """Let in whoever proved a key that is enough, on what stands at this instant."""
        async with self._database.unit_of_work(None, self._clock) as work:
            await work.attempts.hold(attempt.hospital_id, attempt.login, attempt.origin)
            facts = await self._key_facts(work, attempt, proof.blob)
            level = facts.table.level_of(frozenset({factor}))
            sound = facts.known and facts.active and level is not None and facts.until is None
            if sound:
                await work.attempts.insert(self._success(attempt))
        await self._unlocked(attempt, facts, proof.blob)
        if facts.person is None or not sound:
            await self._refuse_key(attempt, facts, proof.blob, KeyRefused(LoginReason.UNKNOWN_KEY))
        await self._tell(
            attempt,
            LoginResult.SUCCESS,
            LoginReason.ALL_FACTORS,
            person=facts.person,
            factors=frozenset({factor}),
            level=level,
            blob=proof.blob,
            detail=detail,
        )
        return facts.person

    async def _key_facts(self, view: View, attempt: LoginAttempt, blob: bytes) -> _KeyFacts:
        hospital, login = attempt.hospital_id, attempt.login
        person = await view.people.by_login(hospital, login)
        keys = await view.credentials.ssh_keys(person.id if person else NOBODY)
        key = held_keys.enrolled_as(blob, keys)
        token = TokenFacts()
        if person is not None and key is not None and key.kind is KeyKind.TOKEN:
            token = await read_token_facts(view, hospital, person)
        certified: Certified | KeyRefused | None = None
        if ssh_certificates.is_certificate(blob):
            certified = await self._certified(view, attempt, person, blob)
        return _KeyFacts(
            person=person,
            certified=certified,
            key=key,
            token=token,
            table=await self._table(view, hospital, console=attempt.console),
            until=await self._locked_until(view, hospital, login, attempt.source, person),
        )

    async def _certified(
        self, view: View, attempt: LoginAttempt, person: Person | None, blob: bytes
    ) -> Certified | KeyRefused:
        """Judge an SSH certificate by the authorities that are believed about this person."""
        authorities = [
            one
            for one in await view.certificates.authorities(attempt.hospital_id)
            if person is not None and one.serves(person.supplier_id)
        ]
        try:
            found = ssh_certificates.certified(
                blob, authorities, login=attempt.login, source=attempt.source, at=self._clock.now()
            )
        except KeyRefused as refused:
            return refused
        fingerprint = ssh_keys.fingerprint(found.key)
        held = await view.credentials.key_of_fingerprint(attempt.hospital_id, fingerprint)
        if held is not None and (person is None or held.person_id != person.id):
            return KeyRefused(LoginReason.CERTIFICATE_UNFIT, "its key is another person's (E3)")
        return found

    async def _in_force(
        self, view: View, attempt: LoginAttempt, person: Person | None, blob: bytes | None
    ) -> bool:
        """Tell whether the certificate that *blob* is, or that goes with it on a token, is in force at this instant.

        A signature of a moment ago may wait for its code: nobody is asked a second time.
        """
        if blob is None or person is None:
            return False
        if ssh_certificates.is_certificate(blob):
            return isinstance(await self._certified(view, attempt, person, blob), Certified)
        key = held_keys.enrolled_as(blob, await view.credentials.ssh_keys(person.id))
        if key is None or key.kind is not KeyKind.TOKEN:
            return key is not None
        try:
            facts = await read_token_facts(view, attempt.hospital_id, person)
            await self._known.held_until(facts, key, self._clock.now())
        except KeyRefused:
            return False
        return True

    async def _unlocked(self, attempt: LoginAttempt, facts: _KeyFacts, blob: bytes) -> None:
        """Raise LockedOut, journalled, while the attempt's person or source is locked."""
        if facts.until is None:
            return
        many = LoginReason.TOO_MANY_FAILURES
        await self._tell(attempt, LoginResult.LOCKED, many, person=facts.person, blob=blob, until=facts.until)
        raise LockedOut(facts.until)

    async def _refuse_key(
        self, attempt: LoginAttempt, facts: _KeyFacts, blob: bytes, refused: KeyRefused
    ) -> NoReturn:
        await self._tell(
            attempt,
            LoginResult.FAILURE,
            refused.reason,
            person=facts.person,
            blob=blob,
            detail=refused.detail,
        )
        if refused.reason in TOLD:
            raise KeyUnfit(refused.reason.value)
        raise AuthenticationFailed("authentication failed")
