"""People, their enrolment and their tokens."""

import asyncio
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policy.clock import ManualClock
from policy.domain.ids import SupplierId
from policy.domain.people import Person, Role
from policy.errors import AuthenticationFailed, Conflict, Forbidden, InvalidInput, LockedOut, NotFound
from policy.services.people import Invited
from policy.vault.secret import Secret
from tests.support.policy_world import World

GOOD = Secret("une phrase assez longue pour entrer")


def public_line() -> str:
    """Return the public line of a fresh key."""
    public = Ed25519PrivateKey.generate().public_key()
    form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return public.public_bytes(*form).decode()


async def create(world: World, **changes: Any) -> Person:
    """Create a planner called carole, with *changes*."""
    wanted: dict[str, Any] = {
        "login": "carole",
        "full_name": "Carole Lenoir",
        "email": "carole.lenoir@hopital.example",
        "roles": frozenset({Role.PLANNER}),
    }
    return await world.services.people.create(world.who("dsi"), world.id, **(wanted | changes))


async def invited(world: World) -> Invited:
    """Return bob's invitation."""
    return await world.services.people.invite(world.who("dsi"), world.id, world.who("bob"))


@pytest.mark.parametrize(
    "email",
    ["info@imagix.example", "Support@imagix.example", "admin2@imagix.example", "contact+alice@imagix.example",
     "service@imagix.example", "no-reply@imagix.example"],
)  # fmt: skip
async def test_a_mailbox_that_several_people_read_is_refused(world: World, email: str) -> None:
    """A generic address belongs to nobody in particular (E3, S36)."""
    with pytest.raises(InvalidInput, match="shared mailbox"):
        await create(world, email=email)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("login", {"login": "Carole"}),
        ("login", {"login": "carole+scan01"}),
        ("login", {"login": "-oProxyCommand=x"}),
        ("full_name", {"full_name": ""}),
        ("full_name", {"full_name": "Carole\u202egnp.exe"}),
        ("email", {"email": "carole"}),
        ("email", {"email": "carole@hopital.example, eve@elsewhere.example"}),
        ("roles", {"roles": frozenset()}),
        ("roles", {"roles": frozenset({Role.TECHNICIAN})}),
        ("roles", {"roles": frozenset({Role.TECHNICIAN, Role.PLANNER}), "supplier_id": "own"}),
        ("supplier_id", {"supplier_id": "own"}),
    ],
)
async def test_a_person_who_makes_no_sense_is_refused_by_field(
    world: World, field: str, changes: dict[str, Any]
) -> None:
    """Names, addresses and roles are checked; a technician has a supplier and no other role, staff have none."""
    if "supplier_id" in changes:
        changes = {**changes, "supplier_id": world.supplier.id}
    with pytest.raises(InvalidInput) as refusal:
        await create(world, **changes)
    assert refusal.value.field == field


async def test_one_login_and_one_address_belong_to_one_person(world: World) -> None:
    """A second person of the same login, or the same address in capitals, is a Conflict; an unknown supplier is not found."""
    await create(world)
    with pytest.raises(Conflict):
        await create(world, email="other@hopital.example")
    with pytest.raises(Conflict):
        await create(world, login="caro", email="CAROLE.LENOIR@hopital.example")
    with pytest.raises(NotFound):
        await create(world, login="sam", roles=frozenset({Role.TECHNICIAN}), supplier_id=SupplierId("0" * 32))


async def test_a_person_enrols_and_logs_in(world: World, clock: ManualClock) -> None:
    """Invitation, password, first code: then she logs in with the next code, and the invitation is used up."""
    invitation = await invited(world)
    enrolment = await world.services.people.enrol(invitation.token, GOOD)
    assert enrolment.uri.startswith("otpauth://totp/")
    code = pyotp.TOTP(enrolment.secret.reveal()).at(clock.now())
    assert not await world.services.people.enrolled(world.who("dsi"), world.id, world.who("bob"))
    await world.services.people.confirm_totp(invitation.token, code)
    assert await world.services.people.enrolled(world.who("dsi"), world.id, world.who("bob"))
    attempt = await world.services.login.begin("bob", "127.0.0.1", hospital_id=world.id)
    with pytest.raises(AuthenticationFailed):
        await attempt.check_password_and_code(GOOD, code)
    clock.advance(timedelta(seconds=30))
    code = pyotp.TOTP(enrolment.secret.reveal()).at(clock.now())
    attempt = await world.services.login.begin("bob", "127.0.0.1", hospital_id=world.id)
    assert (await attempt.check_password_and_code(GOOD, code)).login == "bob"
    for refused in (
        world.services.people.enrol(invitation.token, GOOD),
        world.services.people.confirm_totp(invitation.token, code),
    ):
        with pytest.raises(AuthenticationFailed):
            await refused


