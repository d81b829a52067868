"""The main job with stock clients: in by two factors, onto a real sshd, recorded, out again."""

import pytest

from recorder.trace.frames import FrameType, facts
from tests.support.bastion import Bastion, output

pytestmark = pytest.mark.integration


async def test_a_command_runs_and_its_exit_status_comes_back(bastion: Bastion) -> None:
    """Password and code in one dialogue run a command on the device, with its streams apart and its status."""
    ended = await bastion.client.ssh(
        "alice+scan01", "echo out; echo err >&2; exit 3", answers=bastion.answers()
    )
    assert (ended.rc, ended.stdout) == (3, b"out\n"), ended.said
    assert "err\n" in ended.said
    assert len(ended.prompts) == 2
    await bastion.closed()
    frames = await bastion.frames()
    assert output(frames) == b"out\n"
    assert output(frames, FrameType.ERROR_OUTPUT) == b"err\n"
    exits = [facts(frame) for frame in frames if frame.type is FrameType.EXIT]
    assert exits == [{"status": 3}]


async def test_a_shell_on_a_terminal(bastion: Bastion) -> None:
    """A terminal gets the welcome, then the device's shell; what is typed is in the trace by its echo alone."""
    command = bastion.client.command("alice+scan01", options=["-tt"])
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect(b"maint@scan01")
        terminal.send(b"echo $((6*7)); stty size\n")
        await terminal.expect(b"42\r\n24 80")
        terminal.send(b"exit 5\n")
        assert await terminal.wait() == 5
    await bastion.closed()
    frames = await bastion.frames()
    assert b"echo $((6*7))" in output(frames)
    typed = [frame.payload for frame in frames if frame.type is FrameType.INPUT]
    assert typed
    assert all(payload.startswith(b'{"length":') for payload in typed)
