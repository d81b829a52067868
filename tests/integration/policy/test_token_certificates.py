"""Tokens: the certificate of the key that signed is looked at again at every log-in."""

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from policy.domain.certificates import WhenStale
from policy.domain.factors import Factor, FactorRow, Level
from policy.domain.logins import LoginReason
from policy.errors import AuthenticationFailed, Conflict, InvalidInput, KeyUnfit
from policy.services.factors import FactorService
from tests.support.login_house import SITE
from tests.support.pki import Authority, Certified, curve_key, rsa_key, usage
from tests.support.token_house import TokenHouse, token_house

pytestmark = pytest.mark.integration


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[TokenHouse]:
    """A hospital that believes Imagix's root about everybody, and has no list yet."""
    async with token_house(tmp_path) as opened:
        await opened.trust()
        yield opened


async def enrolled(house: TokenHouse, **how: Any) -> Certified:
    """Return a certificate enrolled for alice, with fresh lists at hand."""
    certified = house.certify(**how)
    await house.enrol(certified)
    await house.fresh_lists()
    return certified


async def refused(house: TokenHouse, blob: bytes) -> LoginReason:
    """Return the true cause of a log-in with the key *blob* that was refused."""
    with pytest.raises(AuthenticationFailed):
        await house.sign(blob)
    return house.last.reason


@pytest.mark.parametrize("kind", ["rsa", "curve"])
async def test_a_token_in_force_lets_in_alone(house: TokenHouse, kind: str) -> None:
    """RSA and ECDSA: one signature, no code, the high level; the journal names key and factor."""
    key = rsa_key() if kind == "rsa" else curve_key()
    certified = await enrolled(house, key=key.public_key())
    person = await house.sign(certified.blob)
    assert person is not None
    assert person.login == "alice"
    assert house.last.factors == {Factor.TOKEN_CERTIFICATE}
    assert house.last.level is Level.HIGH
    assert house.last.detail is None


async def test_an_expired_certificate_is_refused_and_its_renewal_on_the_same_key_serves(
    house: TokenHouse,
) -> None:
    """The day after its last, the token is refused with the reason; a new certificate on its key opens again."""
    key = curve_key().public_key()
    certified = await enrolled(house, key=key, days=30)
    house.house.clock.advance(timedelta(days=40))
    now = house.house.clock.now()
    await house.take(house.root.revoke(now), house.issuer.revoke(now))
    with pytest.raises(KeyUnfit) as told:
        await house.sign(certified.blob)
    assert told.value.reason == LoginReason.CERTIFICATE_EXPIRED.value
    await house.enrol(house.certify(key))
    assert await house.sign(certified.blob) is not None


async def test_a_clock_that_steps_back_before_the_certificate_refuses_it(house: TokenHouse) -> None:
    """Not yet valid is not valid: a gateway whose clock went back a year lets no token in."""
    certified = await enrolled(house)
    house.house.clock.advance(timedelta(days=-20))
    assert await refused(house, certified.blob) is LoginReason.CERTIFICATE_EXPIRED


@pytest.mark.parametrize(
    "reason", [None, x509.ReasonFlags.key_compromise, x509.ReasonFlags.cessation_of_operation]
)
async def test_a_revoked_certificate_is_refused(house: TokenHouse, reason: x509.ReasonFlags | None) -> None:
    """Whatever the reason, and though the key is still in the token."""
    certified = await enrolled(house)
    house.house.clock.advance(timedelta(hours=1))
    await house.take(house.issuer.revoke(house.house.clock.now(), {certified.certificate: reason}))
    with pytest.raises(KeyUnfit) as told:
        await house.sign(certified.blob)
    assert told.value.reason == LoginReason.CERTIFICATE_REVOKED.value


async def test_a_revoked_intermediate_takes_all_below_it(house: TokenHouse) -> None:
    """The root's list names the issuing authority: no certificate that it made serves."""
    certified = await enrolled(house)
    house.house.clock.advance(timedelta(hours=1))
    gone = {house.issuer.certificate: x509.ReasonFlags.ca_compromise}
    await house.take(house.root.revoke(house.house.clock.now(), gone))
    assert await refused(house, certified.blob) is LoginReason.CERTIFICATE_REVOKED


