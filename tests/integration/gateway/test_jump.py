"""ssh -J: the second hop ends in the gateway, is decided and recorded there, and the code is asked once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recorder.trace.frames import FrameType
from tests.support.bastion import Bastion, output, running_bastion
from tests.support.jump import Laptop

pytestmark = pytest.mark.integration


@pytest.fixture
async def bastion(tmp_path: Path) -> AsyncIterator[Bastion]:
    """A running bastion with one open window."""
    async with running_bastion(tmp_path) as running:
        yield running


@pytest.fixture
def laptop(bastion: Bastion) -> Laptop:
    """A machine that believes the host CA and nothing else."""
    return Laptop(bastion)


async def test_a_command_by_a_jump_is_asked_one_code_and_recorded(bastion: Bastion, laptop: Laptop) -> None:
    """Ssh -J to the account at the device asks one password and one code, runs, and leaves one trace that says so."""
    ended = await laptop.run(laptop.ssh("maint@scan01", "echo out; echo err >&2; exit 3"))
    assert ended.rc == 3, ended.said
    assert ended.stdout == b"out\n"
    assert "err" in ended.said
    assert len(ended.prompts) == 2
    await bastion.closed()
    frames = await bastion.frames()
    assert output(frames) == b"out\n"
    assert FrameType.REQUEST in {frame.type for frame in frames}
