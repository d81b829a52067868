"""Trust anchors of tokens, and the revocation lists taken for them."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from policy.authn import x509_chains
from policy.authn.x509_revocation import issuer_of, read_list, signed_by
from policy.domain.certificates import RevocationList, TrustAnchor, WhenStale
from policy.domain.ids import HospitalId, PersonId, SupplierId, new_id
from policy.errors import Conflict, InvalidInput, NameTaken
from policy.services import inputs
from policy.services.duties import Duty
from policy.services.service import Service
from policy.store.unit_of_work import UnitOfWork, View

Fetch = Callable[[str], Awaitable[bytes]]
"""Returns what is at an address, bounded in size and time; raises OSError where it cannot."""

_MOST_URLS = 8
_log = structlog.get_logger()


class AnchorService(Service):
    """Whom the hospital believes about tokens (S07), for which people, and how it learns of revocations."""

    async def add(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        *,
        name: str,
        certificate: str,
        supplier_id: SupplierId | None = None,
        crl_urls: Iterable[str] = (),
        ocsp_url: str | None = None,
        when_stale: WhenStale = WhenStale.REFUSE,
    ) -> TrustAnchor:
        """Believe the authority whose PEM *certificate* this is, about one supplier's people or everybody's.

        It must give certificates to keys in tokens only: a token counts as two factors. Raises InvalidInput,
        NotFound for the supplier, Conflict for a name or a certificate that is there already.
        """
        found = x509_chains.read_anchor(certificate)
        anchor = TrustAnchor(
            id=new_id(),
            hospital_id=hospital_id,
            name=inputs.line(name, "name"),
            certificate=found.public_bytes(Encoding.DER),
            fingerprint=x509_chains.fingerprint(found),
            supplier_id=supplier_id,
            crl_urls=_urls(crl_urls),
            ocsp_url=None if ocsp_url is None else _url(ocsp_url, "ocsp_url"),
            when_stale=inputs.choice(WhenStale, when_stale, "when_stale"),
            added_at=self._clock.now(),
        )
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            if supplier_id is not None:
                await work.suppliers.get(hospital_id, supplier_id)
            for other in await work.certificates.anchors(hospital_id):
                if other.name == anchor.name:
                    raise NameTaken(f"there is a trust anchor called {anchor.name!r} already")
                if (other.fingerprint, other.supplier_id) == (anchor.fingerprint, anchor.supplier_id):
                    raise Conflict(f"this certificate is believed already, as {other.name!r}")
            await work.certificates.insert_anchor(anchor)
            await work.emit("anchor.added", hospital_id, anchor.id, {}, shown(anchor))
        return anchor

    async def change(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        anchor_id: str,
        *,
        crl_urls: Iterable[str] | None = None,
        ocsp_url: str | None = None,
        when_stale: WhenStale | None = None,
    ) -> TrustAnchor:
        """Change where revocations are learned, or what is done without; an empty *ocsp_url* asks nobody any more."""
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            before = await work.certificates.anchor(hospital_id, anchor_id)
            after = before
            if crl_urls is not None:
                after = replace(after, crl_urls=_urls(crl_urls))
            if ocsp_url is not None:
                after = replace(after, ocsp_url=_url(ocsp_url, "ocsp_url") if ocsp_url else None)
            if when_stale is not None:
                after = replace(after, when_stale=inputs.choice(WhenStale, when_stale, "when_stale"))
            await work.certificates.update_anchor(after)
            await work.emit("anchor.changed", hospital_id, anchor_id, shown(before), shown(after))
        return after

    async def remove(self, actor: PersonId, hospital_id: HospitalId, anchor_id: str, *, reason: str) -> None:
        """Believe an authority no longer: tokens that lead to it alone let nobody in from now on."""
        why = inputs.line(reason, "reason", longest=500)
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            before = await work.certificates.anchor(hospital_id, anchor_id)
            await work.certificates.delete_anchor(hospital_id, anchor_id)
            await work.emit("anchor.removed", hospital_id, anchor_id, shown(before), {"reason": why})

    async def list(self, actor: PersonId, hospital_id: HospitalId) -> Sequence[TrustAnchor]:
        """Return the hospital's trust anchors, by name."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.certificates.anchors(hospital_id)

    async def lists(
        self, actor: PersonId, hospital_id: HospitalId, anchor_id: str
    ) -> Sequence[RevocationList]:
        """Return the revocation lists taken for an anchor, the newest first; raises NotFound."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            await view.certificates.anchor(hospital_id, anchor_id)
            return await view.certificates.lists(hospital_id, anchor_id)

    async def take_list(
        self, actor: PersonId, hospital_id: HospitalId, anchor_id: str, content: bytes
    ) -> RevocationList:
        """Keep a revocation list that somebody brought (DER or PEM).

        Raises InvalidInput for no complete list, or one that neither the anchor nor an authority under it signed,
        Conflict for one that is older than the list at hand.
        """
        async with self._acting(actor, hospital_id, Duty.RESUME) as work:
            anchor = await work.certificates.anchor(hospital_id, anchor_id)
            return await self._take(work, anchor, content, "brought by hand")

    async def refresh(self, hospital_id: HospitalId, fetch: Fetch) -> int:
        """Fetch every list that an anchor of the hospital's names, and return how many new ones were kept.

        A list that cannot be fetched or believed is logged and left: the one before counts until it is stale.
        """
        async with self._database.read() as view:
            anchors = await view.certificates.anchors(hospital_id)
        kept = 0
        for anchor in anchors:
            for url in anchor.crl_urls:
                try:
                    content = await fetch(url)
                    async with self._database.unit_of_work(None, self._clock) as work:
                        await self._take(work, anchor, content, url)
                    kept += 1
                except Conflict:
                    _log.info("crl.known", anchor=anchor.name, url=url)
                except (InvalidInput, OSError) as error:
                    _log.warning("crl.not_taken", anchor=anchor.name, url=url, error=str(error))
        return kept

    async def _take(
        self, work: UnitOfWork, anchor: TrustAnchor, content: bytes, source: str
    ) -> RevocationList:
        crl = read_list(content, "crl")
        if not any(signed_by(crl, issuer) for issuer in await _authorities(work, anchor)):
            raise InvalidInput(
                "crl",
                "was signed neither by this anchor nor by an authority in the chain of a certificate enrolled",
            )
        next_update = crl.next_update_utc
        if next_update is None:
            raise InvalidInput("crl", "does not say when the next one comes (nextUpdate)")
        taken = RevocationList(
            hospital_id=anchor.hospital_id,
            anchor_id=anchor.id,
            issuer=issuer_of(crl),
            der=crl.public_bytes(Encoding.DER),
            this_update=crl.last_update_utc,
            next_update=next_update,
            source=source,
            taken_at=self._clock.now(),
        )
        for known in await work.certificates.lists(anchor.hospital_id, anchor.id):
            if known.issuer == taken.issuer and known.this_update >= taken.this_update:
                raise Conflict(f"the list at hand is of {known.this_update.isoformat()}: as new, or newer")
        await work.certificates.put_list(taken)
        facts = {"anchor": anchor.name, "source": source, "next_update": next_update, "entries": len(crl)}
        await work.emit("anchor.list_taken", anchor.hospital_id, anchor.id, {}, facts)
        return taken


def shown(anchor: TrustAnchor) -> dict[str, object]:
    """Return what an event says of *anchor*."""
    return {
        "name": anchor.name,
        "fingerprint": anchor.fingerprint,
        "supplier_id": anchor.supplier_id,
        "crl_urls": anchor.crl_urls,
        "ocsp_url": anchor.ocsp_url,
        "when_stale": anchor.when_stale,
    }


async def _authorities(view: View, anchor: TrustAnchor) -> Sequence[x509.Certificate]:
    """Return the anchor, and the intermediates under it that came with people's certificates."""
    found = [x509.load_der_x509_certificate(anchor.certificate)]
    seen = {anchor.fingerprint}
    for enrolled in await view.certificates.all(anchor.hospital_id):
        for certificate in x509_chains.read_pem(enrolled.pem, "certificate")[1:]:
            mark = x509_chains.fingerprint(certificate)
            if mark not in seen:
                seen.add(mark)
                found.append(certificate)
    return found


def _urls(texts: Iterable[str]) -> tuple[str, ...]:
    found = tuple(_url(text, "crl_urls") for text in texts)
    if len(found) > _MOST_URLS:
        raise InvalidInput("crl_urls", f"write at most {_MOST_URLS}")
    return found


def _url(text: str, field: str) -> str:
    line = inputs.line(text, field, longest=500)
    try:
        parts = urlsplit(line)
    except ValueError:
        raise InvalidInput(field, "write an address such as http://pki.example/list.crl") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.fragment:
        raise InvalidInput(field, "write an address such as http://pki.example/list.crl")
    return line