async def test_a_key_that_was_compromised_is_not_saved_by_a_renewed_certificate(house: TokenHouse) -> None:
    """Revoked for its key: another certificate of that key serves no more; superseded, it does."""
    for reason, opens in (
        (x509.ReasonFlags.superseded, True),
        (x509.ReasonFlags.key_compromise, False),
    ):
        key = curve_key().public_key()
        old = house.certify(key)
        await house.enrol(old)
        await house.enrol(house.certify(key, days=700))
        house.house.clock.advance(timedelta(hours=1))
        now = house.house.clock.now()
        await house.take(house.root.revoke(now), house.issuer.revoke(now, {old.certificate: reason}))
        if opens:
            assert await house.sign(old.blob) is not None
        else:
            assert await refused(house, old.blob) is LoginReason.CERTIFICATE_REVOKED


async def test_without_a_fresh_list_nobody_enters_unless_the_hospital_says_so(house: TokenHouse) -> None:
    """No list, or a stale one: closed, with its reason. Told to accept, it opens and the journal says unchecked."""
    certified = house.certify()
    await house.enrol(certified)
    assert await refused(house, certified.blob) is LoginReason.CERTIFICATE_UNCHECKED
    await house.fresh_lists()
    assert await house.sign(certified.blob) is not None
    house.house.clock.advance(timedelta(days=8))
    assert await refused(house, certified.blob) is LoginReason.CERTIFICATE_UNCHECKED
    await house.anchors.change(
        house.administrator, house.house.hospital.id, house.anchor.id, when_stale=WhenStale.ACCEPT
    )
    assert await house.sign(certified.blob) is not None
    assert (house.last.detail or "").startswith("revocation unchecked")


async def test_a_stale_list_still_refuses_what_it_names(house: TokenHouse) -> None:
    """Accepting what cannot be checked never accepts what is known to be revoked."""
    certified = await enrolled(house)
    house.house.clock.advance(timedelta(hours=1))
    await house.take(house.issuer.revoke(house.house.clock.now(), {certified.certificate: None}))
    await house.anchors.change(
        house.administrator, house.house.hospital.id, house.anchor.id, when_stale=WhenStale.ACCEPT
    )
    house.house.clock.advance(timedelta(days=30))
    assert await refused(house, certified.blob) is LoginReason.CERTIFICATE_REVOKED


async def test_an_anchor_of_other_peoples_supplier_is_not_believed_about_her(house: TokenHouse) -> None:
    """Once the root stands for another population, or for nobody, her token lets her in no more."""
    certified = await enrolled(house)
    hospital = house.house.hospital.id
    await house.anchors.remove(house.administrator, hospital, house.anchor.id, reason="contrat fini")
    assert await refused(house, certified.blob) is LoginReason.CERTIFICATE_UNTRUSTED


async def test_what_could_not_log_in_is_not_enrolled(house: TokenHouse) -> None:
    """Another authority's, expired, a server's, without a key usage, a weak key, an authority: each told why."""
    now = house.house.clock.now()
    stranger = Authority("IGC Imagix racine", now)
    wrong = {
        "trust anchor": stranger.certify(curve_key().public_key(), now),
        "dates": house.certify(days=1, begins=timedelta(days=-5)),
        "clientAuth": house.certify(purposes=[ExtendedKeyUsageOID.SERVER_AUTH]),
        "digitalSignature": house.certify(key_usage=usage(crl=True)),
        "weak key": house.certify(rsa_key(1024).public_key()),
        "authority's": Certified(house.issuer.certificate, ()),
    }
    for told, certified in wrong.items():
        with pytest.raises(InvalidInput, match=told):
            await house.enrol(certified)
    with pytest.raises(InvalidInput, match="private key"):
        await house.certificates.enrol(
            house.administrator,
            house.house.hospital.id,
            (await house.house.person("alice")).id,
            house.issuer.key_pem,
        )


async def test_one_key_is_one_persons_whatever_certifies_it(house: TokenHouse) -> None:
    """E3: a key that bob has, plain or in a token, is nobody else's, and a token's key is no plain one besides."""
    certified = house.certify()
    await house.enrol(certified, "bob")
    with pytest.raises(Conflict, match="E3"):
        await house.enrol(house.certify(certified.certificate.public_key()), "alice")  # type: ignore[arg-type]  # an RSA key
    plain = curve_key().public_key()
    line = "ecdsa-sha2-nistp256 " + base64.b64encode(house.certify(plain).blob).decode()
    alice = (await house.house.person("alice")).id
    await house.people.add_key(alice, house.house.hospital.id, alice, line)
    with pytest.raises(Conflict, match="E3"):
        await house.enrol(house.certify(plain), "bob")
    with pytest.raises(Conflict, match="plain one"):
        await house.enrol(house.certify(plain), "alice")


