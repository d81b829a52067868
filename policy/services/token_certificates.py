"""Certificates of tokens: enrolled for a person by an administrator, who vouches that the key is in the token."""

from collections.abc import Sequence
from datetime import datetime

from policy.authn import ssh_keys, x509_chains
from policy.authn.held_keys import KeyRefused
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
from policy.store.database import Database
from policy.store.unit_of_work import UnitOfWork, View

_TOLD = {
    LoginReason.CERTIFICATE_EXPIRED: "is not valid now: look at its dates",
    LoginReason.CERTIFICATE_UNTRUSTED: (
        "leads to no trust anchor of this person's population: hand over the intermediates after the certificate, "
        "or add the anchor first (ecluse anchors add)"
    ),
}


class TokenCertificateService:
    """What is bound to a token key (rules E3, S07)."""

    def __init__(self, database: Database, clock: Clock, mails: MailQueue) -> None:
        """Keep certificates in *database*; *mails* tell their holders of them."""
        self._database = database
        self._clock = clock
        self._mails = mails

    async def enrol(
        self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId, pem: str, *, label: str = ""
    ) -> TokenCertificate:
        """Bind a certificate (PEM, its intermediates after it) to a person; a renewed one is added beside the old.

        Raises InvalidInput for one that could not log in today, Conflict where somebody has its key (E3).
        """
        now = self._clock.now()
        async with self._database.unit_of_work(actor, self._clock) as work:
            await require(work, hospital_id, actor, Duty.MANAGE)
            person = await work.people.get(hospital_id, person_id)
            certificate, key = await self._read(work, person, pem, label, now)
            await _bind(work, key)
            await work.certificates.insert(certificate)
            shown = {
                "fingerprint": key.fingerprint,
                "certificate": certificate.fingerprint,
                "subject": certificate.subject,
                "not_after": certificate.not_after,
            }
            await work.emit("person.token_added", hospital_id, person_id, {}, shown)
            # an administrator may believe an authority of her own making: its holder hears of each key in her name
            await self._mails.tell(work, person, MailKind.KEY_ADDED, {"fingerprint": key.fingerprint})
        return certificate

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


async def _bind(work: UnitOfWork, key: EnrolledKey) -> None:
    """Let the key be this person's token key, unless anybody has it otherwise."""
    held = await work.credentials.key_of_fingerprint(key.hospital_id, key.fingerprint)
    if held is None:
        await work.credentials.insert_ssh_key(key)
    elif held.person_id != key.person_id:
        raise Conflict("this key is in use already: one key belongs to one person (E3)")
    elif held.kind is not KeyKind.TOKEN:
        raise Conflict("this key is enrolled as a plain one: remove it first, then enrol the certificate")
