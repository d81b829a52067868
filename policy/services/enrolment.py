"""Enrolment: a person takes up her invitation, chooses her password, and proves her codes. Nobody else sees either."""

from dataclasses import dataclass
from datetime import datetime

from policy.authn import totp
from policy.authn.passwords import Passwords
from policy.clock import Clock
from policy.domain.access import RevocationScope
from policy.domain.bearers import Invitation
from policy.domain.credentials import SealedKind, sealing_context
from policy.domain.ids import HospitalId, PersonId
from policy.domain.people import Person
from policy.errors import AuthenticationFailed, Conflict
from policy.services import bearers, inputs
from policy.services.duties import Duty, require
from policy.services.revocations import cut_in
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.store.unit_of_work import UnitOfWork, View
from policy.vault.keyring import Keyring
from policy.vault.secret import Secret

_KIND = "eclinv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """An invitation just made: *token* is shown once, to be handed to the person herself."""

    person: Person
    token: Secret
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """The TOTP secret, for the person's own eyes, once: as an ``otpauth://`` address and in base32."""

    login: str
    uri: str
    secret: Secret


class EnrolmentService:
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
        self._database = database
        self._keyring = keyring
        self._passwords = passwords
        self._clock = clock
        self._settings = settings

    async def invite(self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId) -> Invited:
        """Invite a person to enrol; an invitation made before is void.

        Raises Conflict where she has enrolled already: ``renew`` is for that.
        """
        async with self._database.unit_of_work(actor, self._clock) as work:
            await require(work, hospital_id, actor, Duty.MANAGE)
            person = await work.people.get(hospital_id, person_id)
            if await work.credentials.totp_secret(person_id) is not None:
                raise Conflict(f"{person.login} has enrolled already; renew her credentials instead")
            return await self.invite_in(work, person)

    async def renew(
        self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId, *, reason: str
    ) -> Invited:
        """Let a person enrol anew: her password, codes, keys and tokens serve no longer, and her sessions end.

        Whoever found the lost telephone may be in one of them.
        """
        why = inputs.line(reason, "reason", longest=500)
        async with self._database.unit_of_work(actor, self._clock) as work:
            await require(work, hospital_id, actor, Duty.MANAGE)
            person = await work.people.get(hospital_id, person_id)
            await work.credentials.forget(person_id)
            await work.tokens.revoke_all(hospital_id, person_id, self._clock.now())
            await work.emit("person.renewed", hospital_id, person_id, {}, {"reason": why})
            scope = RevocationScope.PERSON
            await cut_in(work, actor, hospital_id, scope, person_id, reason=why, now=self._clock.now())
            return await self.invite_in(work, person)

    async def invite_in(self, work: UnitOfWork, person: Person) -> Invited:
        """Make an invitation in the caller's transaction, which has checked that it may be made."""
        at = self._clock.now()
        await work.invitations.use_up(person.hospital_id, person.id, at)
        token = bearers.mint(_KIND, person.hospital_id)
        invitation = Invitation(
            hospital_id=person.hospital_id,
            person_id=person.id,
            issued_at=at,
            expires_at=at + self._settings.invitation_validity,
            invited_by=work.actor,
        )
        await work.invitations.insert(invitation, bearers.digest(token))
        facts = {"expires_at": invitation.expires_at}
        await work.emit("person.invited", person.hospital_id, person.id, {}, facts)
        return Invited(person=person, token=token, expires_at=invitation.expires_at)

    async def enrol(self, token: Secret, password: Secret) -> Enrolment:
        """Choose the *password*, and get the TOTP secret to confirm with a code.

        Called again before the confirmation, it begins anew: the secret shown before serves no longer. Raises
        AuthenticationFailed where the invitation is wrong, used or over, InvalidInput for a poor password.
        """
        async with self._database.read() as view:
            person = await self._invited(view, token)
            hospital = await view.hospitals.get(person.hospital_id)
        words = (*person.full_name.split(), *person.email.split("@"), hospital.name)
        self._passwords.check_policy(password, login=person.login, words=words)
        password_hash = await self._passwords.hash_apart(password)
        secret = totp.new_secret()
        context = sealing_context(SealedKind.TOTP_SECRET, person.hospital_id, person.id)
        async with self._database.unit_of_work(person.id, self._clock) as work:
            await self._invited(work, token)
            await work.credentials.set_password_hash(person.id, password_hash)
            await work.credentials.set_pending_totp_secret(person.id, self._keyring.seal(secret, context))
            facts = {"login": person.login}
            await work.emit("person.enrolment_begun", person.hospital_id, person.id, {}, facts)
        uri = totp.provisioning_uri(secret, login=person.login, hospital_name=hospital.name)
        return Enrolment(login=person.login, uri=uri.reveal(), secret=secret)

    async def confirm_totp(self, token: Secret, code: str) -> Person:
        """Prove the new TOTP secret by its first *code*: the person may log in, the invitation is used up.

        That code serves no second time. Raises AuthenticationFailed.
        """
        async with self._database.unit_of_work(None, self._clock) as work:
            person = await self._invited(work, token)
            work.actor = person.id
            sealed = await work.credentials.pending_totp_secret(person.id)
            if sealed is None:
                raise AuthenticationFailed("authentication failed")
            context = sealing_context(SealedKind.TOTP_SECRET, person.hospital_id, person.id)
            at = self._clock.now()
            step = totp.verify(self._keyring.open(sealed, context), code, at)
            try:
                await work.credentials.use_totp_step(person.id, step)
            except Conflict:
                raise AuthenticationFailed("authentication failed") from None
            await work.credentials.confirm_totp_secret(person.id)
            await work.invitations.use_up(person.hospital_id, person.id, at)
            await work.emit("person.enrolled", person.hospital_id, person.id, {}, {"login": person.login})
        return person

    async def _invited(self, view: View, token: Secret) -> Person:
        hospital_id, digest = bearers.read(_KIND, token)
        invitation = await view.invitations.by_hash(hospital_id, digest, hold=isinstance(view, UnitOfWork))
        if invitation is None or not invitation.open_at(self._clock.now()):
            raise AuthenticationFailed("authentication failed")
        person = await view.people.get(hospital_id, invitation.person_id)
        if not person.active:
            raise AuthenticationFailed("authentication failed")
        return person