async def test_before_the_first_code_nobody_logs_in(world: World, clock: ManualClock) -> None:
    """Password chosen, secret shown, code not confirmed: no log-in, even with the right code."""
    enrolment = await world.services.people.enrol((await invited(world)).token, GOOD)
    attempt = await world.services.login.begin("bob", "127.0.0.1", hospital_id=world.id)
    with pytest.raises(AuthenticationFailed):
        await attempt.check_password_and_code(GOOD, pyotp.TOTP(enrolment.secret.reveal()).at(clock.now()))


async def test_enrolling_again_makes_the_secret_shown_before_worthless(
    world: World, clock: ManualClock
) -> None:
    """A screen lost before the code was confirmed is replaced; the old secret's code confirms nothing."""
    token = (await invited(world)).token
    first = await world.services.people.enrol(token, GOOD)
    second = await world.services.people.enrol(token, GOOD)
    with pytest.raises(AuthenticationFailed):
        await world.services.people.confirm_totp(token, pyotp.TOTP(first.secret.reveal()).at(clock.now()))
    await world.services.people.confirm_totp(token, pyotp.TOTP(second.secret.reveal()).at(clock.now()))


async def test_an_invitation_ends_and_a_newer_one_voids_it(world: World, clock: ManualClock) -> None:
    """Over after seven days, void after the next one, worthless for anybody else or with a letter changed."""
    first, second = await invited(world), await invited(world)
    assert second.expires_at == clock.now() + timedelta(days=7)
    tampered = second.token.reveal()[:-1] + ("a" if second.token.reveal()[-1] != "a" else "b")
    for token in (first.token, Secret(tampered), Secret(""), Secret("eclinv_x"), world.account_secret):
        with pytest.raises(AuthenticationFailed):
            await world.services.people.enrol(token, GOOD)
    with pytest.raises(InvalidInput):
        await world.services.people.enrol(second.token, Secret("court"))
    clock.advance(timedelta(days=7))
    with pytest.raises(AuthenticationFailed):
        await world.services.people.enrol(second.token, GOOD)


async def test_two_who_hold_one_invitation_do_not_both_enrol(world: World, clock: ManualClock) -> None:
    """Of two confirmations at once, with different codes of one secret, exactly one is heard."""
    token = (await invited(world)).token
    totp = pyotp.TOTP((await world.services.people.enrol(token, GOOD)).secret.reveal())
    answers = await asyncio.gather(
        world.services.people.confirm_totp(token, totp.at(clock.now())),
        world.services.people.confirm_totp(token, totp.at(clock.now() - timedelta(seconds=30))),
        return_exceptions=True,
    )
    assert sorted(isinstance(answer, AuthenticationFailed) for answer in answers) == [False, True]


async def test_renewed_credentials_serve_no_longer(world: World, clock: ManualClock) -> None:
    """After a reset the old password, codes, keys and tokens are worthless at once; an invitation is due."""
    people, dsi, alice = world.services.people, world.who("dsi"), world.who("denis")
    await people.add_key(dsi, world.id, alice, public_line())
    token = await world.services.tokens.issue(
        world.people["denis"], frozenset({Role.PLANNER}), timedelta(hours=1), "poste"
    )
    with pytest.raises(Conflict):
        await people.invite(dsi, world.id, alice)
    await people.renew(dsi, world.id, alice, reason="téléphone perdu")
    attempt = await world.services.login.begin("denis", "127.0.0.1", hospital_id=world.id)
    with pytest.raises(AuthenticationFailed):
        await attempt.check_password_and_code(world.passwords["denis"], world.code("denis"))
    with pytest.raises(AuthenticationFailed):
        await world.services.tokens.authenticate(token)
    assert await people.keys(dsi, world.id, alice) == []


async def test_a_key_belongs_to_one_person(world: World) -> None:
    """Bob cannot have alice's key (E3); a person adds and removes her own; weak or private keys are refused."""
    people, line = world.services.people, public_line()
    key = await people.add_key(world.who("alice"), world.id, world.who("alice"), f"{line} alice@poste")
    assert (
        key.label,
        [one.fingerprint for one in await people.keys(world.who("alice"), world.id, world.who("alice"))],
    ) == (
        "alice@poste",
        [key.fingerprint],
    )
    cursor, _ = await world.services.access.changes_since(None)
    with pytest.raises(Conflict):
        await people.add_key(world.who("dsi"), world.id, world.who("bob"), line)
    with pytest.raises(Conflict):
        await people.add_key(world.who("alice"), world.id, world.who("alice"), line)
    _, [contested] = await world.services.access.changes_since(cursor)
    assert (contested.name, contested.subject) == ("person.key_contested", world.who("bob"))
    assert contested.after["held_by"] == world.who("alice")
    with pytest.raises(Forbidden):
        await people.add_key(world.who("bob"), world.id, world.who("alice"), public_line())
    with pytest.raises(InvalidInput):
        await people.add_key(world.who("dsi"), world.id, world.who("bob"), "ssh-dss AAAAB3NzaC1kc3MAAACB")
    await people.remove_key(world.who("alice"), world.id, world.who("alice"), key.fingerprint)
    with pytest.raises(NotFound):
        await people.remove_key(world.who("alice"), world.id, world.who("alice"), key.fingerprint)


