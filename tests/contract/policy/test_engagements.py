"""The charter and the engagements: who has to accept which version before she comes in."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from policy.clock import ManualClock
from policy.domain.access import Denial, Grant, Held
from policy.domain.engagements import EngagementKind
from policy.domain.people import Language
from policy.errors import AuthenticationFailed, InvalidInput
from tests.support.policy_databases import copied_world
from tests.support.policy_world import World

ALL = {EngagementKind.CHARTER, EngagementKind.CONFIDENTIALITY, EngagementKind.ACTION_LIMIT}
WORDS = {"titles": dict.fromkeys(Language, "Charte"), "paragraphs": dict.fromkeys(Language, ("Une règle.",))}


@pytest.fixture
async def house(database_kind: str, clock: ManualClock, tmp_path: Path) -> AsyncIterator[World]:
    """The fixture hospital, which demands the texts: alice has accepted them."""
    async with copied_world(database_kind, tmp_path, clock, engagements=True) as made:
        yield made


def refused(answer: Grant | Denial) -> set[str]:
    """Return the codes of the rules that failed."""
    return set() if isinstance(answer, Grant) else {finding.code for finding in answer.failed}


async def test_who_accepted_the_texts_comes_in_and_the_grant_says_so(house: World) -> None:
    """A technician who accepted every text is let in, and which versions is among the findings of her grant."""
    grant = await house.grant()
    assert {(one.code, one.arguments["version"]) for one in grant.findings if "version" in one.arguments} == {
        ("S21", 1),
        ("C6", 1),
        ("C7", 1),
    }
    mine = await house.services.engagements.accepted(house.who("alice"), house.id, house.who("alice"))
    assert {one.kind for one in mine} == ALL
    assert {one.source for one in mine} == {"127.0.0.1"}


async def test_who_did_not_is_refused_by_each_rule(house: World) -> None:
    """Without acceptance, the charter, C6 and C7 refuse, and the next step is the technician's."""
    await house.add_window(people=["bob"])
    await house.services.people.invite(house.who("dsi"), house.id, house.who("bob"))
    answer = await house.services.access.decide(house.request("bob"))
    assert isinstance(answer, Denial)
    assert {"S21", "C6", "C7"} <= refused(answer)
    steps = {one.next_step for one in answer.failed if one.code in {"S21", "C6", "C7"}}
    assert steps == {"next.S21.accept", "next.C6.accept", "next.C7.accept"}


async def test_a_new_version_refuses_the_next_opening_and_cuts_nobody(house: World) -> None:
    """Who accepted the one before is refused from its effect on, not before; her live session goes on."""
    live = await house.grant()
    await house.services.access.session_opened(live, "gw1")
    at = house.clock.now()
    await house.services.engagements.publish(
        house.who("dsi"),
        house.id,
        EngagementKind.CONFIDENTIALITY,
        effective_at=at + timedelta(minutes=10),
        **WORDS,  # type: ignore[arg-type]  # both keys are the method's own
    )
    assert isinstance(await house.services.access.decide(house.request()), Grant)
    assert isinstance(house.clock, ManualClock)
    house.clock.advance(timedelta(minutes=10))
    assert refused(await house.services.access.decide(house.request())) == {"C6"}
    assert isinstance((await house.services.access.recheck([live]))[live.session_id], Held)


async def test_a_version_may_be_accepted_before_it_is_in_force(house: World) -> None:
    """Whoever signs in while the next version waits accepts that one, and nothing stops her when it comes."""
    at = house.clock.now()
    await house.services.engagements.publish(
        house.who("dsi"),
        house.id,
        EngagementKind.CHARTER,
        effective_at=at + timedelta(hours=1),
        **WORDS,  # type: ignore[arg-type]  # both keys are the method's own
    )
    shown = await house.services.visits.sign_in(
        house.id, "alice", house.passwords["alice"], house.code("alice"), "127.0.0.1"
    )
    waiting = (await house.services.visits.look(shown)).to_accept
    assert [(text.kind, text.version) for text in waiting] == [(EngagementKind.CHARTER, 2)]
    await house.services.visits.accept(shown, {EngagementKind.CHARTER: 2}, "192.0.2.7")
    assert isinstance(house.clock, ManualClock)
    house.clock.advance(timedelta(hours=1))
    assert isinstance(await house.services.access.decide(house.request()), Grant)


