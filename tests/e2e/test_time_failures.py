"""Real failures under a live gateway: a disk that blocks or is full, a policy database that is no more, a device."""

import asyncio
import os
import shutil
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from policy.vault.secret import Secret
from recorder.trace.frames import FrameType, facts
from tests.support.bastion import Bastion, running_bastion
from tests.support.disks import freezable_disk, small_disk
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


async def test_a_disk_that_blocks_ends_the_session_and_opens_none(tmp_path: Path) -> None:
    """What is typed while the spool's disk hangs never reaches the device; the session ends, none opens."""
    with freezable_disk(tmp_path) as disk:
        settings = {"spool": disk.path / "spool", "write_timeout_seconds": 2.0}
        async with running_bastion(tmp_path / "house", recorder_settings=settings) as bastion:
            try:
                async with bastion.shell() as terminal:
                    disk.freeze()
                    terminal.send(b"touch ~/unrecorded\n")
                    assert await terminal.wait() == 255
                    assert "ne peut plus être enregistrée" in terminal.seen.decode()
                refused = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
                assert (refused.rc, refused.stdout) == (1, b"")
                assert "enregistr" in refused.said
                assert not (bastion.device.home / "unrecorded").exists()
                await eventually(lambda: not bastion.device.processes())
            finally:
                disk.thaw()
            await bastion.closed()
            opened = await bastion.client.ssh("alice+scan01", "echo in", answers=bastion.answers())
            assert opened.stdout == b"in\n", opened.said


async def test_a_full_disk_ends_the_session_and_opens_none(tmp_path: Path) -> None:
    """A session that fills the spool ends with its reason, and none opens until there is room again."""
    with small_disk(tmp_path, 4 << 20) as disk:
        settings = {"spool": disk / "spool", "min_free_bytes": 1 << 20}
        async with running_bastion(tmp_path / "house", recorder_settings=settings) as bastion:
            command = bastion.client.command("alice+scan01", "exec cat /dev/urandom")
            process = await bastion.client.start(command, answers=bastion.answers())
            _, err = await asyncio.wait_for(process.communicate(b""), 60)
            assert process.returncode == 255
            assert "ne peut plus être enregistrée" in err.decode()
            await bastion.closed()
            await eventually(lambda: not bastion.device.processes())
            assert await bastion.written("alarm.recording_failed")

            ballast = disk / "ballast"
            ballast.write_bytes(bytes(max(shutil.disk_usage(disk).free - (1 << 19), 0)))
            refused = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
            assert (refused.rc, refused.stdout) == (1, b"")
            assert "enregistr" in refused.said
            await bastion.written("alarm.recording_unavailable")


async def test_a_destroyed_policy_database_opens_nothing(tmp_path: Path) -> None:
    """Once the database's file is garbage nobody gets in; who is inside goes on for the grace, and no longer."""
    async with running_bastion(tmp_path, policy_grace_seconds=120.0) as bastion:
        answers = bastion.answers()
        async with bastion.shell() as terminal:
            for file in tmp_path.glob("policy.db*"):
                with file.open("r+b") as content:
                    content.write(b"\xff" * file.stat().st_size)
            await bastion.written("alarm.policy_unreadable")
            refused = await bastion.client.ssh("alice+scan01", "id", answers=answers)
            assert refused.rc != 0
            assert refused.stdout == b""
            terminal.send(b"echo alive-$((40+2))\n")
            await terminal.expect(b"alive-42")
            bastion.clock.advance(timedelta(seconds=60))
            terminal.send(b"echo alive-$((40+3))\n")
            await terminal.expect(b"alive-43")
            bastion.clock.advance(timedelta(seconds=61))
            assert await terminal.wait() == 255
            assert "autorisations" in terminal.seen.decode()
        await bastion.closed()
        await eventually(lambda: not bastion.device.processes())
        ends = [facts(frame) for frame in await bastion.frames() if frame.type is FrameType.END]
        assert ends[0]["reason"] == "policy"


async def test_a_renewed_host_key_and_secret_open_the_device_again(bastion: Bastion) -> None:
    """A device with a new key, then a new secret, is refused clearly each time, and opens once both are told."""
    world, device = bastion.world, bastion.device
    services, dsi = world.services, world.who("dsi")
    device.replace_host_key()
    await device.restart()
    changed = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
    assert (changed.rc, changed.stdout) == (1, b"")
    assert "ne présente pas la clé attendue" in changed.said
    assert "Accepted" not in device.log()
    assert "Failed password" not in device.log()
    await services.devices.pin_host_key(dsi, world.id, world.device.id, device.host_key_public)

    right = world.account_secret
    await services.devices.replace_secret(dsi, world.id, world.account.id, Secret("not the device's secret"))
    wrong = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
    assert (wrong.rc, wrong.stdout) == (1, b"")
    assert "refuse le compte" in wrong.said
    assert "not the device's secret" not in wrong.said
    await services.devices.replace_secret(dsi, world.id, world.account.id, right)
    opened = await bastion.client.ssh("alice+scan01", "echo in", answers=bastion.answers())
    assert opened.stdout == b"in\n", opened.said


async def test_a_device_that_goes_away_ends_its_session(bastion: Bastion) -> None:
    """A device that is switched off under a session ends it: the person reads so, and the trace is closed."""
    async with bastion.shell() as terminal:
        for pid in bastion.device.processes():  # its sshds before their shell, whose end they would tell of
            os.kill(pid, signal.SIGKILL)
        await bastion.device.stop()
        assert await terminal.wait() == 255
        assert "scan01 a coupé" in terminal.seen.decode()
    ends = [facts(frame) for frame in await bastion.frames() if frame.type is FrameType.END]
    assert ends[0]["reason"] == "device"
