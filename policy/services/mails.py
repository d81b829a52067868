"""Mails: queued in the transaction that they tell of, and tried until they have left or their time is over."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from policy.clock import Clock
from policy.domain.alarms import Alarm
from policy.domain.credentials import SealedKind, sealing_context
from policy.domain.hospitals import Hospital
from policy.domain.ids import HospitalId, PersonId, new_id
from policy.domain.mails import Mail, MailKind, MailState
from policy.domain.people import Person, Role
from policy.errors import MailRefused, VaultError
from policy.services.duties import Duty
from policy.services.service import Service
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.store.unit_of_work import UnitOfWork
from policy.vault.keyring import Keyring
from policy.vault.secret import Secret

_FIRST_PAUSE: Final = timedelta(minutes=1)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_AT_ONCE: Final = 20
_FACT: Final = "fact_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail ready to be worded: to whom, about whom (``subject``, perhaps the same), and what it has to say.

    ``link`` is there for an invitation only. ``arguments`` hold no secret.
    """

    id: str
    kind: MailKind
    recipient: Person
    subject: Person
    hospital: Hospital
    at: datetime
    arguments: Mapping[str, str] = field(default_factory=dict)
    link: Secret | None = None

    @property
    def facts(self) -> Mapping[str, str]:
        """What an alarm tells, by name; empty for every other mail."""
        return {
            name.removeprefix(_FACT): value
            for name, value in self.arguments.items()
            if name.startswith(_FACT)
        }

    @property
    def to_herself(self) -> bool:
        """Whether it goes to the person it is about."""
        return self.recipient.id == self.subject.id


Send = Callable[[Letter], Awaitable[None]]
"""Hands a letter to the mail server; raises MailRefused where it does not take it."""


class MailService(Service):
    """The queue of mails, and who empties it."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        """Keep mails in *database*; links are opened with *keyring*."""
        super().__init__(database, clock)
        self._keyring = keyring

    async def deliver(self, hospital_id: HospitalId, send: Send) -> int:
        """Try the mails that are due with *send*, and return how many were tried.

        A try is counted before it is made: a process that dies in the middle of it sends twice rather than never,
        and two processes do not try the same mail at once. Raises PolicyUnavailable.
        """
        at = self._clock.now()
        async with self._database.read() as view:
            due = await view.mails.due(hospital_id, at, _AT_ONCE)
        for mail in due:
            async with self._database.unit_of_work(None, self._clock) as work:
                claimed = await work.mails.claim(mail, at + _pause(mail.tries))
            if claimed:
                await self._try(mail, send)
        return len(due)

    async def of_person(
        self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId
    ) -> Sequence[Mail]:
        """Return the last mails to a person, newest first."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            await view.people.get(hospital_id, person_id)
            return await view.mails.of_person(hospital_id, person_id, _AT_ONCE)

    async def state(self, hospital_id: HospitalId, mail_id: str) -> tuple[MailState, str]:
        """Return where a mail stands, and the mail server's last word about it where it was refused."""
        async with self._database.read() as view:
            mail = await view.mails.find(hospital_id, mail_id)
        return (MailState.ABANDONED, "") if mail is None else (mail.state, mail.fault or "")

    async def _try(self, mail: Mail, send: Send) -> None:
        try:
            await send(await self._letter(mail))
        except (MailRefused, VaultError) as refused:
            await self._failed(mail, str(refused)[:200])
            return
        async with self._database.unit_of_work(None, self._clock) as work:
            await work.mails.left(mail.hospital_id, mail.id, self._clock.now())
            await work.emit("mail.sent", mail.hospital_id, mail.person_id, {}, {"kind": mail.kind})

    async def _failed(self, mail: Mail, fault: str) -> None:
        at = self._clock.now()
        async with self._database.unit_of_work(None, self._clock) as work:
            await work.mails.failed(mail.hospital_id, mail.id, fault)
            if at + _pause(mail.tries) >= mail.expires_at:
                await work.mails.abandon(mail.hospital_id, mail.id, at)
                facts = {"kind": mail.kind, "reason": fault, "tries": mail.tries + 1}
                await work.emit("mail.abandoned", mail.hospital_id, mail.person_id, {}, facts)

    async def _letter(self, mail: Mail) -> Letter:
        async with self._database.read() as view:
            hospital = await view.hospitals.get(mail.hospital_id)
            recipient = await view.people.get(mail.hospital_id, mail.person_id)
            about = PersonId(mail.arguments.get("about", mail.person_id))
            subject = await view.people.get(mail.hospital_id, about)
        link = None
        if mail.sealed is not None:
            context = sealing_context(SealedKind.MAIL_LINK, mail.hospital_id, mail.id)
            link = self._keyring.open(mail.sealed, context)
        return Letter(
            id=mail.id,
            kind=mail.kind,
            recipient=recipient,
            subject=subject,
            hospital=hospital,
            at=mail.queued_at,
            arguments=mail.arguments,
            link=link,
        )