@pytest.mark.parametrize(
    "versions",
    [
        {},
        {EngagementKind.CHARTER: 1},
        {EngagementKind.CHARTER: 2, EngagementKind.CONFIDENTIALITY: 1, EngagementKind.ACTION_LIMIT: 1},
    ],
)
async def test_some_or_other_versions_are_no_acceptance(
    house: World, versions: dict[EngagementKind, int]
) -> None:
    """What was left out, or was replaced while she read, is not accepted on her behalf, and nothing is kept."""
    invited = await house.services.people.invite(house.who("dsi"), house.id, house.who("bob"))
    with pytest.raises(InvalidInput, match="every text"):
        await house.services.people.accept(invited.token, versions, "127.0.0.1")
    assert not await house.services.engagements.accepted(house.who("dsi"), house.id, house.who("bob"))


async def test_nothing_is_accepted_by_an_invitation_that_is_over(house: World) -> None:
    """An invitation out of date neither shows the texts nor takes an acceptance."""
    invited = await house.services.people.invite(house.who("dsi"), house.id, house.who("bob"))
    assert isinstance(house.clock, ManualClock)
    house.clock.advance(timedelta(days=8))
    with pytest.raises(AuthenticationFailed):
        await house.services.people.engagements(invited.token)
    with pytest.raises(AuthenticationFailed):
        await house.services.people.accept(invited.token, dict.fromkeys(ALL, 1), "127.0.0.1")


async def test_people_invited_before_are_not_asked(world: World) -> None:
    """Where the hospital did not demand the texts when she was invited, nothing of them is among her findings."""
    grant = await world.grant()
    assert not {"S21", "C6", "C7"} & {finding.code for finding in grant.findings}


async def test_staff_accept_nothing(house: World) -> None:
    """The texts are for those who intervene: an administrator is asked for none."""
    async with house.services.database.read() as view:
        assert not await view.engagements.demanded(house.id, house.who("dsi"))
        assert await view.engagements.demanded(house.id, house.who("alice"))


async def test_versions_count_on_and_old_ones_stay(house: World) -> None:
    """A text that is published is the next version; its words and their digest are kept for good."""
    dsi = house.who("dsi")
    first = await house.services.engagements.texts(dsi, house.id)
    assert {(text.kind, text.version) for text in first} == {(kind, 1) for kind in ALL}
    made = await house.services.engagements.publish(dsi, house.id, EngagementKind.CHARTER, **WORDS)  # type: ignore[arg-type]  # both keys are the method's own
    assert made.version == 2
    after = await house.services.engagements.texts(dsi, house.id)
    assert [text for text in after if text.version == 1] == list(first)
    assert made.digest not in {text.digest for text in first}
    with pytest.raises(InvalidInput, match="time to come"):
        await house.services.engagements.publish(
            dsi,
            house.id,
            EngagementKind.CHARTER,
            effective_at=house.clock.now() - timedelta(seconds=1),
            **WORDS,  # type: ignore[arg-type]  # both keys are the method's own
        )
    for wrong in (
        {"titles": {Language.FRENCH: "Charte"}, "paragraphs": WORDS["paragraphs"]},
        {"titles": WORDS["titles"], "paragraphs": dict.fromkeys(Language, ())},
        {"titles": WORDS["titles"], "paragraphs": dict.fromkeys(Language, ("deux\nlignes",))},
    ):
        with pytest.raises(InvalidInput):
            await house.services.engagements.publish(dsi, house.id, EngagementKind.CHARTER, **wrong)  # type: ignore[arg-type]  # wrong on purpose
