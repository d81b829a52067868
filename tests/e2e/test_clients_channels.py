"""Channels of stock OpenSSH, as they would be without a bastion between: streams, variables, many at once."""

import asyncio
import hashlib
import os
from datetime import timedelta
from pathlib import Path

import pytest

from recorder.trace.frames import FrameType, facts
from tests.support.bastion import Bastion, output, running_bastion
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

MEGABYTES = 3_000_000


@pytest.mark.client("OpenSSH ssh", "password + code", "command")
async def test_the_way_up_and_the_way_down_are_each_exact(bastion: Bastion) -> None:
    """Three megabytes go up to a command that counts and hashes them, and other three come down, byte for byte."""
    up = os.urandom(MEGABYTES)
    sent = await bastion.client.ssh(
        "alice+scan01", "cat > up.bin; wc -c < up.bin", input=up, answers=bastion.answers()
    )
    assert (sent.rc, int(sent.stdout)) == (0, MEGABYTES), sent.said
    assert (bastion.device.home / "up.bin").read_bytes() == up
    down = os.urandom(MEGABYTES)
    (bastion.device.home / "down.bin").write_bytes(down)
    fetched = await bastion.client.ssh("alice+scan01", "cat down.bin", answers=bastion.answers())
    assert fetched.stdout == down


async def test_error_output_is_apart_however_much_there_is(bastion: Bastion) -> None:
    """A megabyte on each stream at once stays apart, whole and in its order, for the client and in the trace."""
    command = "seq 1 150000 & seq 200001 350000 >&2; wait"
    ended = await bastion.client.ssh("alice+scan01", command, answers=bastion.answers())
    assert ended.stdout == b"".join(b"%d\n" % number for number in range(1, 150_001))
    assert ended.stderr == b"".join(b"%d\n" % number for number in range(200_001, 350_001))
    await bastion.closed()
    frames = await bastion.frames()
    assert output(frames) == ended.stdout
    assert output(frames, FrameType.ERROR_OUTPUT) == ended.stderr


async def test_a_process_that_closes_its_output_still_hears_its_input(bastion: Bastion) -> None:
    """The device's end of output does not close the way up: what is sent afterwards arrives."""
    command = bastion.client.command("alice+scan01", "echo first; exec >&- 2>&-; cat > late.txt")
    process = await bastion.client.start(command, answers=bastion.answers())
    assert process.stdin is not None
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.read(), 60) == b"first\n"
    process.stdin.write(b"said after the end of output\n")
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 60) == 0
    assert (bastion.device.home / "late.txt").read_bytes() == b"said after the end of output\n"


async def test_the_device_sees_no_more_variables_than_the_trace_tells(tmp_path: Path) -> None:
    """On a device that would take any variable, LANG and LC_* arrive, and no loader's, no shell's and no other."""
    async with running_bastion(tmp_path, sshd_config="AcceptEnv *") as bastion:
        wanted = (
            "LANG=fr_FR.UTF-8 LC_TIME=C LD_PRELOAD=/tmp/x.so BASH_ENV=/tmp/x.sh PATH=/tmp PROMPT_COMMAND=id"
        )
        ended = await bastion.client.ssh(
            "alice+scan01", "env", options=["-o", f"SetEnv={wanted}"], answers=bastion.answers()
        )
        assert ended.rc == 0, ended.said
        seen = dict(line.split("=", 1) for line in ended.stdout.decode().splitlines() if "=" in line)
        assert (seen.get("LANG"), seen.get("LC_TIME")) == ("fr_FR.UTF-8", "C")
        assert {"LD_PRELOAD", "BASH_ENV", "PROMPT_COMMAND"} & set(seen) == set()
        assert seen["PATH"] != "/tmp"
        await bastion.closed()
        asked = [facts(frame) for frame in await bastion.frames() if frame.type is FrameType.REQUEST]
        assert asked[0]["environment"] == {"LANG": "fr_FR.UTF-8", "LC_TIME": "C"}


@pytest.mark.client("OpenSSH ssh, ControlMaster", "password + code", "command")
@pytest.mark.client("OpenSSH ssh, ControlMaster", "password + code", "shell")
@pytest.mark.client("OpenSSH ssh, ControlMaster", "password + code", "sftp")
async def test_one_log_in_serves_commands_files_and_a_shell(bastion: Bastion, tmp_path: Path) -> None:
    """Over one ControlMaster a command, sftp, scp, rsync and a terminal work at once, in one recorded session."""
    path = tmp_path / "mux"
    mux = ["-o", f"ControlPath={path}"]
    master = await bastion.client.start(
        bastion.client.command("alice+scan01", options=["-M", "-N", *mux]), answers=bastion.answers()
    )
    data = os.urandom(200_003)
    source = tmp_path / "source.bin"
    source.write_bytes(data)
    place, port = "alice+scan01@127.0.0.1", str(bastion.gateway.port)
    options = [*mux, *bastion.client.options()]
    try:
        await eventually(path.exists)
        shell = bastion.client.command("alice+scan01", options=["-tt", *mux])
        async with bastion.client.terminal(shell) as terminal:
            await terminal.expect(b"maint@scan01")
            remote_shell = " ".join(["ssh", *options, "-p", port])
            ended = await asyncio.gather(
                bastion.client.ssh("alice+scan01", "sort; exit 3", input=b"b\na\n", options=mux),
                bastion.client.run(["scp", *options, "-P", port, str(source), f"{place}:scp.bin"]),
                bastion.client.run(["scp", "-O", *options, "-P", port, str(source), f"{place}:old.bin"]),
                bastion.client.run(
                    ["sftp", *options, "-P", port, place], input=f"put {source} sftp.bin\n".encode()
                ),
                bastion.client.run(["rsync", "-e", remote_shell, str(source), f"{place}:rsync.bin"]),
            )
            assert [each.rc for each in ended] == [3, 0, 0, 0, 0], [each.said for each in ended]
            terminal.send(b"exit 4\n")
            assert await terminal.wait() == 4
    finally:
        master.terminate()
        await master.communicate()
    for name in ("scp.bin", "old.bin", "sftp.bin", "rsync.bin"):
        assert (bastion.device.home / name).read_bytes() == data, name
    await bastion.closed()
    frames = await bastion.frames()
    assert len({frame.channel for frame in frames if frame.type is FrameType.EXIT}) == 6
    done = [facts(frame) for frame in frames if frame.type is FrameType.FILE]
    digest = hashlib.sha256(data).hexdigest()
    whole = [each for each in done if each.get("sha256") == digest and each["phase"] == "done"]
    # the old scp names what the client sends and where the command writes: the device alone knows if that is a folder
    named = {Path(each.get("target", each["path"])).name for each in whole}
    assert named == {"scp.bin", "old.bin", "sftp.bin"}


async def test_a_connection_without_a_channel_is_no_session(bastion: Bastion) -> None:
    """``ssh -N`` logs in and opens nothing: the device is not dialled; with nothing open it is ended after a while."""
    command = bastion.client.command("alice+scan01", options=["-N", "-v"])
    process = await bastion.client.start(command, answers=bastion.answers())
    assert process.stderr is not None
    said = await asyncio.wait_for(process.stderr.readuntil(b"Entering interactive session"), 60)
    assert b"Authenticated to" in said
    assert "Connection from" not in bastion.device.log()
    bastion.clock.advance(timedelta(minutes=5))
    rest = await asyncio.wait_for(process.stderr.read(), 60)
    assert await process.wait() == 255
    assert b"disconnect" in rest
    assert bastion.sessions() == []