class MailQueue:
    """Puts mails into the transaction that they tell of; does nothing where the hospital sends none."""

    def __init__(self, keyring: Keyring, clock: Clock, settings: PolicySettings) -> None:
        """Seal links with *keyring*."""
        self._keyring = keyring
        self._clock = clock
        self._settings = settings

    async def invite(
        self, work: UnitOfWork, person: Person, kind: MailKind, link: Secret, expires_at: datetime
    ) -> str | None:
        """Queue the *link* of an invitation that is good until *expires_at*; return the mail's id."""
        if not self._settings.mails:
            return None
        mail_id = new_id()
        context = sealing_context(SealedKind.MAIL_LINK, person.hospital_id, mail_id)
        sealed = self._keyring.seal(link, context)
        arguments = {"expires_at": expires_at.isoformat()}
        await self._put(work, person, kind, arguments, mail_id=mail_id, sealed=sealed, until=expires_at)
        return mail_id

    async def tell(
        self, work: UnitOfWork, person: Person, kind: MailKind, arguments: Mapping[str, str] | None = None
    ) -> None:
        """Tell the person and the hospital's security referent that something of hers has changed.

        Where nobody has the referent's role, the administrators are told.
        """
        if not self._settings.mails:
            return
        said = {**(arguments or {}), "about": person.id}
        referents = await _referents(work, person.hospital_id)
        for recipient in [person, *(one for one in referents if one.id != person.id)]:
            await self._put(work, recipient, kind, said)

    async def alarm(self, work: UnitOfWork, alarm: Alarm) -> None:
        """Tell the hospital's security referents of a new *alarm*, or the administrators where there is none."""
        if not self._settings.mails:
            return
        said = {f"{_FACT}{name}": str(value) for name, value in alarm.facts.items() if value is not None}
        said |= {"alarm": alarm.id, "alarm_kind": alarm.kind, "severity": alarm.severity.value}
        said |= {"first_at": alarm.first_at.isoformat()}
        for recipient in await _referents(work, alarm.hospital_id):
            await self._put(work, recipient, MailKind.ALARM, said)

    async def _put(
        self,
        work: UnitOfWork,
        recipient: Person,
        kind: MailKind,
        arguments: Mapping[str, str],
        *,
        mail_id: str | None = None,
        sealed: str | None = None,
        until: datetime | None = None,
    ) -> None:
        at = self._clock.now()
        end = at + self._settings.mail_validity
        mail = Mail(
            id=mail_id or new_id(),
            hospital_id=recipient.hospital_id,
            person_id=recipient.id,
            kind=kind,
            queued_at=at,
            expires_at=min(end, until) if until is not None else end,
            next_try_at=at,
            arguments=arguments,
            sealed=sealed,
        )
        await work.mails.insert(mail)
        await work.emit("mail.queued", recipient.hospital_id, recipient.id, {}, {"kind": kind})


async def _referents(work: UnitOfWork, hospital_id: HospitalId) -> Sequence[Person]:
    everybody = [one for one in await work.people.list(hospital_id) if one.active]
    referents = [one for one in everybody if Role.SECURITY in one.roles]
    return referents or [one for one in everybody if Role.ADMINISTRATOR in one.roles]


def _pause(tries: int) -> timedelta:
    return min(_FIRST_PAUSE * (1 << min(tries, 10)), _LONGEST_PAUSE)
