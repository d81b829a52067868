"""Enrolment: a person takes up her invitation, chooses her password, and proves her codes. Nobody else sees either."""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from policy.authn import totp
from policy.authn.passwords import Passwords
from policy.clock import Clock
from policy.domain.access import RevocationScope
from policy.domain.bearers import Invitation
from policy.domain.credentials import SealedKind, sealing_context
from policy.domain.engagements import EngagementKind, EngagementText
from policy.domain.hospitals import Hospital
from policy.domain.ids import HospitalId, PersonId
from policy.domain.mails import MailKind
from policy.domain.people import Person, Role
from policy.errors import AuthenticationFailed, Conflict
from policy.services import bearers, inputs
from policy.services.duties import Duty
from policy.services.engagements import accept_in, demand_in, to_accept
from policy.services.mails import MailQueue
from policy.services.revocations import cut_in
from policy.services.service import Service
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.store.unit_of_work import UnitOfWork, View
from policy.vault.keyring import Keyring
from policy.vault.secret import Secret

_KIND: Final = "eclinv"
PATH: Final = "/i/"
"""Where the hospital's pages take an invitation."""
_SPOKEN_DIGITS: Final = 8
SPOKEN_TRIES: Final = 5
"""Wrong codes told by voice after which an invitation is void."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """An invitation just made: *token* is shown once, to be handed to the person herself.

    ``link`` is the token as an address of the hospital's pages, where they have one. ``spoken_code`` is there where
    the link goes by mail to somebody who had enrolled before: she is told it by voice, for whoever reads her mail is
    not yet she. ``mail_id`` is the mail that carries the link, None where none does.
    """

    person: Person
    token: Secret
    expires_at: datetime
    link: Secret | None = None
    spoken_code: Secret | None = None
    mail_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """The TOTP secret, for the person's own eyes, once: as an ``otpauth://`` address and in base32."""

    login: str
    uri: str
    secret: Secret


