"""An error of our own in the middle of a session: it ends, an alarm says so, and the client is not left hanging."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.session.bridge import Relay
from gateway.sshfix import ClientChannel
from recorder.capture.session import Recording
from recorder.errors import TraceFormatError
from recorder.trace.frames import FrameType
from tests.support.bastion import Bastion, output

pytestmark = pytest.mark.integration

Break = Callable[[pytest.MonkeyPatch], None]


def _no_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Recording.record

    def refuse(self: Recording, kind: FrameType, *rest: Any) -> None:
        if kind is FrameType.OUTPUT:
            raise TraceFormatError("a frame's payload has at most 1048576 bytes")
        record(self, kind, *rest)

    monkeypatch.setattr(Recording, "record", refuse)


def _no_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Relay, "_take_noted", _broken)


def _no_forwarding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClientChannel, "write", _broken)


def _broken(*_arguments: object) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("breaks", [_no_frame, _no_look, _no_forwarding])
async def test_an_error_ends_the_session_with_an_alarm(
    bastion: Bastion, monkeypatch: pytest.MonkeyPatch, breaks: Break
) -> None:
    """Whether output cannot be recorded, looked at or passed on: the client ends, nothing more passes."""
    command = bastion.client.command("alice+scan01", "echo one; read _; echo two; sleep 600")
    process = await bastion.client.start(command, answers=bastion.answers())
    assert process.stdout is not None
    assert process.stdin is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"one\n"
    breaks(monkeypatch)
    process.stdin.write(b"go on\n")
    rest, _ = await asyncio.wait_for(process.communicate(), 60)
    assert b"two" not in rest
    assert process.returncode == 255
    monkeypatch.undo()
    await bastion.written("alarm.recording_failed")
    await bastion.closed()


async def test_error_output_and_output_keep_their_order(bastion: Bastion) -> None:
    """Pieces of both streams are in the trace as the client was shown them, and the exit status comes last."""
    script = "for i in 1 2 3 4 5 6 7 8 9; do head -c 50000 /dev/zero; echo $i >&2; done; exit 7"
    process = await bastion.client.start(
        bastion.client.command("alice+scan01", script), answers=bastion.answers()
    )
    shown, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 7
    assert len(shown) == 450_000
    assert said.endswith(b"".join(b"%d\n" % number for number in range(1, 10)))
    await bastion.closed()
    frames = await bastion.frames()
    assert output(frames) == shown
    assert output(frames, FrameType.ERROR_OUTPUT).endswith(b"9\n")
    kinds = [frame.type for frame in frames if frame.channel]
    assert kinds[-1] is FrameType.EXIT
