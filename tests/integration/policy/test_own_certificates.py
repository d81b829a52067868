"""Certificates that people hand over themselves: theirs alone, and nobody's key is kept from its holder."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from policy.authn.x509_chains import handed_over
from policy.domain.certificates import TokenCertificate
from policy.domain.credentials import KeyKind
from policy.domain.factors import Factor
from policy.domain.ids import SupplierId, new_id
from policy.errors import AuthenticationFailed, Conflict, InvalidInput
from tests.support.pki import Certified, curve_key
from tests.support.token_house import TokenHouse, token_house

pytestmark = pytest.mark.integration


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[TokenHouse]:
    """A hospital that believes Imagix's root about everybody, with fresh lists."""
    async with token_house(tmp_path) as opened:
        await opened.trust()
        await opened.take(opened.root.revoke(opened.house.clock.now()))
        yield opened


async def hand_over(house: TokenHouse, certified: Certified, login: str = "alice") -> TokenCertificate:
    """Hand a certificate over as the person of that login."""
    person = await house.house.person(login)
    return await house.certificates.enrol_own(person.id, house.house.hospital.id, certified.pem)


async def called(house: TokenHouse, login: str, full_name: str, supplier: SupplierId | None = None) -> None:
    """Give the person of that login a full name, and an employer."""
    person = await house.house.person(login)
    async with house.house.database.unit_of_work(None, house.house.clock) as work:
        changed = replace(person, full_name=full_name, supplier_id=supplier or person.supplier_id)
        await work.people.update(changed)


async def kinds(house: TokenHouse, login: str) -> list[KeyKind]:
    """Return what the keys of that person count as."""
    person = await house.house.person(login)
    async with house.house.database.read() as view:
        return [key.kind for key in await view.credentials.ssh_keys(person.id)]


async def steal(house: TokenHouse, certified: Certified, login: str) -> None:
    """Have somebody put another's public key among hers: it is public, and nothing asks her to sign."""
    line = f"ecdsa-sha2-nistp256 {base64.b64encode(certified.blob).decode()}"
    await house.house.add_key(login, line)


async def test_a_certificate_that_names_her_lets_her_in(house: TokenHouse) -> None:
    """By the address in it: enrolled by herself, told in the journal, and in force at the next log-in."""
    certified = house.certify(
        curve_key().public_key(), name="RPPS 810001234567", email="Alice@imagix.example"
    )
    bound = await hand_over(house, certified)
    await house.take(house.issuer.revoke(house.house.clock.now()))
    assert await house.sign(certified.blob) is not None
    assert house.last.factors == {Factor.TOKEN_CERTIFICATE}
    async with house.house.database.read() as view:
        event = await view.outbox.latest(bound.hospital_id, ("person.token_added",))
    assert event is not None
    assert (event.actor, event.subject) == (bound.person_id, bound.person_id)


@pytest.mark.parametrize("name", ["Alice Martin", "MARTIN Alice", "Alice Martîn"])
async def test_a_name_that_is_hers_alone_is_enough(house: TokenHouse, name: str) -> None:
    """Whatever the accents, the capitals and the order."""
    await called(house, "alice", "Alice Martin")
    await hand_over(house, house.certify(curve_key().public_key(), name=name))


@pytest.mark.parametrize(
    ("name", "email"),
    [("Bob Durand", None), ("Alice", None), ("Alice Martin-Durand", None), ("Bob", "bob@imagix.example")],
)
async def test_another_persons_certificate_is_refused(
    house: TokenHouse, name: str, email: str | None
) -> None:
    """One that she holds, found or copied: it does not say that it is hers, and its own holder enrols it after."""
    await called(house, "alice", "Alice Martin")
    certified = house.certify(curve_key().public_key(), name=name, email=email)
    with pytest.raises(InvalidInput, match="does not say that it is yours"):
        await hand_over(house, certified)
    assert await kinds(house, "alice") == []
    await house.enrol(certified, "bob")


