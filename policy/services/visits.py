"""Visits: a browser on the hospital's pages goes through enrolment, or mends what its person has lost.

What begins a visit says what may be done in it. An invitation's link may be opened any number of times, by a mail
scanner too: only the first code of the new TOTP secret uses it up, and from then on the visit that proved it is the
only one that goes on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from policy.authn.passwords import Passwords, Strength
from policy.clock import Clock
from policy.domain.access import RevocationScope
from policy.domain.certificates import TokenCertificate
from policy.domain.credentials import EnrolledKey
from policy.domain.engagements import Engagement, EngagementKind, EngagementText
from policy.domain.hospitals import Hospital
from policy.domain.ids import HospitalId
from policy.domain.mails import MailKind
from policy.domain.people import Person
from policy.domain.visits import Visit, VisitPurpose
from policy.errors import AuthenticationFailed
from policy.services import bearers
from policy.services.engagements import accept_in, to_accept
from policy.services.enrolment import Enrolment, known_words
from policy.services.login import LoginService
from policy.services.mails import MailQueue
from policy.services.people import PeopleService
from policy.services.recovery import RecoveryService
from policy.services.revocations import cut_in
from policy.services.token_certificates import TokenCertificateService
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.store.unit_of_work import UnitOfWork, View
from policy.vault.secret import Secret

_KIND: Final = "eclvis"
_INVITATION: Final = "eclinv"
_AT_ONCE: Final = 10
"""How many browsers one person may have open at once; the oldest gives way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Where a visit stands: what its page has to show.

    ``enrolment`` is the TOTP secret that waits for its first code, where this visit may see it; ``certificates`` are
    those of the tokens among her keys, by the fingerprint of the key; ``spoken`` tells
    that a code told by voice is asked for; ``connected_at`` when she first came in after this visit was confirmed.
    """

    visit: Visit
    person: Person
    hospital: Hospital
    inviter: Person | None
    spoken: bool
    enrolment: Enrolment | None
    keys: Sequence[EnrolledKey]
    certificates: Mapping[str, TokenCertificate]
    to_accept: Sequence[EngagementText]
    accepted: Sequence[Engagement]
    codes_left: int
    connected_at: datetime | None

    @property
    def confirmed(self) -> bool:
        """Whether what she came for is done."""
        return self.visit.confirmed_at is not None


class VisitService:
    """What a browser may do on behalf of one person. Every method raises PolicyUnavailable without a store."""

    def __init__(
        self,
        database: Database,
        people: PeopleService,
        login: LoginService,
        recovery: RecoveryService,
        certificates: TokenCertificateService,
        passwords: Passwords,
        mails: MailQueue,
        clock: Clock,
        settings: PolicySettings,
    ) -> None:
        """Keep visits in *database*; the others do what they do everywhere."""
        self._database = database
        self._people = people
        self._login = login
        self._recovery = recovery
        self._certificates = certificates
        self._passwords = passwords
        self._mails = mails
        self._clock = clock
        self._validity = settings.visit_validity

    async def open(self, token: Secret, source: str) -> Secret:
        """Begin a visit by an invitation's *token*, which this does not use up; return its bearer's secret.

        Raises AuthenticationFailed alike for a token that never was, is used or is over.
        """
        hospital_id, digest = bearers.read(_INVITATION, token)
        async with self._database.unit_of_work(None, self._clock) as work:
            person, invitation = await self._people.invited(work, hospital_id, digest)
            visit = self._new(person, VisitPurpose.ENROLMENT, source)
            ends = min(visit.expires_at, invitation.expires_at)
            return await self._begin(work, replace(visit, expires_at=ends, invitation_hash=digest))

    async def sign_in(
        self, hospital_id: HospitalId, login: str, password: Secret, code: str, source: str
    ) -> Secret:
        """Begin a visit by password and code, as every log-in. Raises LockedOut, AuthenticationFailed."""
        attempt = await self._login.begin(login, source, hospital_id=hospital_id)
        person = await attempt.check_password_and_code(password, code)
        visit = self._new(person, VisitPurpose.ACCOUNT, source)
        async with self._database.unit_of_work(person.id, self._clock) as work:
            return await self._begin(work, replace(visit, confirmed_at=visit.started_at))

    async def lost_phone(
        self, hospital_id: HospitalId, login: str, password: Secret, recovery_code: str, source: str
    ) -> Secret:
        """Begin a visit by her password and a recovery code: she takes another TOTP secret.

        The one before serves no longer from here on, her tokens neither, and her sessions end: whoever found her
        telephone may be in one of them. Raises LockedOut, AuthenticationFailed.
        """
        person = await self._recovery.with_password(hospital_id, login, password, recovery_code, source)
        visit = self._new(person, VisitPurpose.NEW_PHONE, source)
        async with self._database.unit_of_work(person.id, self._clock) as work:
            hospital = await work.hospitals.get(hospital_id)
            await self._people.new_totp_in(work, person, hospital)
            await self._mails.tell(work, person, MailKind.RECOVERY_USED)
            await self._out(work, person, "lost telephone")
            return await self._begin(work, replace(visit, chosen_at=visit.started_at))

    async def lost_password(
        self, hospital_id: HospitalId, login: str, code: str, recovery_code: str, source: str
    ) -> Secret:
        """Begin a visit by a code of her telephone and a recovery code: she chooses another password.

        Raises LockedOut, AuthenticationFailed.
        """
        person = await self._recovery.with_code(hospital_id, login, code, recovery_code, source)
        visit = self._new(person, VisitPurpose.NEW_PASSWORD, source)
        async with self._database.unit_of_work(person.id, self._clock) as work:
            await self._mails.tell(work, person, MailKind.RECOVERY_USED)
            return await self._begin(work, visit)

    async def look(self, shown: Secret) -> Situation:
        """Return where the visit of that bearer stands; raises AuthenticationFailed where it may not go on."""
        async with self._database.read() as view:
            visit, person, _ = await self._visiting(view, shown)
            hospital = await view.hospitals.get(visit.hospital_id)
            invitation = None
            if visit.invitation_hash is not None:
                invitation = await view.invitations.by_hash(visit.hospital_id, visit.invitation_hash)
            inviter = None
            if invitation is not None and invitation.invited_by is not None:
                inviter = await view.people.find(visit.hospital_id, invitation.invited_by)
            enrolment = None
            if visit.chosen_at is not None and visit.confirmed_at is None:
                enrolment = await self._people.pending(view, person, hospital)
            connected = None
            if visit.confirmed_at is not None:
                connected = await view.attempts.first_success(
                    visit.hospital_id, person.login, visit.confirmed_at
                )
            return Situation(
                visit=visit,
                person=person,
                hospital=hospital,
                inviter=inviter,
                spoken=invitation is not None and invitation.spoken_hash is not None,
                enrolment=enrolment,
                keys=await view.credentials.ssh_keys(person.id),
                certificates={
                    one.key_fingerprint: one
                    for one in reversed(await view.certificates.of_person(visit.hospital_id, person.id))
                },
                to_accept=await to_accept(view, person),
                accepted=await view.engagements.accepted(visit.hospital_id, person.id),
                codes_left=await view.recovery_codes.left(visit.hospital_id, person.id),
                connected_at=connected,
            )

    async def choose_password(self, shown: Secret, password: Secret, spoken_code: str = "") -> Strength:
        """Choose the *password*, and return how strong it is.

        Under an invitation a TOTP secret is made with it, for this visit alone to see; otherwise the new password
        counts at once, her tokens end and her sessions too. Raises AuthenticationFailed also for a wrong code told
        by voice, InvalidInput for a poor password.
        """
        async with self._database.read() as view:
            visit, person, digest = await self._visiting(
                view, shown, VisitPurpose.ENROLMENT, VisitPurpose.NEW_PASSWORD, confirmed=False
            )
            hospital = await view.hospitals.get(visit.hospital_id)
        password_hash = await self._people.judged(person, hospital, password)
        if visit.invitation_hash is not None:
            await self._people.hear(visit.hospital_id, visit.invitation_hash, spoken_code)
        async with self._database.unit_of_work(person.id, self._clock) as work:
            await self._visiting(work, shown, visit.purpose, confirmed=False)
            if visit.invitation_hash is not None:
                await self._people.begin_in(work, person, hospital, password_hash)
                await work.visits.choose(visit.hospital_id, person.id, digest, self._clock.now())
            else:
                await work.credentials.set_password_hash(person.id, password_hash)
                await work.emit("person.password_changed", visit.hospital_id, person.id, {}, {})
                await self._mails.tell(work, person, MailKind.PASSWORD_CHANGED)
                await self._out(work, person, "forgotten password")
                await work.visits.end_all(visit.hospital_id, person.id, token_hash=digest)
                await work.visits.confirm(visit.hospital_id, digest, digest, self._clock.now())
        return self._passwords.strength(password, login=person.login, words=known_words(person, hospital))

    async def confirm(self, shown: Secret, code: str) -> Secret:
        """Prove the new TOTP secret by its first *code*: the invitation is used up, and every other visit ends.

        Return the bearer's secret that this visit goes on under. Raises AuthenticationFailed.
        """
        async with self._database.unit_of_work(None, self._clock) as work:
            visit, person, digest = await self._visiting(
                work, shown, VisitPurpose.ENROLMENT, VisitPurpose.NEW_PHONE, confirmed=False
            )
            if visit.chosen_at is None:
                raise AuthenticationFailed("authentication failed")
            if visit.purpose is VisitPurpose.ENROLMENT:
                await self._people.confirm_in(work, person, code)
            else:
                await self._people.prove_in(work, person, code)
                await work.emit("person.phone_changed", visit.hospital_id, person.id, {}, {})
                await self._mails.tell(work, person, MailKind.PHONE_CHANGED)
            await work.visits.end_all(visit.hospital_id, person.id, token_hash=digest)
            renewed = bearers.mint(_KIND, visit.hospital_id)
            at = self._clock.now()
            await work.visits.confirm(visit.hospital_id, digest, bearers.digest(renewed), at)
        return renewed

    async def add_key(self, shown: Secret, public_line: str) -> EnrolledKey:
        """Add a public key of hers; raises InvalidInput, Conflict where anybody has it already."""
        person = await self._confirmed(shown)
        return await self._people.add_key(person.id, person.hospital_id, person.id, public_line)

    async def add_certificate(self, shown: Secret, pem: str) -> TokenCertificate:
        """Bind a token's certificate that says it is hers; raises InvalidInput, Conflict."""
        person = await self._confirmed(shown)
        return await self._certificates.enrol_own(person.id, person.hospital_id, pem)

    async def remove_key(self, shown: Secret, fingerprint: str) -> None:
        """Take a public key of hers away; raises NotFound."""
        person = await self._confirmed(shown)
        await self._people.remove_key(person.id, person.hospital_id, person.id, fingerprint)

    async def accept(self, shown: Secret, versions: Mapping[EngagementKind, int], source: str) -> None:
        """Accept these *versions* of the texts, from the IP literal *source*; raises InvalidInput."""
        async with self._database.unit_of_work(None, self._clock) as work:
            _, person, _ = await self._visiting(work, shown, confirmed=True)
            work.actor = person.id
            await accept_in(work, person, versions, source, self._clock.now())

    async def make_codes(self, shown: Secret) -> tuple[Secret, ...]:
        """Give her fresh recovery codes, shown this once; those before serve no longer."""
        async with self._database.unit_of_work(None, self._clock) as work:
            visit, person, _ = await self._visiting(work, shown, confirmed=True)
            work.actor = person.id
            if await work.recovery_codes.left(visit.hospital_id, person.id):
                await self._mails.tell(work, person, MailKind.CODES_RENEWED)
            return await self._recovery.renew_in(work, person)

    async def end(self, shown: Secret) -> None:
        """End the visit, whether it was still open or not."""
        hospital_id, digest = bearers.read(_KIND, shown)
        async with self._database.unit_of_work(None, self._clock) as work:
            await work.visits.end(hospital_id, digest)

    def _new(self, person: Person, purpose: VisitPurpose, source: str) -> Visit:
        at = self._clock.now()
        return Visit(
            hospital_id=person.hospital_id,
            person_id=person.id,
            purpose=purpose,
            source=source,
            started_at=at,
            expires_at=at + self._validity,
        )

    async def _begin(self, work: UnitOfWork, visit: Visit) -> Secret:
        secret = bearers.mint(_KIND, visit.hospital_id)
        await work.visits.make_room(visit.hospital_id, visit.person_id, visit.started_at, _AT_ONCE - 1)
        await work.visits.insert(visit, bearers.digest(secret))
        return secret

    async def _visiting(
        self, view: View, shown: Secret, *purposes: VisitPurpose, confirmed: bool | None = None
    ) -> tuple[Visit, Person, str]:
        """Return the visit, its person and its digest; raises AuthenticationFailed unless it may do what is asked."""
        hospital_id, digest = bearers.read(_KIND, shown)
        visit = await view.visits.by_hash(hospital_id, digest)
        if visit is None or not visit.open_at(self._clock.now()):
            raise AuthenticationFailed("authentication failed")
        if purposes and visit.purpose not in purposes:
            raise AuthenticationFailed("authentication failed")
        if confirmed is not None and confirmed != (visit.confirmed_at is not None):
            raise AuthenticationFailed("authentication failed")
        if visit.invitation_hash is not None and visit.confirmed_at is None:
            await self._people.invited(view, hospital_id, visit.invitation_hash)
        person = await view.people.find(hospital_id, visit.person_id)
        if person is None or not person.active:
            raise AuthenticationFailed("authentication failed")
        return visit, person, digest

    async def _confirmed(self, shown: Secret) -> Person:
        async with self._database.read() as view:
            _, person, _ = await self._visiting(view, shown, confirmed=True)
        return person

    async def _out(self, work: UnitOfWork, person: Person, why: str) -> None:
        """End her tokens, her browsers' sessions and her sessions: what was lost may be in somebody's hands."""
        at = self._clock.now()
        await work.tokens.revoke_all(person.hospital_id, person.id, at)
        await work.console_sessions.end_all(person.hospital_id, person.id)
        scope = RevocationScope.PERSON
        await cut_in(work, person.id, person.hospital_id, scope, person.id, reason=why, now=at)
