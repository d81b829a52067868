"""C6, C7 and the charter at the gateway's door: who has not accepted the version in force opens nothing."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from policy.domain.engagements import EngagementKind
from policy.domain.people import Language
from policy.services.engagements import demand_in
from tests.support.bastion import Bastion, running_bastion

pytestmark = pytest.mark.integration


@pytest.fixture
async def bastion(tmp_path: Path) -> AsyncIterator[Bastion]:
    """A running bastion whose hospital begins to demand the texts of alice."""
    async with running_bastion(tmp_path) as running:
        world = running.world
        async with world.services.database.unit_of_work(None, world.clock) as work:
            await demand_in(work, world.people["alice"], world.clock.now())
        yield running


async def accept(bastion: Bastion) -> None:
    """Let alice sign in to the pages and accept what waits for her."""
    world = bastion.world
    bastion.clock.advance(timedelta(seconds=30))
    visits = world.services.visits
    shown = await visits.sign_in(
        world.id, "alice", world.passwords["alice"], world.code("alice"), "127.0.0.1"
    )
    waiting = (await visits.look(shown)).to_accept
    await visits.accept(shown, {text.kind: text.version for text in waiting}, "127.0.0.1")


async def test_terminal_and_files_are_refused_until_the_texts_are_accepted(bastion: Bastion) -> None:
    """Each rule is named with its next step; accepted on the pages, the same commands open without anybody's help."""
    world = bastion.world
    for login in ("alice+scan01", "alice+scan01+maint"):
        ended = await bastion.client.ssh(login, "id", answers=bastion.answers())
        assert ended.rc == 1
        for code in ("S21", "PGSSIS-C6", "PGSSIS-C7"):
            assert code in ended.said
        assert "Mon compte" in ended.said
    assert bastion.sessions() == []
    await accept(bastion)
    opened = await bastion.client.ssh("alice+scan01", "echo ouvert", answers=bastion.answers())
    assert (opened.rc, b"ouvert" in opened.stdout) == (0, True), opened.said
    await world.services.engagements.publish(
        world.who("dsi"),
        world.id,
        EngagementKind.CONFIDENTIALITY,
        titles=dict.fromkeys(Language, "Confidentialité"),
        paragraphs=dict.fromkeys(Language, ("Une règle de plus.",)),
    )
    again = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
    assert again.rc == 1
    assert "PGSSIS-C6" in again.said
    assert "version 2" in again.said
    assert "PGSSIS-C7" not in again.said
    await accept(bastion)
    last = await bastion.client.ssh("alice+scan01", "echo ouvert", answers=bastion.answers())
    assert last.rc == 0, last.said
