"""Whether the certificate of a person's token is in force at this instant: chain, purpose, time, revocation."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from cryptography import x509

from policy.authn import ocsp, ssh_keys, x509_chains
from policy.authn.held_keys import KeyRefused
from policy.authn.x509_chains import Chain
from policy.authn.x509_revocation import Standing, standing_by_lists
from policy.domain.certificates import RevocationList, TokenCertificate, TrustAnchor, WhenStale
from policy.domain.credentials import EnrolledKey
from policy.domain.ids import HospitalId
from policy.domain.logins import LoginReason
from policy.domain.people import Person
from policy.ports import Responder, View

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """What a token is judged on, read in one snapshot: the person's certificates, her anchors and their lists."""

    certificates: tuple[TokenCertificate, ...] = ()
    anchors: tuple[TrustAnchor, ...] = ()
    lists: Mapping[str, Sequence[RevocationList]] = field(default_factory=dict)


async def read_token_facts(view: View, hospital_id: HospitalId, person: Person) -> TokenFacts:
    """Read what the tokens of *person* are judged on: anchors of another supplier's people are not hers."""
    certificates = tuple(await view.certificates.of_person(hospital_id, person.id))
    if not certificates:
        return TokenFacts()
    anchors = tuple(
        anchor for anchor in await view.certificates.anchors(hospital_id) if anchor.serves(person.supplier_id)
    )
    lists = {anchor.id: await view.certificates.lists(hospital_id, anchor.id) for anchor in anchors}
    return TokenFacts(certificates=certificates, anchors=anchors, lists=lists)


class TokenCheck:
    """Judges tokens; asks *responder* about revocation where the anchor names one."""

    def __init__(self, responder: Responder | None) -> None:
        """Ask *responder*; without one, every responder counts as unreachable."""
        self._responder = responder

    async def in_force(self, facts: TokenFacts, key: EnrolledKey, at: datetime) -> str | None:
        """Return where a certificate of *key* is in force at the aware instant *at*; raises KeyRefused otherwise.

        What the journal should know besides is returned. A certificate that was revoked for its key spoils every
        other one of that key, such as a renewed one.
        """
        first: KeyRefused | None = None
        accepted: list[str | None] = []
        for certificate in facts.certificates:
            if certificate.key_fingerprint != key.fingerprint:
                continue
            try:
                accepted.append(await self._one(facts, certificate, key, at))
            except KeyRefused as refused:
                if refused.detail == Standing.REVOKED_KEY.value:
                    raise
                first = first or refused
        if accepted:
            return accepted[0]
        raise first or KeyRefused(LoginReason.CERTIFICATE_UNTRUSTED, "no certificate of this key is enrolled")

    async def _one(
        self, facts: TokenFacts, certificate: TokenCertificate, key: EnrolledKey, at: datetime
    ) -> str | None:
        chain = x509_chains.chain_of(certificate.pem, facts.anchors, at)
        if not ssh_keys.is_one_of(x509_chains.key_blob(chain.certificate), (key.blob,)):
            raise KeyRefused(LoginReason.CERTIFICATE_UNTRUSTED, "the certificate is of another key")
        unchecked = None
        for place, (child, issuer) in enumerate(chain.pairs):
            standing = await self._standing(facts, chain, child, issuer, at, own=place == 0)
            if standing.revoked:
                raise KeyRefused(LoginReason.CERTIFICATE_REVOKED, standing.value)
            if standing is Standing.UNKNOWN:
                if chain.anchor.when_stale is WhenStale.REFUSE:
                    raise KeyRefused(LoginReason.CERTIFICATE_UNCHECKED, x509_chains.subject_of(child))
                unchecked = f"revocation unchecked: {x509_chains.subject_of(child)}"
        return unchecked

    async def _standing(
        self,
        facts: TokenFacts,
        chain: Chain,
        child: x509.Certificate,
        issuer: x509.Certificate,
        at: datetime,
        *,
        own: bool,
    ) -> Standing:
        """Return what lists and, for the person's *own* certificate, the responder say: revoked by either is revoked."""
        lists = facts.lists.get(chain.anchor.id, ())
        by_lists = await asyncio.to_thread(standing_by_lists, child, issuer, lists, at)
        if by_lists.revoked or not own or chain.anchor.ocsp_url is None:
            return by_lists
        answered = await self._ask(chain.anchor.ocsp_url, child, issuer, at)
        return by_lists if answered is Standing.UNKNOWN else answered

    async def _ask(
        self, url: str, child: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> Standing:
        asked = ocsp.question(child, issuer)
        answer = None if self._responder is None else await self._responder.ask(url, asked.der)
        if answer is None:
            _log.warning("ocsp.unreachable", url=url)
            return Standing.UNKNOWN
        return ocsp.standing(asked, answer, at)
