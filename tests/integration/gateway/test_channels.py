"""Channels through the gateway are what they would be without it, and all of them are recorded."""

import asyncio
import hashlib
import os
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.session.limits import REST_SECONDS
from policy.domain.windows import Channel
from recorder.trace.frames import FrameType, facts
from tests.support.bastion import Bastion, output
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


async def test_end_of_input_leaves_the_output_open(bastion: Bastion) -> None:
    """A command that answers only after the end of its input is heard to its end (half-close)."""
    ended = await bastion.client.ssh(
        "alice+scan01", "sort; echo late", input=b"b\na\n", answers=bastion.answers()
    )
    assert (ended.rc, ended.stdout) == (0, b"a\nb\nlate\n"), ended.said
    await bastion.closed()
    frames = await bastion.frames()
    assert output(frames, FrameType.INPUT) == b"b\na\n"
    sides = [facts(frame)["from"] for frame in frames if frame.type is FrameType.EOF]
    assert set(sides) == {"person", "device"}


async def test_binary_data_passes_unchanged_both_ways(bastion: Bastion) -> None:
    """Three megabytes of random bytes come back the same, and the trace holds them both times."""
    data = os.urandom(3_000_000)
    ended = await bastion.client.ssh("alice+scan01", "cat", input=data, answers=bastion.answers())
    assert ended.stdout == data, ended.said
    await bastion.closed()
    frames = await bastion.frames()
    assert output(frames) == data
    assert output(frames, FrameType.INPUT) == data


async def test_a_process_killed_by_a_signal_is_told_as_such(bastion: Bastion) -> None:
    """The device's exit signal reaches the client, which ends with status 255, and the trace."""
    ended = await bastion.client.ssh("alice+scan01", "kill -9 $$", answers=bastion.answers())
    assert ended.rc == 255
    await bastion.closed()
    assert [facts(f)["signal"] for f in await bastion.frames() if f.type is FrameType.EXIT] == ["KILL"]


async def test_a_command_that_is_no_utf8_arrives_byte_for_byte(bastion: Bastion) -> None:
    """A command is bytes: those that are no UTF-8 reach the device unchanged."""
    command = bastion.client.command("alice+scan01")
    ended = await bastion.client.run(
        [*command, b"printf %s \xe9 | od -An -tx1"],  # type: ignore[list-item]  # argv takes bytes too
        answers=bastion.answers(),
    )
    assert ended.stdout.strip() == b"e9", ended.said


async def test_only_variables_of_language_and_terminal_pass(bastion: Bastion, tmp_path: Path) -> None:
    """LANG and LC_* are passed on; any other variable is refused at the gateway already."""
    ended = await bastion.client.ssh(
        "alice+scan01",
        "env",
        options=["-o", "SetEnv=LC_TEST=oui LD_PRELOAD=/tmp/evil.so"],
        answers=bastion.answers(),
    )
    assert ended.rc == 0
    await bastion.closed()
    asked = [facts(frame) for frame in await bastion.frames() if frame.type is FrameType.REQUEST]
    assert asked == [{"request": "exec", "command": "env", "environment": {"LC_TEST": "oui"}}]


async def test_the_terminals_size_and_signals_pass(bastion: Bastion) -> None:
    """A change of size is seen by the device, an interrupt reaches the foreground process."""
    command = bastion.client.command("alice+scan01", options=["-tt"])
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect(b"maint@scan01")
        terminal.resize(41, 133)
        terminal.send(b"until stty size | grep '41 133'; do sleep 0.05; done; echo seen-$((40+1))\n")
        await terminal.expect(b"seen-41")
        # short sleeps: a signal in the instant before one runs is nobody's but the shell's, which then waits for it
        terminal.send(b"sh -c \"trap 'echo caught; exit' INT; echo ready; while :; do sleep 0.1; done\"\n")
        await terminal.expect(b"ready\r\n")
        terminal.send(b"\x03")
        await terminal.expect(b"caught")
        await terminal.expect(b"maint@scan01")
        terminal.send(b"exit\n")
        await terminal.wait()
    await bastion.closed()
    sizes = [facts(frame) for frame in await bastion.frames() if frame.type is FrameType.RESIZE]
    assert sizes == [{"columns": 133, "rows": 41}]


async def test_what_is_typed_without_echo_reaches_no_disk(bastion: Bastion) -> None:
    """A password typed at a prompt without echo is nowhere in the trace's bytes or frames."""
    command = bastion.client.command("alice+scan01", options=["-tt"])
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect(b"maint@scan01")
        terminal.send(b"read -s -p 'Secret? ' word; echo; echo ${#word}\n")
        await terminal.expect(b"\rSecret? ")
        terminal.send(b"tres-secret-9\n")
        await terminal.expect(b"\n13\r\n")
        terminal.send(b"exit\n")
        await terminal.wait()
    await bastion.closed()
    assert b"tres-secret-9" not in b"".join(frame.payload for frame in await bastion.frames())


