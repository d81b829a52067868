"""Visits, recovery codes, codes told by voice and mails, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest

from policy.clock import ManualClock
from policy.domain.mails import MailKind, MailState
from policy.domain.people import Role
from policy.errors import AuthenticationFailed, LockedOut, MailRefused
from policy.services.mails import Letter
from policy.vault.secret import Secret
from tests.support.policy_databases import copied_world
from tests.support.policy_world import World

HERE = "127.0.0.1"
GOOD = Secret("trois loutres et un violon")


@pytest.fixture
async def house(database_kind: str, clock: ManualClock, tmp_path: Path) -> AsyncIterator[World]:
    """The fixture hospital, which mails."""
    async with copied_world(
        database_kind, tmp_path, clock, pages_url="https://bastion.example:8443", mails=True
    ) as made:
        yield made


class Letterbox:
    """Takes letters, or refuses them."""

    def __init__(self) -> None:
        """Take them."""
        self.letters: list[Letter] = []
        self.refusal: str | None = None

    async def send(self, letter: Letter) -> None:
        """Take one; raises MailRefused where told to."""
        if self.refusal is not None:
            raise MailRefused(self.refusal)
        self.letters.append(letter)


async def codes_of(house: World, login: str = "alice") -> list[str]:
    """Give somebody recovery codes, and return them."""
    visits, clock = house.services.visits, house.clock
    assert isinstance(clock, ManualClock)
    shown = await visits.sign_in(house.id, login, house.passwords[login], house.code(login), HERE)
    codes = [code.reveal() for code in await visits.make_codes(shown)]
    clock.advance(timedelta(minutes=1))
    return codes


async def test_a_recovery_code_serves_once_however_many_show_it_at_once(house: World) -> None:
    """Of five that come with the same code and the right password together, one gets in."""
    code = (await codes_of(house))[0]
    password = house.passwords["alice"]
    answers = await asyncio.gather(
        *(
            house.services.visits.lost_phone(house.id, "alice", password, code, f"192.0.2.{number}")
            for number in range(1, 6)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, Secret) for answer in answers) == 1
    assert all(isinstance(answer, Secret | AuthenticationFailed) for answer in answers)


async def test_codes_made_again_replace_those_before(house: World) -> None:
    """Only the last codes serve, and they are another person's of no use."""
    old = await codes_of(house)
    new = await codes_of(house)
    assert not set(old) & set(new)
    password, visits = house.passwords["alice"], house.services.visits
    with pytest.raises(AuthenticationFailed):
        await visits.lost_phone(house.id, "alice", password, old[0], HERE)
    with pytest.raises(AuthenticationFailed):
        await visits.lost_phone(house.id, "dsi", house.passwords["dsi"], new[0], HERE)
    await visits.look(await visits.lost_phone(house.id, "alice", password, new[0], HERE))


async def test_guessing_recovery_codes_locks_as_any_log_in(house: World) -> None:
    """Three failures lock the pair at every door; a right code is not even looked at while it lasts."""
    codes = await codes_of(house)
    visits, password = house.services.visits, house.passwords["alice"]
    for number in range(3):
        with pytest.raises(AuthenticationFailed):
            await visits.lost_phone(house.id, "alice", password, "AAAA-BBBB-CCCC-DDD" + "234"[number], HERE)
    with pytest.raises(LockedOut):
        await visits.lost_phone(house.id, "alice", password, codes[0], HERE)
    with pytest.raises(LockedOut):
        await visits.lost_password(house.id, "alice", house.code("alice"), codes[0], HERE)
    with pytest.raises(LockedOut):
        await visits.sign_in(house.id, "alice", password, house.code("alice"), HERE)
    assert isinstance(house.clock, ManualClock)
    house.clock.advance(timedelta(minutes=2))
    await visits.look(await visits.lost_phone(house.id, "alice", password, codes[0], HERE))


async def test_a_one_time_code_spent_on_a_lost_password_is_spent(house: World) -> None:
    """The telephone's code serves once here too, and the recovery code is not used up by a wrong one."""
    codes = await codes_of(house)
    visits, code = house.services.visits, house.code("alice")
    with pytest.raises(AuthenticationFailed):
        await visits.lost_password(house.id, "alice", "000000", codes[0], HERE)
    await visits.look(await visits.lost_password(house.id, "alice", code, codes[0], HERE))
    with pytest.raises(AuthenticationFailed):
        await visits.lost_password(house.id, "alice", code, codes[1], HERE)


