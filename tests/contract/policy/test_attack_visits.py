"""Two doors to one invitation: whoever read the link learns nothing of a secret that the other door gave, and plants none."""

from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest

from policy.clock import ManualClock
from policy.domain.mails import MailKind
from policy.domain.people import Role
from policy.errors import AuthenticationFailed
from policy.vault.secret import Secret
from tests.support.pki import Authority, rsa_key
from tests.support.policy_databases import copied_world
from tests.support.policy_world import World, host_key_line

HERE, ELSEWHERE = "127.0.0.1", "127.0.0.9"
HERS = Secret("trois loutres et un violon")
THEIRS = Secret("neuf hérissons sous un tilleul")


@pytest.fixture
async def house(database_kind: str, clock: ManualClock, tmp_path: Path) -> AsyncIterator[World]:
    """The fixture hospital, which mails."""
    async with copied_world(
        database_kind, tmp_path, clock, pages_url="https://bastion.example:8443", mails=True
    ) as made:
        yield made


async def invited(house: World) -> Secret:
    """Invite somebody new, and return her invitation."""
    people, dsi = house.services.people, house.who("dsi")
    person = await people.create(
        dsi,
        house.id,
        login="rosa",
        full_name="Rosa Simon",
        email="rosa@hospital.example",
        roles=frozenset({Role.SECURITY}),
    )
    return (await people.invite(dsi, house.id, person.id)).token


async def test_a_page_left_open_never_shows_what_the_command_line_gave(house: World) -> None:
    """Whoever read the link and waits on the page of the code does not see the secret that she is given elsewhere."""
    token = await invited(house)
    visits, people = house.services.visits, house.services.people
    reader = await visits.open(token, ELSEWHERE)
    await visits.choose_password(reader, THEIRS)
    given = await people.enrol(token, HERS)
    assert (await visits.look(reader)).enrolment is None
    with pytest.raises(AuthenticationFailed):
        await visits.confirm(reader, pyotp.TOTP(given.secret.reveal()).at(house.clock.now()))
    await people.confirm_totp(token, pyotp.TOTP(given.secret.reveal()).at(house.clock.now()))
    with pytest.raises(AuthenticationFailed):
        await visits.look(reader)


async def test_her_page_never_shows_a_secret_that_somebody_else_was_given(house: World) -> None:
    """A password and secret taken on the command line meanwhile send her page back to the password, and confirm nothing."""
    token = await invited(house)
    visits, people = house.services.visits, house.services.people
    hers = await visits.open(token, HERE)
    await visits.choose_password(hers, HERS)
    planted = await people.enrol(token, THEIRS)
    assert (await visits.look(hers)).enrolment is None
    with pytest.raises(AuthenticationFailed):
        await visits.confirm(hers, pyotp.TOTP(planted.secret.reveal()).at(house.clock.now()))


async def test_a_key_that_somebody_else_adds_is_told_to_its_bearer(house: World) -> None:
    """An administrator who plants a key of her own on a technician is read of in the technician's mail."""
    dsi, alice = house.who("dsi"), house.who("alice")
    await house.services.people.add_key(dsi, house.id, alice, host_key_line())
    mails = await house.services.mails.of_person(dsi, house.id, alice)
    assert MailKind.KEY_ADDED in {mail.kind for mail in mails}


async def test_a_token_under_an_authority_of_ones_own_is_told_to_its_bearer(house: World) -> None:
    """An administrator who believes an authority that she made, and certifies a key in another's name, is read of too."""
    dsi, alice = house.who("dsi"), house.who("alice")
    own = Authority("Made at home", house.clock.now())
    await house.services.anchors.add(dsi, house.id, name="home", certificate=own.pem)
    card = own.certify(rsa_key().public_key(), house.clock.now())
    await house.services.token_certificates.enrol(dsi, house.id, alice, card.pem)
    mails = await house.services.mails.of_person(dsi, house.id, alice)
    assert MailKind.KEY_ADDED in {mail.kind for mail in mails}
