"""Second connections within one code's life, as WinSCP and FileZilla open them, with the stock client."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest

from policy.domain.access import RevocationScope
from recorder.replay.reader import TraceReader
from tests.support.bastion import Bastion, running_bastion
from tests.support.traces import stored

pytestmark = pytest.mark.integration


@pytest.fixture
async def bastion(tmp_path: Path) -> AsyncIterator[Bastion]:
    """A bastion of a hospital that allows two further connections within a minute."""
    async with running_bastion(tmp_path) as made:
        world = made.world
        await world.services.hospitals.allow_continuations(
            world.who("dsi"), world.id, seconds=60, connections=2
        )
        yield made


def factors_of(bastion: Bastion) -> list[list[str]]:
    """Return the factors that the closed traces' headers name, one list a trace, sorted."""
    found = []
    for session in bastion.sessions():
        with TraceReader(stored(bastion.recorder, bastion.world.id, session)) as reader:
            found.append(sorted(reader.header.factors))
    return sorted(found)


async def test_a_code_is_accepted_again_and_every_record_says_so(bastion: Bastion) -> None:
    """The same password and code let two more connections in, told apart in trace and journal; the fourth fails."""
    answers = bastion.answers()
    for _ in range(3):
        ended = await bastion.client.ssh("alice+scan01", "echo in", answers=answers)
        assert (ended.rc, ended.stdout) == (0, b"in\n"), ended.said
    refused = await bastion.client.ssh("alice+scan01", "echo in", answers=answers)
    assert refused.rc == 255
    await bastion.closed()
    assert factors_of(bastion) == [
        ["continued-code", "password"],
        ["continued-code", "password"],
        ["password", "totp"],
    ]
    entries = [dict(one.event.details) for one in await bastion.events("authentication.succeeded")]
    assert [one["reason"] for one in entries] == ["all-factors", "continued-log-in", "continued-log-in"]
    # the client may go on with empty answers; what it was refused for first is the code
    failed = dict((await bastion.events("authentication.failed"))[0].event.details)
    assert failed["reason"] == "replayed-code"


async def test_a_key_alone_continues_until_a_cut(bastion: Bastion, tmp_path: Path) -> None:
    """With a key no code is asked a second time; after a cut it is."""
    world = bastion.world
    key = asyncssh.generate_private_key("ssh-ed25519")
    path = tmp_path / "alice_key"
    key.write_private_key(path)
    path.chmod(0o600)
    line = key.export_public_key().decode().strip()
    await world.services.people.add_key(world.who("dsi"), world.id, world.who("alice"), line)
    begun = await bastion.client.ssh("alice+scan01", "echo in", answers=bastion.code(), key=path)
    assert begun.stdout == b"in\n", begun.said
    again = await bastion.client.ssh("alice+scan01", "echo in", answers=[], key=path)
    assert (again.stdout, again.prompts) == (b"in\n", ()), again.said
    await world.services.revocations.cut(
        world.who("rssi"), world.id, RevocationScope.PERSON, world.who("alice"), "essai"
    )
    asked = await bastion.client.ssh("alice+scan01", "echo in", answers=[], key=path)
    assert asked.rc == 255
    assert asked.prompts != ()


async def test_another_device_of_the_same_log_in_is_asked_for_a_code(bastion: Bastion) -> None:
    """What continues towards one device is a used code towards any other, known or not."""
    answers = bastion.answers()
    assert (await bastion.client.ssh("alice+scan01", "id", answers=answers)).rc == 0
    for other in ("alice+scan02", "alice"):
        assert (await bastion.client.ssh(other, "id", answers=answers)).rc == 255, other