@pytest.mark.parametrize("typed", ["", "?", "alice", "Ａlice", "x" * 500, "nobody"])
async def test_unknown_people_are_refused_alike(house: World, typed: str) -> None:
    """Whoever does not exist, has no codes or cannot be a login is refused as a wrong code is."""
    visits, code = house.services.visits, "AAAA-BBBB-CCCC-DDDD"
    with pytest.raises(AuthenticationFailed, match=r"^authentication failed$"):
        await visits.lost_phone(house.id, typed, GOOD, code, HERE)
    with pytest.raises(AuthenticationFailed, match=r"^authentication failed$"):
        await visits.lost_password(house.id, typed, "000000", code, HERE)


async def test_a_suspended_person_recovers_nothing(house: World) -> None:
    """Suspended in the middle of a visit, she goes no further; nor does a recovery code begin another."""
    codes = await codes_of(house)
    visits = house.services.visits
    shown = await visits.sign_in(house.id, "alice", house.passwords["alice"], house.code("alice"), HERE)
    await house.services.people.suspend(house.who("dsi"), house.id, house.who("alice"), reason="départ")
    with pytest.raises(AuthenticationFailed):
        await visits.look(shown)
    with pytest.raises(AuthenticationFailed):
        await visits.lost_phone(house.id, "alice", house.passwords["alice"], codes[0], HERE)


async def test_a_visit_ends_by_itself_and_in_another_hospital_is_none(house: World) -> None:
    """After an hour, at the invitation's end if that is sooner, it is over."""
    visits, clock = house.services.visits, house.clock
    assert isinstance(clock, ManualClock)
    invited = await house.services.people.invite(house.who("dsi"), house.id, house.who("bob"))
    shown = await visits.open(invited.token, HERE)
    clock.advance(timedelta(minutes=59))
    await visits.look(shown)
    clock.advance(timedelta(minutes=1))
    with pytest.raises(AuthenticationFailed):
        await visits.look(shown)
    clock.advance(timedelta(days=6, hours=22, minutes=30))
    last = await visits.open(invited.token, HERE)
    clock.advance(timedelta(minutes=30))
    with pytest.raises(AuthenticationFailed):
        await visits.look(last)


async def test_a_new_invitation_ends_the_visits_of_the_one_before(house: World) -> None:
    """What was begun by an invitation that is void goes no further."""
    people, visits, dsi, bob = (
        house.services.people,
        house.services.visits,
        house.who("dsi"),
        house.who("bob"),
    )
    first = await people.invite(dsi, house.id, bob)
    shown = await visits.open(first.token, HERE)
    await visits.choose_password(shown, GOOD)
    await people.invite(dsi, house.id, bob)
    with pytest.raises(AuthenticationFailed):
        await visits.look(shown)
    with pytest.raises(AuthenticationFailed):
        await visits.choose_password(shown, GOOD)


async def test_a_visit_does_only_what_began_it(house: World) -> None:
    """Signing in allows neither another password nor another telephone; a lost password no other telephone."""
    codes = await codes_of(house)
    visits = house.services.visits
    account = await visits.sign_in(house.id, "alice", house.passwords["alice"], house.code("alice"), HERE)
    for wrong in (visits.choose_password(account, GOOD), visits.confirm(account, house.code("alice"))):
        with pytest.raises(AuthenticationFailed):
            await wrong
    assert isinstance(house.clock, ManualClock)
    house.clock.advance(timedelta(minutes=1))
    forgotten = await visits.lost_password(house.id, "alice", house.code("alice"), codes[0], HERE)
    for unproved in (visits.confirm(forgotten, "000000"), visits.make_codes(forgotten)):
        with pytest.raises(AuthenticationFailed):
            await unproved


async def test_somebody_who_enrolled_without_texts_is_asked_by_the_next_renewal(house: World) -> None:
    """A renewal is an invitation: whoever takes it up with her new telephone comes in again."""
    renewed = await house.services.people.renew(
        house.who("dsi"), house.id, house.who("alice"), reason="téléphone perdu"
    )
    assert renewed.spoken_code is not None
    visits, people = house.services.visits, house.services.people
    with pytest.raises(AuthenticationFailed):
        await people.enrol(renewed.token, GOOD)
    shown = await visits.open(renewed.token, HERE)
    assert (await visits.look(shown)).spoken
    await visits.choose_password(shown, GOOD, renewed.spoken_code.reveal())
    enrolment = (await visits.look(shown)).enrolment
    assert enrolment is not None
    await visits.confirm(shown, pyotp.TOTP(enrolment.secret.reveal()).at(house.clock.now()))