class EnrolmentService(Service):
    """Invitations, and what a person does with hers."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        passwords: Passwords,
        clock: Clock,
        settings: PolicySettings,
    ) -> None:
        """Keep hashes and sealed secrets in *database*."""
        super().__init__(database, clock)
        self._keyring = keyring
        self._passwords = passwords
        self._settings = settings
        self._mails = MailQueue(keyring, clock, settings)

    async def invite(self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId) -> Invited:
        """Invite a person to enrol; an invitation made before is void.

        Raises Conflict where she has enrolled already: ``renew`` is for that.
        """
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            person = await work.people.get(hospital_id, person_id)
            if await work.credentials.totp_secret(person_id) is not None:
                raise Conflict(f"{person.login} has enrolled already; renew her credentials instead")
            return await self.invite_in(work, person)

    async def renew(
        self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId, *, reason: str
    ) -> Invited:
        """Let a person enrol anew: her password, codes, keys and tokens serve no longer, and her sessions end.

        Whoever found the lost telephone may be in one of them. Where the new link goes by mail, a code goes by voice.
        """
        why = inputs.line(reason, "reason", longest=500)
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            person = await work.people.get(hospital_id, person_id)
            await work.credentials.forget(person_id)
            await work.recovery_codes.forget(hospital_id, person_id)
            await work.visits.end_all(hospital_id, person_id)
            await work.console_sessions.end_all(hospital_id, person_id)
            await work.tokens.revoke_all(hospital_id, person_id, self._clock.now())
            await work.emit("person.renewed", hospital_id, person_id, {}, {"reason": why})
            scope = RevocationScope.PERSON
            await cut_in(work, actor, hospital_id, scope, person_id, reason=why, now=self._clock.now())
            await self._mails.tell(work, person, MailKind.RENEWED)
            return await self.invite_in(work, person, renewal=True)

    async def invite_in(self, work: UnitOfWork, person: Person, *, renewal: bool = False) -> Invited:
        """Make an invitation in the caller's transaction, which has checked that it may be made."""
        at = self._clock.now()
        if self._settings.engagements and Role.TECHNICIAN in person.roles:
            await demand_in(work, person, at)
        await work.invitations.use_up(person.hospital_id, person.id, at)
        token = bearers.mint(_KIND, person.hospital_id)
        spoken = _spoken_code() if renewal and self._settings.mails else None
        invitation = Invitation(
            hospital_id=person.hospital_id,
            person_id=person.id,
            issued_at=at,
            expires_at=at + self._settings.invitation_validity,
            invited_by=work.actor,
            spoken_hash=None if spoken is None else self._spoken_hash(bearers.digest(token), spoken.reveal()),
        )
        await work.invitations.insert(invitation, bearers.digest(token))
        facts = {"expires_at": invitation.expires_at}
        await work.emit("person.invited", person.hospital_id, person.id, {}, facts)
        link = self._link(token)
        mail_id = None
        if link is not None:
            kind = MailKind.RENEWAL if renewal else MailKind.INVITATION
            mail_id = await self._mails.invite(work, person, kind, link, invitation.expires_at)
        return Invited(
            person=person,
            token=token,
            expires_at=invitation.expires_at,
            link=link,
            spoken_code=spoken,
            mail_id=mail_id,
        )

    async def enrol(self, token: Secret, password: Secret, spoken_code: str = "") -> Enrolment:
        """Choose the *password*, and get the TOTP secret to confirm with a code.

        *spoken_code* is what the hospital told her by voice, where the invitation asks for it. Called again before
        the confirmation, it begins anew: the secret shown before serves no longer. Raises AuthenticationFailed
        where the invitation is wrong, used or over, or the code is wrong; InvalidInput for a poor password.
        """
        hospital_id, digest = bearers.read(_KIND, token)
        person, hospital, password_hash = await self.hashed(hospital_id, digest, password)
        await self.hear(hospital_id, digest, spoken_code)
        async with self._database.unit_of_work(person.id, self._clock) as work:
            await self.invited(work, hospital_id, digest)
            # a page left open under the same invitation must not show the secret that is given here
            await work.visits.choose(hospital_id, person.id, None, self._clock.now())
            return await self.begin_in(work, person, hospital, password_hash)

    async def confirm_totp(self, token: Secret, code: str) -> Person:
        """Prove the new TOTP secret by its first *code*: the person may log in, the invitation is used up.

        That code serves no second time. Raises AuthenticationFailed.
        """
        hospital_id, digest = bearers.read(_KIND, token)
        async with self._database.unit_of_work(None, self._clock) as work:
            person, _ = await self.invited(work, hospital_id, digest)
            await self.confirm_in(work, person, code)
        return person

    async def engagements(self, token: Secret) -> Sequence[EngagementText]:
        """Return the texts that the invited person has to accept; raises AuthenticationFailed."""
        hospital_id, digest = bearers.read(_KIND, token)
        async with self._database.read() as view:
            person, _ = await self.invited(view, hospital_id, digest)
            return await to_accept(view, person)

    async def accept(self, token: Secret, versions: Mapping[EngagementKind, int], source: str) -> None:
        """Accept these *versions* of the texts, from the IP literal *source*.

        Raises AuthenticationFailed, and InvalidInput where they are not all those that wait for her.
        """
        hospital_id, digest = bearers.read(_KIND, token)
        async with self._database.unit_of_work(None, self._clock) as work:
            person, _ = await self.invited(work, hospital_id, digest)
            work.actor = person.id
            await accept_in(work, person, versions, source, self._clock.now())

    async def invited(self, view: View, hospital_id: HospitalId, digest: str) -> tuple[Person, Invitation]:
        """Return whom the invitation of that *digest* is for; raises AuthenticationFailed where it serves nobody."""
        invitation = await view.invitations.by_hash(hospital_id, digest, hold=isinstance(view, UnitOfWork))
        if invitation is None or not invitation.open_at(self._clock.now()):
            raise AuthenticationFailed("authentication failed")
        person = await view.people.get(hospital_id, invitation.person_id)
        if not person.active:
            raise AuthenticationFailed("authentication failed")
        return person, invitation

    async def hashed(
        self, hospital_id: HospitalId, digest: str, password: Secret
    ) -> tuple[Person, Hospital, str]:
        """Judge and hash the *password* of whom the invitation of that *digest* is for.

        Raises AuthenticationFailed, InvalidInput for a poor password.
        """
        async with self._database.read() as view:
            person, _ = await self.invited(view, hospital_id, digest)
            hospital = await view.hospitals.get(hospital_id)
        return person, hospital, await self.judged(person, hospital, password)

    async def judged(self, person: Person, hospital: Hospital, password: Secret) -> str:
        """Return the hash of a *password* that she may choose; raises InvalidInput for a poor one."""
        self._passwords.check_policy(password, login=person.login, words=known_words(person, hospital))
        return await self._passwords.hash_apart(password)

    async def hear(self, hospital_id: HospitalId, digest: str, spoken_code: str) -> None:
        """Check what she was told by voice, where the invitation asks for it; raises AuthenticationFailed.

        A wrong code is counted, and after five of them the invitation is void: whoever reads her mail is not heard
        for ever.
        """
        async with self._database.unit_of_work(None, self._clock) as work:
            person, invitation = await self.invited(work, hospital_id, digest)
            if invitation.spoken_hash is None:
                return
            typed = self._spoken_hash(digest, "".join(spoken_code.split()))
            right = hmac.compare_digest(typed, invitation.spoken_hash)
            if not right:
                await work.invitations.count_failure(hospital_id, digest)
                if invitation.spoken_failures + 1 >= SPOKEN_TRIES:
                    await work.invitations.use_up(hospital_id, person.id, self._clock.now())
                    await work.emit("person.invitation_blocked", hospital_id, person.id, {}, {})
                    await self._mails.tell(work, person, MailKind.INVITATION_BLOCKED)
        if not right:
            raise AuthenticationFailed("authentication failed")

    async def begin_in(
        self, work: UnitOfWork, person: Person, hospital: Hospital, password_hash: str
    ) -> Enrolment:
        """Write the password and a fresh TOTP secret, in a transaction that has checked who asks."""
        await work.credentials.set_password_hash(person.id, password_hash)
        facts = {"login": person.login}
        await work.emit("person.enrolment_begun", person.hospital_id, person.id, {}, facts)
        return await self.new_totp_in(work, person, hospital)

    async def new_totp_in(self, work: UnitOfWork, person: Person, hospital: Hospital) -> Enrolment:
        """Write a fresh TOTP secret that waits for its first code; the one before serves no longer."""
        secret = totp.new_secret()
        context = sealing_context(SealedKind.TOTP_SECRET, person.hospital_id, person.id)
        await work.credentials.set_pending_totp_secret(person.id, self._keyring.seal(secret, context))
        return _shown(person, hospital, secret)

    async def pending(self, view: View, person: Person, hospital: Hospital) -> Enrolment | None:
        """Return the TOTP secret that waits for its first code, None where none does."""
        sealed = await view.credentials.pending_totp_secret(person.id)
        if sealed is None:
            return None
        context = sealing_context(SealedKind.TOTP_SECRET, person.hospital_id, person.id)
        return _shown(person, hospital, self._keyring.open(sealed, context))

    async def confirm_in(self, work: UnitOfWork, person: Person, code: str) -> None:
        """Prove the pending TOTP secret by *code*, and use the invitation up; raises AuthenticationFailed."""
        await self.prove_in(work, person, code)
        await work.invitations.use_up(person.hospital_id, person.id, self._clock.now())
        await work.emit("person.enrolled", person.hospital_id, person.id, {}, {"login": person.login})
        await self._mails.tell(work, person, MailKind.ENROLLED)

    async def prove_in(self, work: UnitOfWork, person: Person, code: str) -> None:
        """Let the pending TOTP secret count once its first *code* is right; raises AuthenticationFailed."""
        work.actor = person.id
        sealed = await work.credentials.pending_totp_secret(person.id)
        if sealed is None:
            raise AuthenticationFailed("authentication failed")
        context = sealing_context(SealedKind.TOTP_SECRET, person.hospital_id, person.id)
        step = totp.verify(self._keyring.open(sealed, context), code, self._clock.now())
        try:
            await work.credentials.use_totp_step(person.id, step)
        except Conflict:
            raise AuthenticationFailed("authentication failed") from None
        await work.credentials.confirm_totp_secret(person.id)

    def _link(self, token: Secret) -> Secret | None:
        place = self._settings.pages_url
        return None if place is None else Secret(f"{place}{PATH}{token.reveal()}")

    def _spoken_hash(self, digest: str, code: str) -> str:
        # keyed: eight digits alone could be searched by whoever reads the database
        return self._keyring.fingerprint(Secret(f"{digest} {code}"))


def known_words(person: Person, hospital: Hospital) -> tuple[str, ...]:
    """Return what an attacker knows of *person*, and so what her password must not be made of."""
    return (*person.full_name.split(), *person.email.split("@"), hospital.name)


def _shown(person: Person, hospital: Hospital, secret: Secret) -> Enrolment:
    uri = totp.provisioning_uri(secret, login=person.login, hospital_name=hospital.name)
    return Enrolment(login=person.login, uri=uri.reveal(), secret=secret)


def _spoken_code() -> Secret:
    return Secret(f"{secrets.randbelow(10**_SPOKEN_DIGITS):0{_SPOKEN_DIGITS}}")