async def test_unlocking_forgets_the_failures(world: World) -> None:
    """After three failures she is locked out from there; unlocked, she is heard at once."""
    for _ in range(3):
        attempt = await world.services.login.begin("alice", "127.0.0.1", hospital_id=world.id)
        with pytest.raises(AuthenticationFailed):
            await attempt.check_password_and_code(Secret("wrong"), "000000")
    attempt = await world.services.login.begin("alice", "127.0.0.1", hospital_id=world.id)
    with pytest.raises(LockedOut):
        await attempt.check_password_and_code(world.passwords["alice"], world.code("alice"))
    await world.services.people.unlock(world.who("rssi"), world.id, world.who("alice"))
    attempt = await world.services.login.begin("alice", "127.0.0.1", hospital_id=world.id)
    person = await attempt.check_password_and_code(world.passwords["alice"], world.code("alice"))
    assert person.login == "alice"


async def test_the_last_administrator_cannot_be_suspended(world: World) -> None:
    """Suspending one of two administrators is heard, suspending the other is a Conflict: nobody could undo it."""
    people = world.services.people
    await people.suspend(world.who("rssi"), world.id, world.who("dsi"), reason="départ")
    with pytest.raises(Conflict):
        await people.suspend(world.who("rssi"), world.id, world.who("denis"), reason="départ")


async def test_a_token_says_who_and_does_no_more_than_she_may(world: World, clock: ManualClock) -> None:
    """A token gives its roles while its person has them, until it ends or is revoked."""
    tokens, denis = world.services.tokens, world.people["denis"]
    token = await tokens.issue(denis, frozenset({Role.PLANNER}), timedelta(hours=1), "poste")
    principal = await tokens.authenticate(token)
    assert (principal.person, principal.roles) == (denis, frozenset({Role.PLANNER}))
    assert denis.login not in repr(token)
    with pytest.raises(Forbidden):
        await tokens.issue(denis, frozenset({Role.SECURITY}), timedelta(hours=1), "poste")
    for ttl in (timedelta(0), timedelta(days=400)):
        with pytest.raises(InvalidInput):
            await tokens.issue(denis, frozenset({Role.PLANNER}), ttl, "poste")
    for wrong in (Secret(token.reveal()[:-1]), Secret("ecltok_"), (await invited(world)).token):
        with pytest.raises(AuthenticationFailed):
            await tokens.authenticate(wrong)
    second = await tokens.issue(denis, frozenset({Role.PLANNER}), timedelta(hours=1), "poste")
    await tokens.revoke(second)
    with pytest.raises(AuthenticationFailed):
        await tokens.authenticate(second)
    await tokens.authenticate(token)
    clock.advance(timedelta(hours=1))
    with pytest.raises(AuthenticationFailed):
        await tokens.authenticate(token)


@pytest.mark.parametrize("whose", ["person", "supplier"])
async def test_a_suspension_ends_tokens_for_good(world: World, whose: str) -> None:
    """From the next request on her token opens nothing, not even once she, or her supplier, is let in again."""
    people, suppliers, tokens = world.services.people, world.services.suppliers, world.services.tokens
    login, rssi = ("denis", world.who("rssi")) if whose == "person" else ("alice", world.who("rssi"))
    token = await tokens.issue(world.people[login], frozenset(), timedelta(hours=1), "poste")
    await tokens.authenticate(token)
    if whose == "person":
        await people.suspend(rssi, world.id, world.who(login), reason="départ")
    else:
        await suppliers.suspend(rssi, world.id, world.supplier.id, reason="incident")
    with pytest.raises(AuthenticationFailed):
        await tokens.authenticate(token)
    with pytest.raises(Forbidden):
        await tokens.issue(world.people[login], frozenset(), timedelta(hours=1), "poste")
    if whose == "person":
        await people.resume(rssi, world.id, world.who(login), reason="retour")
    else:
        await suppliers.resume(rssi, world.id, world.supplier.id, reason="réglé")
    with pytest.raises(AuthenticationFailed):
        await tokens.authenticate(token)


async def test_a_suspension_ends_the_pages_left_open(world: World) -> None:
    """A browser on her account's page is shown nothing after a suspension that was taken back."""
    visits, people, alice = world.services.visits, world.services.people, world.who("alice")
    shown = await visits.sign_in(
        world.id, "alice", world.passwords["alice"], world.code("alice"), "127.0.0.1"
    )
    await visits.look(shown)
    await people.suspend(world.who("rssi"), world.id, alice, reason="départ")
    await people.resume(world.who("rssi"), world.id, alice, reason="retour")
    with pytest.raises(AuthenticationFailed):
        await visits.look(shown)