async def test_mails_leave_once_and_their_links_are_forgotten(house: World) -> None:
    """A mail is sent once, tells its link, and nothing of the link is left in the store."""
    box = Letterbox()
    while await house.services.mails.deliver(house.id, box.send):
        pass
    box.letters.clear()
    invited = await house.services.people.invite(house.who("dsi"), house.id, house.who("bob"))
    assert invited.mail_id is not None
    assert invited.link is not None
    assert invited.spoken_code is None
    await house.services.mails.deliver(house.id, box.send)
    assert await house.services.mails.deliver(house.id, box.send) == 0
    (letter,) = box.letters
    assert letter.kind is MailKind.INVITATION
    assert letter.link == invited.link
    assert letter.recipient.login == "bob"
    assert await house.services.mails.state(house.id, invited.mail_id) == (MailState.SENT, "")
    async with house.services.database.read() as view:
        mail = await view.mails.find(house.id, invited.mail_id)
    assert mail is not None
    assert mail.sealed is None
    assert invited.token.reveal() not in repr(mail)


async def test_a_refused_mail_is_tried_again_later_and_later_until_its_time_is_over(house: World) -> None:
    """Nothing is lost by a server that is down; after three days the planner reads that it was given up."""
    box = Letterbox()
    while await house.services.mails.deliver(house.id, box.send):
        pass
    box.letters.clear()
    box.refusal = "451 later"
    invited = await house.services.people.invite(house.who("dsi"), house.id, house.who("bob"))
    assert invited.mail_id is not None
    clock, mails = house.clock, house.services.mails
    assert isinstance(clock, ManualClock)
    pauses = []
    for _ in range(3):
        assert await mails.deliver(house.id, box.send) == 1
        assert await mails.deliver(house.id, box.send) == 0
        async with house.services.database.read() as view:
            mail = await view.mails.find(house.id, invited.mail_id)
        assert mail is not None
        pauses.append(mail.next_try_at - clock.now())
        clock.advance(pauses[-1])
    assert pauses == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert await mails.state(house.id, invited.mail_id) == (MailState.WAITING, "451 later")
    clock.advance(timedelta(days=3))
    await mails.deliver(house.id, box.send)
    assert (await mails.state(house.id, invited.mail_id))[0] is MailState.ABANDONED
    box.refusal = None
    clock.advance(timedelta(days=1))
    assert await mails.deliver(house.id, box.send) == 0
    shown = await mails.of_person(house.who("dsi"), house.id, house.who("bob"))
    assert [one.state for one in shown] == [MailState.ABANDONED]


async def test_two_consoles_do_not_send_the_same_mail(house: World) -> None:
    """Two that empty the queue at once send each mail once."""
    await house.services.people.invite(house.who("dsi"), house.id, house.who("bob"))
    boxes = (Letterbox(), Letterbox())
    mails = house.services.mails
    await asyncio.gather(*(mails.deliver(house.id, box.send) for box in boxes))
    sent = [letter.id for box in boxes for letter in box.letters]
    assert len(sent) == len(set(sent))


async def test_a_link_that_waits_survives_the_rotation_of_keys(house: World) -> None:
    """A mail queued before the vault's keys were rotated opens afterwards."""
    box = Letterbox()
    invited = await house.services.people.invite(house.who("dsi"), house.id, house.who("bob"))
    await house.services.vault.rotate()
    while await house.services.mails.deliver(house.id, box.send):
        pass
    assert invited.link in [letter.link for letter in box.letters]


async def test_the_referent_is_told_with_the_person_and_administrators_where_there_is_none(
    house: World,
) -> None:
    """Who has the security role reads of it; where nobody active has, the administrators do."""
    box = Letterbox()
    while await house.services.mails.deliver(house.id, box.send):
        pass
    enrolments = [letter for letter in box.letters if letter.kind is MailKind.ENROLLED]
    told = {letter.recipient.login for letter in enrolments if letter.subject.login == "alice"}
    assert told == {"alice", "rssi"}
    first = {letter.recipient.login for letter in enrolments if letter.subject.login == "dsi"}
    assert first == {"dsi", "denis"}
    assert all(letter.link is None for letter in enrolments)
    assert Role.SECURITY in house.people["rssi"].roles