async def test_a_name_that_two_people_bear_names_neither(house: TokenHouse) -> None:
    """A homonym could take the other's: then the address decides."""
    await called(house, "alice", "Camille Petit")
    await called(house, "bob", "Camille Petit")
    key = curve_key().public_key()
    with pytest.raises(InvalidInput):
        await hand_over(house, house.certify(key, name="Camille Petit"))
    await hand_over(house, house.certify(key, name="Camille Petit", email="bob@imagix.example"), "bob")


async def test_whoever_put_her_key_among_his_keeps_nobody_out(house: TokenHouse) -> None:
    """Her public key is his plain one: her certificate takes it back, and it opens nothing for him any more."""
    certified = house.certify(curve_key().public_key(), email="alice@imagix.example")
    await steal(house, certified, "bob")
    await hand_over(house, certified)
    assert (await kinds(house, "alice"), await kinds(house, "bob")) == ([KeyKind.TOKEN], [])
    with pytest.raises(AuthenticationFailed):
        await house.sign(certified.blob, "bob")


async def test_an_authority_takes_no_key_from_another_suppliers_people(house: TokenHouse) -> None:
    """What is believed about her supplier alone says nothing about the key of somebody else's technician."""
    house_, other = house.house, SupplierId(new_id())
    alice, bob = await house_.person("alice"), await house_.person("bob")
    async with house_.database.unit_of_work(None, house_.clock) as work:
        imagix = await work.suppliers.get(alice.hospital_id, alice.supplier_id or other)
        await work.suppliers.insert(replace(imagix, id=other, name="SubTek", sites=()))
        await work.people.update(replace(bob, supplier_id=other))
    await house.anchors.remove(house.administrator, alice.hospital_id, house.anchor.id, reason="essai")
    await house.trust(supplier_id=alice.supplier_id)
    certified = house.certify(curve_key().public_key(), email="alice@imagix.example")
    await steal(house, certified, "bob")
    with pytest.raises(Conflict, match="in use"):
        await hand_over(house, certified)
    assert await kinds(house, "bob") == [KeyKind.PLAIN]


async def test_a_token_that_is_bound_to_somebody_stays_hers(house: TokenHouse) -> None:
    """What an administrator vouched for is taken from nobody by a certificate."""
    key = curve_key().public_key()
    await house.enrol(house.certify(key), "bob")
    with pytest.raises(Conflict, match="one key belongs to one person"):
        await hand_over(house, house.certify(key, email="alice@imagix.example"))


async def test_her_own_plain_key_becomes_a_token(house: TokenHouse) -> None:
    """She had handed over the public key first: the certificate makes more of it."""
    certified = house.certify(curve_key().public_key(), email="alice@imagix.example")
    await steal(house, certified, "alice")
    await hand_over(house, certified)
    assert await kinds(house, "alice") == [KeyKind.TOKEN]


@pytest.mark.parametrize("form", ["pem", "der", "p7b", "p7b-pem"])
async def test_a_certificate_is_read_in_the_forms_that_it_comes_in(house: TokenHouse, form: str) -> None:
    """PEM with its chain, DER with the chain beside it, and PKCS #7 in whatever order."""
    certified = house.certify(curve_key().public_key(), email="alice@imagix.example")
    own, chain = certified.certificate, certified.intermediates
    beside = "".join(one.public_bytes(Encoding.PEM).decode() for one in chain)
    content, more = {
        "pem": (certified.pem.encode(), ""),
        "der": (own.public_bytes(Encoding.DER), beside),
        "p7b": (pkcs7.serialize_certificates([*chain, own], Encoding.DER), ""),
        "p7b-pem": (pkcs7.serialize_certificates([*chain, own], Encoding.PEM), ""),
    }[form]
    pem = handed_over(content, more)
    assert pem is not None
    alice = await house.house.person("alice")
    bound = await house.certificates.enrol_own(alice.id, alice.hospital_id, pem)
    assert bound.subject == "CN=Alice Martin"


def test_what_is_no_certificate_is_told_from_one_that_is_damaged() -> None:
    """A public key's line is none; bytes that begin like one and are not are refused."""
    assert handed_over(b"ssh-ed25519 AAAA alice") is None
    assert handed_over(b"") is None
    with pytest.raises(InvalidInput, match="damaged"):
        handed_over(b"\x30\x82\x01\x00" + b"x" * 40)
