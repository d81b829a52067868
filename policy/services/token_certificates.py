"""Certificates of tokens: enrolled for a person by an administrator, who vouches that the key is in the token."""

from collections.abc import Sequence
from datetime import datetime

from policy.authn import ssh_keys, x509_chains
from policy.authn.held_keys import KeyRefused
from policy.authn.x509_names import names_by_address, names_by_name
from policy.clock import Clock
from policy.domain.certificates import TokenCertificate
from policy.domain.credentials import EnrolledKey, KeyKind
from policy.domain.ids import HospitalId, PersonId, new_id
from policy.domain.logins import LoginReason
from policy.domain.mails import MailKind
from policy.domain.people import Person
from policy.errors import Conflict, InvalidInput
from policy.services import inputs
from policy.services.duties import Duty, require
from policy.services.mails import MailQueue
from policy.services.service import Service
from policy.store.database import Database
from policy.store.unit_of_work import UnitOfWork, View

_TOLD = {
    LoginReason.CERTIFICATE_EXPIRED: "is not valid now: look at its dates",
    LoginReason.CERTIFICATE_UNTRUSTED: (
        "leads to no trust anchor of this person's population: hand over the intermediates after the certificate, "
        "or add the anchor first (ecluse anchors add)"
    ),
}


class TokenCertificateService(Service):
    """What is bound to a token key (rules E3, S07)."""

    def __init__(self, database: Database, clock: Clock, mails: MailQueue) -> None:
        """Keep certificates in *database*; *mails* tell their holders of them."""
        super().__init__(database, clock)
        self._mails = mails

    async def enrol(
        self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId, pem: str, *, label: str = ""
    ) -> TokenCertificate:
        """Bind a certificate (PEM, its intermediates after it) to a person; a renewed one is added beside the old.

        Raises InvalidInput for one that could not log in today, Conflict where somebody has its key (E3).
        """
        now = self._clock.now()
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            person = await work.people.get(hospital_id, person_id)
            certificate, key = await self._read(work, person, pem, label, now)
            await self._add(work, person, certificate, key)
        return certificate

    async def enrol_own(self, person_id: PersonId, hospital_id: HospitalId, pem: str) -> TokenCertificate:
        """Bind a certificate that the person hands over herself, on a page that knows her, for its authority vouches that it is hers.

        It must name her: by her address, or by her name where nobody else here bears it. Its key leaves whoever had it
        as a plain one without a certificate, if the same authority is believed about both. Raises InvalidInput,
        Conflict as ``enrol`` does.
        """
        now = self._clock.now()
        async with self._database.unit_of_work(person_id, self._clock) as work:
            person = await work.people.get(hospital_id, person_id)
            certificate, key = await self._read(work, person, pem, "", now)
            await _must_name(work, person, certificate)
            await self._take_from(work, person, certificate, key, now)
            await self._add(work, person, certificate, key)
        return certificate

    async def _add(
        self, work: UnitOfWork, person: Person, certificate: TokenCertificate, key: EnrolledKey
    ) -> None:
        await _bind(work, key)
        await work.certificates.insert(certificate)
        shown = {
            "fingerprint": key.fingerprint,
            "certificate": certificate.fingerprint,
            "subject": certificate.subject,
            "not_after": certificate.not_after,
        }
        await work.emit("person.token_added", person.hospital_id, person.id, {}, shown)
        # an administrator may believe an authority of her own making: its holder hears of each key in her name
        await self._mails.tell(work, person, MailKind.KEY_ADDED, {"fingerprint": key.fingerprint})

    async def _take_from(
        self,
        work: UnitOfWork,
        person: Person,
        certificate: TokenCertificate,
        key: EnrolledKey,
        now: datetime,
    ) -> None:
        """Take a plain key from whoever has it: who put another's among hers must not keep its holder out."""
        held = await work.credentials.key_of_fingerprint(key.hospital_id, key.fingerprint)
        if held is None or held.kind is not KeyKind.PLAIN:
            return
        holder = await work.people.get(key.hospital_id, held.person_id)
        if holder.id != person.id:
            anchors = await work.certificates.anchors(key.hospital_id)
            believed = [one for one in anchors if one.serves(holder.supplier_id)]
            try:
                x509_chains.chain_of(certificate.pem, believed, now)
            except KeyRefused:
                return
            shown = {"fingerprint": key.fingerprint}
            facts = {"certified_for": person.id}
            await work.emit("person.key_removed", key.hospital_id, holder.id, shown, facts)
            await self._mails.tell(work, holder, MailKind.KEY_REMOVED, {"fingerprint": key.fingerprint})
        await work.credentials.delete_ssh_key(key.hospital_id, holder.id, key.fingerprint)

    async def list(
        self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId
    ) -> Sequence[TokenCertificate]:
        """Return the person's token certificates, the one that lasts longest first."""
        async with self._database.read() as view:
            if actor != person_id:
                await require(view, hospital_id, actor, Duty.READ)
            await view.people.get(hospital_id, person_id)
            return await view.certificates.of_person(hospital_id, person_id)

    async def _read(
        self, view: View, person: Person, pem: str, label: str, now: datetime
    ) -> tuple[TokenCertificate, EnrolledKey]:
        found = x509_chains.read_pem(pem, "certificate")
        anchors = [
            anchor
            for anchor in await view.certificates.anchors(person.hospital_id)
            if anchor.serves(person.supplier_id)
        ]
        try:
            blob = x509_chains.key_blob(found[0])
            x509_chains.chain_of(pem, anchors, now)
        except KeyRefused as refused:
            told = _TOLD.get(refused.reason, f"cannot serve: {refused.detail}")
            raise InvalidInput("certificate", told) from None
        own = found[0]
        mark = x509_chains.fingerprint(own)
        if any(one.fingerprint == mark for one in await view.certificates.all(person.hospital_id)):
            raise Conflict("this certificate is enrolled already")
        subject = x509_chains.subject_of(own)
        key = EnrolledKey(
            hospital_id=person.hospital_id,
            person_id=person.id,
            algorithm=blob[4 : 4 + int.from_bytes(blob[:4], "big")].decode("ascii"),
            blob=blob,
            fingerprint=ssh_keys.fingerprint(blob),
            label=inputs.line(label or subject[:200], "label", empty=True),
            added_at=now,
            kind=KeyKind.TOKEN,
        )
        certificate = TokenCertificate(
            id=new_id(),
            hospital_id=person.hospital_id,
            person_id=person.id,
            key_fingerprint=key.fingerprint,
            fingerprint=mark,
            pem=pem,
            subject=subject,
            not_before=own.not_valid_before_utc,
            not_after=own.not_valid_after_utc,
            added_at=now,
        )
        return certificate, key


async def _must_name(view: View, person: Person, certificate: TokenCertificate) -> None:
    """Raise InvalidInput unless the certificate says that it is this person's."""
    own = x509_chains.read_pem(certificate.pem, "certificate")[0]
    if names_by_address(own, person.email):
        return
    alike = [
        one
        for one in await view.people.list(person.hospital_id)
        if one.id != person.id and names_by_name(own, one.full_name)
    ]
    if not names_by_name(own, person.full_name) or alike:
        raise InvalidInput(
            "certificate",
            "does not say that it is yours, by your address or by a name that is yours alone here: "
            "have the hospital enrol it",
        )


async def _bind(work: UnitOfWork, key: EnrolledKey) -> None:
    """Let the key be this person's token key, unless anybody has it otherwise."""
    held = await work.credentials.key_of_fingerprint(key.hospital_id, key.fingerprint)
    if held is None:
        await work.credentials.insert_ssh_key(key)
    elif held.person_id != key.person_id:
        raise Conflict("this key is in use already: one key belongs to one person (E3)")
    elif held.kind is not KeyKind.TOKEN:
        raise Conflict("this key is enrolled as a plain one: remove it first, then enrol the certificate")
