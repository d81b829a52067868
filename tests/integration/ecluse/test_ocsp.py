"""Revocation asked of a real responder at each log-in, over HTTP on loopback."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from ecluse.revocations import Revocations
from policy.domain.certificates import WhenStale
from policy.domain.logins import LoginReason
from policy.errors import KeyUnfit
from tests.support.login_house import AT
from tests.support.ocsp_responder import Responder, responder
from tests.support.pki import Authority, Certified, curve_key
from tests.support.token_house import TokenHouse, token_house

pytestmark = pytest.mark.integration


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[TokenHouse]:
    """The house of tokens, at the machine's own time, which OpenSSL's responder goes by."""
    now = datetime.now(UTC).replace(microsecond=0)
    async with token_house(tmp_path, advance=now - AT) as opened, Revocations() as revocations:
        opened.respond(revocations)
        yield opened


@pytest.fixture
async def running(house: TokenHouse, tmp_path: Path) -> AsyncIterator[Responder]:
    """The issuer's responder, which the anchor names; the root's own list is at hand."""
    async with responder(house.issuer, tmp_path / "ocsp") as started:
        await house.trust(ocsp_url=started.url)
        yield started


async def enrolled(house: TokenHouse) -> Certified:
    """Return a certificate enrolled for alice, with the root's list at hand and none of the issuer."""
    certified = house.certify()
    await house.enrol(certified)
    await house.take(house.root.revoke(house.house.clock.now()))
    return certified


async def cause(house: TokenHouse, certified: Certified) -> LoginReason:
    """Return the true cause of a refused log-in."""
    with pytest.raises(KeyUnfit):
        await house.sign(certified.blob)
    return house.last.reason


async def test_the_responder_is_asked_at_each_log_in_and_revocation_counts_at_once(
    house: TokenHouse, running: Responder
) -> None:
    """Good, in; revoked a moment later, refused; put on hold is revoked too."""
    certified = await enrolled(house)
    running.knows(certified.certificate)
    assert await house.sign(certified.blob) is not None
    assert await house.sign(certified.blob) is not None
    assert running.asked == 2
    for reason in ("keyCompromise", "superseded", "certificateHold"):
        running.knows(certified.certificate, revoked=reason)
        assert await cause(house, certified) is LoginReason.CERTIFICATE_REVOKED


async def test_a_responder_that_does_not_know_the_certificate_vouches_for_nothing(
    house: TokenHouse, running: Responder
) -> None:
    """Unknown is not good."""
    assert await cause(house, await enrolled(house)) is LoginReason.CERTIFICATE_UNCHECKED
    assert running.asked == 1


async def test_nobody_answers_is_closed_by_default_and_a_list_or_the_hospital_helps(
    house: TokenHouse, running: Responder
) -> None:
    """Away: refused; with a fresh list of the issuer, in; without one, only where the hospital accepted that."""
    certified = await enrolled(house)
    hospital = house.house.hospital.id
    gone = "http://127.0.0.1:9/"
    await house.anchors.change(house.administrator, hospital, house.anchor.id, ocsp_url=gone)
    assert await cause(house, certified) is LoginReason.CERTIFICATE_UNCHECKED
    await house.anchors.change(house.administrator, hospital, house.anchor.id, when_stale=WhenStale.ACCEPT)
    assert await house.sign(certified.blob) is not None
    assert (house.last.detail or "").startswith("revocation unchecked")
    await house.take(house.issuer.revoke(house.house.clock.now()))
    assert await house.sign(certified.blob) is not None
    assert house.last.detail is None
    assert running.asked == 0


async def test_an_answer_that_nobody_may_give_is_none(
    house: TokenHouse, running: Responder, tmp_path: Path
) -> None:
    """Signed by another authority of the same name, about another certificate, of last week, cut short, huge, junk."""
    certified, other = await enrolled(house), house.certify()
    await house.enrol(other)
    now = house.house.clock.now()
    impostor = Authority("IGC Imagix racine", now).under("IGC Imagix personnes", now)
    async with responder(impostor, tmp_path / "impostor") as false:
        false.knows(certified.certificate)
        await house.anchors.change(
            house.administrator, house.house.hospital.id, house.anchor.id, ocsp_url=false.url
        )
        assert await cause(house, certified) is LoginReason.CERTIFICATE_UNCHECKED
        assert false.asked == 1
    await house.anchors.change(
        house.administrator, house.house.hospital.id, house.anchor.id, ocsp_url=running.url
    )
    running.knows(certified.certificate)
    running.knows(other.certificate)
    assert await house.sign(other.blob) is not None
    good_of_other = (running.directory / "answer.der").read_bytes()
    for reply in (good_of_other, good_of_other[:-40], b"", b"junk", b"\x30" * 100_000):
        running.reply = reply
        assert await cause(house, certified) is LoginReason.CERTIFICATE_UNCHECKED


@pytest.mark.parametrize("named", [True, False])
async def test_somebody_else_answers_only_if_the_issuer_named_it(
    house: TokenHouse, running: Responder, named: bool
) -> None:
    """A certificate of the issuer's for answering does; one of the issuer's for anything else does not."""
    certified = await enrolled(house)
    running.knows(certified.certificate)
    key = curve_key()
    purpose = ExtendedKeyUsageOID.OCSP_SIGNING if named else ExtendedKeyUsageOID.CLIENT_AUTH
    signer = house.certify(key.public_key(), name="OCSP", purposes=[purpose])
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    running.signer = signer.pem, private
    if named:
        assert await house.sign(certified.blob) is not None
    else:
        assert await cause(house, certified) is LoginReason.CERTIFICATE_UNCHECKED


async def test_an_answer_kept_and_shown_again_is_refused(house: TokenHouse, running: Responder) -> None:
    """Yesterday's good answer to the same question holds another nonce; past its end, it is stale besides."""
    certified = await enrolled(house)
    running.knows(certified.certificate)
    assert await house.sign(certified.blob) is not None
    running.reply = (running.directory / "answer.der").read_bytes()
    assert await cause(house, certified) is LoginReason.CERTIFICATE_UNCHECKED
    running.reply = None
    house.house.clock.advance(timedelta(days=2))
    assert await cause(house, certified) is LoginReason.CERTIFICATE_UNCHECKED


async def test_lists_are_fetched_over_http(house: TokenHouse, running: Responder) -> None:
    """A list on a web server is taken; one that is not there, or a server that is away, leaves what there was."""
    certified = await enrolled(house)
    now = house.house.clock.now()
    running.pages["/list.crl"] = house.issuer.revoke(now, {certified.certificate: None})
    urls = (f"{running.url}list.crl", f"{running.url}gone.crl", "http://127.0.0.1:9/away.crl")
    await house.anchors.change(house.administrator, house.house.hospital.id, house.anchor.id, crl_urls=urls)
    async with Revocations() as revocations:
        assert await house.anchors.refresh(house.house.hospital.id, revocations.fetch) == 1
    running.knows(certified.certificate)
    assert await cause(house, certified) is LoginReason.CERTIFICATE_REVOKED