async def test_one_connection_is_one_session_with_numbered_channels(bastion: Bastion, tmp_path: Path) -> None:
    """ControlMaster: several channels of one connection share one grant, one trace, one device connection."""
    path = tmp_path / "mux"
    master = await bastion.client.start(
        bastion.client.command("alice+scan01", options=["-M", "-N", "-o", f"ControlPath={path}"]),
        answers=bastion.answers(),
    )
    try:
        await eventually(path.exists)
        mux = ["-o", f"ControlPath={path}"]
        runs = [
            bastion.client.ssh("alice+scan01", f"echo {number}; sleep 0.2; exit {number}", options=mux)
            for number in range(12)
        ]
        ended = await asyncio.gather(*runs)
        assert [each.rc for each in ended] == list(range(12)), [each.said for each in ended]
    finally:
        master.terminate()
        await master.communicate()
    await bastion.closed()
    frames = await bastion.frames()
    channels = {frame.channel for frame in frames if frame.type is FrameType.EXIT}
    assert channels == set(range(1, 13))
    assert len(await bastion.events("session.opened")) == 1


async def test_sftp_and_scp_carry_files_both_ways(bastion: Bastion, tmp_path: Path) -> None:
    """Sftp and both modes of scp bring files with equal digests, which the trace names with path and size."""
    data = os.urandom(700_001)
    there, back = tmp_path / "there.bin", tmp_path / "back.bin"
    there.write_bytes(data)
    port = ["-P", str(bastion.gateway.port)]
    remote = f"alice+scan01@127.0.0.1:{bastion.device.home}/file.bin"
    for mode in (["scp"], ["scp", "-O"]):
        for source, target in ((str(there), remote), (remote, str(back))):
            ended = await bastion.client.run(
                [*mode, *bastion.client.options(), *port, source, target], answers=bastion.answers()
            )
            assert ended.rc == 0, ended.said
        assert back.read_bytes() == data
        back.unlink()
        (bastion.device.home / "file.bin").unlink()
    await bastion.closed()
    digest = hashlib.sha256(data).hexdigest()
    for session in bastion.sessions():
        frames = await bastion.frames(session)
        files = [facts(frame) for frame in frames if frame.type is FrameType.FILE]
        assert [one for one in files if one.get("sha256") == digest and one["size"] == 700_001], files
        assert data[:64] not in b"".join(frame.payload for frame in frames)
    closed = [entry.event.details for entry in await bastion.events("session.closed")]
    assert [one.get("files_out") for one in closed] == [0, 1, 0, 1], (
        "what left the device, not what came to it"
    )
    assert [one["bytes_out"] > 700_001 for one in closed] == [False, True, False, True]


async def test_much_that_leaves_is_told_while_it_leaves(
    bastion: Bastion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes out in one long command is in the journal step by step, before the session ends."""
    monkeypatch.setattr("gateway.session.moved.STEP_BYTES", 20_000)
    command = bastion.client.command("alice+scan01", "head -c 45000 /dev/zero; sleep 600")
    process = await bastion.client.start(command, answers=bastion.answers())
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readexactly(45_000), 60) == bytes(45_000)
    bastion.clock.advance(timedelta(seconds=REST_SECONDS))  # it may have been looked at before the bytes came
    told = await bastion.written("session.moved")
    assert bastion.gateway.sessions == 1
    assert told[0].event.details["bytes_out"] >= 20_000
    assert told[0].event.device_id == bastion.world.device.id
    process.kill()
    await asyncio.wait_for(process.communicate(), 60)


async def test_a_window_without_commands_lets_files_alone_pass(bastion: Bastion, tmp_path: Path) -> None:
    """Without the right to run commands: sftp up passes, sftp down, a shell and a hidden command are refused."""
    await bastion.world.services.windows.cancel(
        bastion.world.who("dsi"),
        bastion.world.id,
        bastion.world.window.id,
        reason="another window replaces it",
    )
    await bastion.world.add_window(channels=[Channel.SFTP_UP])
    for arguments in (["id"], ["scp -t /tmp/x; id"], []):
        refused = await bastion.client.ssh("alice+scan01", *arguments, answers=bastion.answers())
        assert refused.rc == 1, (arguments, refused)
        assert refused.stdout == b""
        assert "PGSSIS-C7" in refused.said
    there = tmp_path / "there.bin"
    there.write_bytes(b"x" * 1000)
    batch = (
        f"put {there} {bastion.device.home}/up.bin\nget {bastion.device.home}/up.bin {tmp_path}/down.bin\n"
    )
    ended = await bastion.client.run(
        ["sftp", *bastion.client.options(), "-P", str(bastion.gateway.port), "alice+scan01@127.0.0.1"],
        input=batch.encode(),
        answers=bastion.answers(),
    )
    assert (bastion.device.home / "up.bin").read_bytes() == b"x" * 1000, ended.said
    down = tmp_path / "down.bin"
    assert not down.exists() or down.read_bytes() == b""
    assert "ermission denied" in ended.said
    assert len(await bastion.written("channel.refused", 3)) == 3


async def test_an_unknown_subsystem_is_refused(bastion: Bastion) -> None:
    """No subsystem but sftp passes; the person reads why."""
    ended = await bastion.client.ssh("alice+scan01", "netconf", options=["-s"], answers=bastion.answers())
    assert ended.rc == 1
    assert "PGSSIS-C7" in ended.said