async def test_a_token_key_without_its_certificate_is_no_plain_key(house: TokenHouse) -> None:
    """The key of a refused token opens nothing with a code either: it is not a key on file."""
    certified = house.certify()
    await house.enrol(certified)
    attempt = await house.house.login.begin("alice", "192.0.2.10")
    with pytest.raises(KeyUnfit):
        await attempt.key_proved(certified.blob)
    with pytest.raises(AuthenticationFailed):
        await attempt.check_code(house.house.code())
    assert attempt.factors == frozenset()


async def test_a_removed_key_takes_its_certificates_along(house: TokenHouse) -> None:
    """Taken away and enrolled again later, it starts from nothing."""
    certified = await enrolled(house)
    alice, hospital = (await house.house.person("alice")).id, house.house.hospital.id
    (held,) = await house.people.keys(alice, hospital, alice)
    await house.people.remove_key(house.administrator, hospital, alice, held.fingerprint)
    assert await house.certificates.list(house.administrator, hospital, alice) == []
    assert await refused(house, certified.blob) is LoginReason.UNKNOWN_KEY
    await house.enrol(certified)
    assert await house.sign(certified.blob) is not None


async def test_a_list_is_taken_from_its_issuer_alone_and_never_an_older_one(house: TokenHouse) -> None:
    """A forged list, one of another authority of that name, and one older than ours are refused, and change nothing."""
    certified = await enrolled(house)
    now = house.house.clock.now()
    forger = Authority("IGC Imagix racine", now).under("IGC Imagix personnes", now)
    with pytest.raises(InvalidInput, match="signed neither"):
        await house.take(forger.revoke(now + timedelta(hours=1), {certified.certificate: None}))
    with pytest.raises(Conflict, match="newer"):
        await house.take(house.issuer.revoke(now - timedelta(days=1)))
    with pytest.raises(InvalidInput, match="revocation list"):
        await house.take(b"junk")
    assert await house.sign(certified.blob) is not None


async def test_lists_are_fetched_where_the_anchor_says(house: TokenHouse) -> None:
    """The console fetches each address; one that fails or lies leaves the list before it in place."""
    certified = await enrolled(house)
    urls = ("http://pki.example/root", "http://pki.example/people", "http://pki.example/away")
    await house.anchors.change(house.administrator, house.house.hospital.id, house.anchor.id, crl_urls=urls)
    house.house.clock.advance(timedelta(days=6))
    now = house.house.clock.now()
    content = {
        urls[0]: house.root.revoke(now),
        urls[1]: house.issuer.revoke(now, {certified.certificate: None}),
    }

    async def fetch(url: str) -> bytes:
        if url not in content:
            raise OSError("nobody answers")
        return content[url]

    assert await house.anchors.refresh(house.house.hospital.id, fetch) == 2
    assert await house.anchors.refresh(house.house.hospital.id, fetch) == 0
    assert await refused(house, certified.blob) is LoginReason.CERTIFICATE_REVOKED


async def test_a_hospital_may_ask_for_the_code_besides(house: TokenHouse) -> None:
    """Token and code as one row: the token alone is half of it, and is looked at again with the code."""
    rows = [FactorRow(frozenset({Factor.TOKEN_CERTIFICATE, Factor.TOTP}), Level.HIGH)]
    service = FactorService(house.house.database, house.house.clock)
    await service.change(house.administrator, house.house.hospital.id, rows)
    certified = await enrolled(house)
    attempt = await house.house.login.begin("alice", "192.0.2.10")
    assert await attempt.key_proved(certified.blob) is None
    person = await attempt.check_code(house.house.code())
    assert person.login == "alice"
    assert house.last.factors == {Factor.TOKEN_CERTIFICATE, Factor.TOTP}


async def test_a_code_does_not_complete_a_token_revoked_since_it_signed(house: TokenHouse) -> None:
    """Where the hospital asks for token and code, what is known when the code comes counts, not when the key signed."""
    hospital = house.house.hospital.id
    row = FactorRow(frozenset({Factor.TOKEN_CERTIFICATE, Factor.TOTP}), Level.HIGH)
    await FactorService(house.house.database, house.house.clock).change(house.administrator, hospital, [row])
    certified = await enrolled(house)
    attempt = await house.house.login.begin("alice", SITE)
    assert await attempt.key_proved(certified.blob) is None
    house.house.clock.advance(timedelta(seconds=1))
    await house.take(house.issuer.revoke(house.house.clock.now(), {certified.certificate: None}))
    with pytest.raises(AuthenticationFailed):
        await attempt.check_code(house.house.code())
