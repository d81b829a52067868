"""Certificates that people log in with, and whom the hospital believes about them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from policy.domain.certificates import (
    LoginAuthority,
    RevocationList,
    TokenCertificate,
    TrustAnchor,
    WhenStale,
)
from policy.domain.ids import HospitalId, PersonId
from policy.errors import NotFound
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_t = t.token_certificates.c
_a = t.trust_anchors.c
_l = t.revocation_lists.c
_s = t.login_authorities.c


class Certificates(Repository):
    """Tables ``token_certificates``, ``trust_anchors``, ``revocation_lists`` and ``login_authorities``."""

    async def of_person(self, hospital_id: HospitalId, person_id: PersonId) -> Sequence[TokenCertificate]:
        """Return the person's token certificates, the one that lasts longest first."""
        where = (_t.hospital_id == hospital_id) & (_t.person_id == person_id)
        query = select(t.token_certificates).where(where).order_by(_t.not_after.desc(), _t.id)
        return [mapping.read(TokenCertificate, row) for row in await self._connection.execute(query)]

    async def of_people(
        self, hospital_id: HospitalId, people: Collection[PersonId]
    ) -> Sequence[TokenCertificate]:
        """Return the token certificates of these *people*, of each the one that lasts longest first."""
        where = (_t.hospital_id == hospital_id) & _t.person_id.in_(list(people))
        query = select(t.token_certificates).where(where).order_by(_t.not_after.desc(), _t.id)
        return [mapping.read(TokenCertificate, row) for row in await self._connection.execute(query)]

    async def all(self, hospital_id: HospitalId) -> Sequence[TokenCertificate]:
        """Return every token certificate of the hospital."""
        query = select(t.token_certificates).where(_t.hospital_id == hospital_id).order_by(_t.id)
        return [mapping.read(TokenCertificate, row) for row in await self._connection.execute(query)]

    async def insert(self, certificate: TokenCertificate) -> None:
        """Add a token certificate."""
        await self._connection.execute(insert(t.token_certificates).values(mapping.columns(certificate)))

    async def mark_revoked(
        self, certificate: TokenCertificate, revoked_as: str, at: datetime, by: str
    ) -> bool:
        """Keep that the responder *by* said it is revoked; tell whether that, or its gravity, is news."""
        where = (_t.hospital_id == certificate.hospital_id) & (_t.id == certificate.id)
        news = _t.revoked_as.is_(None) | (_t.revoked_as != revoked_as)
        values = {"revoked_as": revoked_as, "revoked_at": at, "revoked_by": by}
        done = await self._connection.execute(update(t.token_certificates).where(where & news).values(values))
        return done.rowcount == 1

    async def delete(self, hospital_id: HospitalId, person_id: PersonId, key_fingerprint: str) -> None:
        """Remove the person's certificates of that key."""
        where = (
            (_t.hospital_id == hospital_id)
            & (_t.person_id == person_id)
            & (_t.key_fingerprint == key_fingerprint)
        )
        await self._connection.execute(delete(t.token_certificates).where(where))

    async def anchors(self, hospital_id: HospitalId) -> Sequence[TrustAnchor]:
        """Return the hospital's trust anchors, by name."""
        query = select(t.trust_anchors).where(_a.hospital_id == hospital_id).order_by(_a.name)
        return [_anchor(row) for row in await self._connection.execute(query)]

    async def anchor(self, hospital_id: HospitalId, anchor_id: str) -> TrustAnchor:
        """Return one trust anchor; raises NotFound."""
        where = (_a.hospital_id == hospital_id) & (_a.id == anchor_id)
        return _anchor(await self._only(select(t.trust_anchors).where(where), "trust anchor", anchor_id))

    async def insert_anchor(self, anchor: TrustAnchor) -> None:
        """Add a trust anchor."""
        await self._connection.execute(insert(t.trust_anchors).values(mapping.columns(anchor)))

    async def update_anchor(self, anchor: TrustAnchor) -> None:
        """Write the anchor's present values."""
        where = (_a.hospital_id == anchor.hospital_id) & (_a.id == anchor.id)
        await self._connection.execute(update(t.trust_anchors).where(where).values(mapping.columns(anchor)))

    async def delete_anchor(self, hospital_id: HospitalId, anchor_id: str) -> None:
        """Remove a trust anchor and its lists; raises NotFound."""
        lists = (_l.hospital_id == hospital_id) & (_l.anchor_id == anchor_id)
        await self._connection.execute(delete(t.revocation_lists).where(lists))
        where = (_a.hospital_id == hospital_id) & (_a.id == anchor_id)
        done = await self._connection.execute(delete(t.trust_anchors).where(where))
        if done.rowcount != 1:
            raise NotFound("trust anchor", anchor_id)

    async def lists(self, hospital_id: HospitalId, anchor_id: str) -> Sequence[RevocationList]:
        """Return the revocation lists taken for an anchor, the newest first."""
        where = (_l.hospital_id == hospital_id) & (_l.anchor_id == anchor_id)
        query = select(t.revocation_lists).where(where).order_by(_l.this_update.desc(), _l.issuer)
        return [mapping.read(RevocationList, row) for row in await self._connection.execute(query)]

    async def list_marks(self, hospital_id: HospitalId) -> Sequence[tuple[str, str, datetime]]:
        """Return which lists are at hand (anchor, issuer, when it was taken), without the lists themselves."""
        query = select(_l.anchor_id, _l.issuer, _l.taken_at).where(_l.hospital_id == hospital_id)
        rows = await self._connection.execute(query.order_by(_l.anchor_id, _l.issuer))
        return [(row.anchor_id, row.issuer, row.taken_at) for row in rows]

    async def put_list(self, taken: RevocationList) -> None:
        """Keep a revocation list in place of the one of the same anchor and issuer."""
        where = (
            (_l.hospital_id == taken.hospital_id)
            & (_l.anchor_id == taken.anchor_id)
            & (_l.issuer == taken.issuer)
        )
        await self._connection.execute(delete(t.revocation_lists).where(where))
        await self._connection.execute(insert(t.revocation_lists).values(mapping.columns(taken)))

    async def authorities(self, hospital_id: HospitalId) -> Sequence[LoginAuthority]:
        """Return the SSH authorities whose user certificates let people in, by name."""
        query = select(t.login_authorities).where(_s.hospital_id == hospital_id).order_by(_s.name)
        return [mapping.read(LoginAuthority, row) for row in await self._connection.execute(query)]

    async def authority(self, hospital_id: HospitalId, authority_id: str) -> LoginAuthority:
        """Return one SSH authority; raises NotFound."""
        where = (_s.hospital_id == hospital_id) & (_s.id == authority_id)
        return mapping.read(
            LoginAuthority,
            await self._only(select(t.login_authorities).where(where), "SSH authority", authority_id),
        )

    async def insert_authority(self, authority: LoginAuthority) -> None:
        """Add an SSH authority."""
        await self._connection.execute(insert(t.login_authorities).values(mapping.columns(authority)))

    async def update_authority(self, authority: LoginAuthority) -> None:
        """Write the authority's present values."""
        where = (_s.hospital_id == authority.hospital_id) & (_s.id == authority.id)
        row = mapping.columns(authority)
        await self._connection.execute(update(t.login_authorities).where(where).values(row))

    async def delete_authority(self, hospital_id: HospitalId, authority_id: str) -> None:
        """Remove an SSH authority; raises NotFound."""
        where = (_s.hospital_id == hospital_id) & (_s.id == authority_id)
        done = await self._connection.execute(delete(t.login_authorities).where(where))
        if done.rowcount != 1:
            raise NotFound("SSH authority", authority_id)


def _anchor(row: Row[Any]) -> TrustAnchor:
    return mapping.read(TrustAnchor, row, crl_urls=tuple(row.crl_urls), when_stale=WhenStale(row.when_stale))
