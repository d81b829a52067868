"""Whether the certificate of a person's token is in force at this instant: chain, purpose, time, revocation."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
from policy.ports import Responder
from policy.store.unit_of_work import View

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


OnRevoked = Callable[[TokenCertificate, Standing, str], Awaitable[None]]
"""Keeps that the responder at an address said of a certificate that it is revoked."""


class TokenCheck:
    """Judges tokens; asks *responder* about revocation where the anchor names one."""

    def __init__(self, responder: Responder | None, on_revoked: OnRevoked | None = None) -> None:
        """Ask *responder*; without one, every responder counts as unreachable.

        *on_revoked* keeps that a responder said of a certificate that it is revoked, before that is told.
        """
        self._responder = responder
        self._on_revoked = on_revoked

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

    async def held_until(self, facts: TokenFacts, key: EnrolledKey, at: datetime) -> datetime:
        """Return until when a log-in proved with *key* before stands, by what is known at *at* (both aware UTC).

        Nobody is asked, and a stale list says nothing: raises KeyRefused where a certificate is over, revoked, or leads
        to no anchor that is believed.
        """
        first: KeyRefused | None = None
        ends: list[datetime] = []
        for certificate in facts.certificates:
            if certificate.key_fingerprint != key.fingerprint:
                continue
            try:
                ends.append(await self._end(facts, certificate, key, at))
            except KeyRefused as refused:
                if refused.detail == Standing.REVOKED_KEY.value:
                    raise
                first = first or refused
        if ends:
            return max(ends)
        raise first or KeyRefused(LoginReason.CERTIFICATE_UNTRUSTED, "no certificate of this key is enrolled")

    async def ask_again(self, facts: TokenFacts, key: EnrolledKey, at: datetime) -> None:
        """Ask the responders about the certificates of *key*, for what they say now to be kept."""
        for certificate in facts.certificates:
            if certificate.key_fingerprint == key.fingerprint:
                try:
                    await self._one(facts, certificate, key, at)
                except KeyRefused:
                    continue

    async def _end(
        self, facts: TokenFacts, certificate: TokenCertificate, key: EnrolledKey, at: datetime
    ) -> datetime:
        chain = _chain(facts, certificate, key, at)
        for place, (child, issuer) in enumerate(chain.pairs):
            standing = await _by_lists(facts, chain, child, issuer, at)
            if place == 0 and not standing.revoked and certificate.revoked_as is not None:
                standing = Standing(certificate.revoked_as)
            if standing.revoked:
                raise KeyRefused(LoginReason.CERTIFICATE_REVOKED, standing.value)
        return min(one.not_valid_after_utc for one in (chain.certificate, *chain.links))

    async def _one(
        self, facts: TokenFacts, certificate: TokenCertificate, key: EnrolledKey, at: datetime
    ) -> str | None:
        chain = _chain(facts, certificate, key, at)
        unchecked = None
        for place, (child, issuer) in enumerate(chain.pairs):
            own = certificate if place == 0 else None
            standing = await self._standing(facts, chain, child, issuer, at, own=own)
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
        own: TokenCertificate | None,
    ) -> Standing:
        """Return what lists and, for the person's *own* certificate, the responder say: revoked by either is revoked.

        What a responder once called revoked stays so until the certificate is enrolled anew.
        """
        by_lists = await _by_lists(facts, chain, child, issuer, at)
        if by_lists.revoked or own is None:
            return by_lists
        if own.revoked_as is not None:
            return Standing(own.revoked_as)
        if chain.anchor.ocsp_url is None:
            return by_lists
        answered = await self._ask(chain.anchor.ocsp_url, child, issuer, at)
        if answered.revoked and self._on_revoked is not None:
            await self._on_revoked(own, answered, chain.anchor.ocsp_url)
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


def _chain(facts: TokenFacts, certificate: TokenCertificate, key: EnrolledKey, at: datetime) -> Chain:
    chain = x509_chains.chain_of(certificate.pem, facts.anchors, at)
    if not ssh_keys.is_one_of(x509_chains.key_blob(chain.certificate), (key.blob,)):
        raise KeyRefused(LoginReason.CERTIFICATE_UNTRUSTED, "the certificate is of another key")
    return chain


async def _by_lists(
    facts: TokenFacts, chain: Chain, child: x509.Certificate, issuer: x509.Certificate, at: datetime
) -> Standing:
    lists = facts.lists.get(chain.anchor.id, ())
    return await asyncio.to_thread(standing_by_lists, child, issuer, lists, at)
