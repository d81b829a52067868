"""The device's leg: its account's key, its own old algorithms, the zone's source address, and its death."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from gateway.target import dial
from gateway.target.flows import Flow
from policy.domain.devices import KNOWN, Algorithms
from tests.support.bastion import Bastion, running_bastion

pytestmark = pytest.mark.integration

OLD = Algorithms(
    kex=("diffie-hellman-group14-sha1",),
    host_key=("ssh-rsa",),
    encryption=("aes128-cbc",),
    mac=("hmac-sha1",),
)


async def test_an_account_that_a_key_opens(tmp_path: Path) -> None:
    """Where the vault holds a key, the device sees the key, and no password is tried."""
    async with running_bastion(tmp_path, by_key=True) as bastion:
        ended = await bastion.client.ssh("alice+scan01", "echo in", answers=bastion.answers())
        assert (ended.rc, ended.stdout) == (0, b"in\n"), ended.said
        assert "Accepted publickey for maint" in bastion.device.log()
        assert "password" not in bastion.device.log()


async def test_a_device_is_dialled_from_its_zones_address(tmp_path: Path) -> None:
    """The device sees the source address of its zone, not the machine's usual one."""
    zone = {"source_address": "127.0.0.2"}
    async with running_bastion(tmp_path, world_settings=zone) as bastion:
        ended = await bastion.client.ssh("alice+scan01", "echo $SSH_CLIENT", answers=bastion.answers())
        assert ended.stdout.startswith(b"127.0.0.2 "), ended.said
        assert "Accepted password for maint from 127.0.0.2 " in bastion.device.log()


@asynccontextmanager
async def old_device(directory: Path) -> AsyncIterator[Bastion]:
    """A bastion whose device speaks nothing but the algorithms of its time, its RSA key pinned."""
    key = directory / "old_host_key"
    made = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    made.write_private_key(key, "openssh")
    key.chmod(0o600)
    speaks = {
        "KexAlgorithms": OLD.kex,
        "HostKeyAlgorithms": OLD.host_key,
        "Ciphers": OLD.encryption,
        "MACs": OLD.mac,
    }
    lines = [f'HostKey "{key}"', *(f"{name} {','.join(values)}" for name, values in speaks.items())]
    async with running_bastion(directory, sshd_config="\n".join(lines)) as bastion:
        world = bastion.world
        public = made.export_public_key().decode().strip()
        await world.services.devices.pin_host_key(world.who("dsi"), world.id, world.device.id, public)
        yield bastion


async def test_old_algorithms_are_one_devices_own(tmp_path: Path) -> None:
    """An old device is refused until its own list allows what it speaks; then it works, keys and bytes alike."""
    async with old_device(tmp_path) as bastion:
        world = bastion.world
        refused = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
        assert refused.rc == 1
        assert "algorithmes trop anciens" in refused.said
        assert "Accepted" not in bastion.device.log()
        failed = dict((await bastion.written("device.failed"))[0].event.details)
        assert failed["error"] == "NoCommonAlgorithm"
        await world.services.devices.update(world.who("dsi"), world.id, world.device.id, algorithms=OLD)
        undecided = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
        assert undecided.rc == 1
        assert "X09" in undecided.said
        assert "ecluse devices derogate scan01" in undecided.said
        assert "Accepted" not in bastion.device.log()
        until = bastion.clock.now() + timedelta(minutes=5)
        await world.services.derogations.accept(
            world.who("rssi"), world.id, world.device.id, reason="Console remplacée en juin", until=until
        )
        copied = await bastion.client.ssh(
            "alice+scan01", "cat", input=b"old\n" * 100_000, answers=bastion.answers()
        )
        assert (copied.rc, copied.stdout) == (0, b"old\n" * 100_000), copied.said
        command = bastion.client.command("alice+scan01", "echo in; sleep 600")
        process = await bastion.client.start(command, answers=bastion.answers())
        assert process.stdout is not None
        assert await process.stdout.readline() == b"in\n"
        bastion.clock.advance(until - bastion.clock.now())
        _, said = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 255
        assert "échue" in said.decode()
        over = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
        assert over.rc == 1
        assert "échue" in over.said


async def test_a_list_that_names_no_algorithm_is_told_as_the_devices_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name written when names were not checked is refused as that, not as an incident; the journal has the name."""
    monkeypatch.setattr("policy.services.inputs.KNOWN", {**KNOWN, "mac": ("foo",)})
    async with running_bastion(tmp_path) as bastion:
        world = bastion.world
        where = world.id, world.device.id
        await world.services.devices.update(world.who("dsi"), *where, algorithms=Algorithms(mac=("foo",)))
        until = bastion.clock.now() + timedelta(minutes=5)
        await world.services.derogations.accept(world.who("rssi"), *where, reason="Erreur", until=until)
        refused = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
        assert refused.rc == 1
        assert "nomment un algorithme que la passerelle ne connaît pas" in refused.said
        assert "T5" in refused.said
        failed = dict((await bastion.written("device.failed"))[0].event.details)
        assert failed["error"] == "DeviceMisdescribed"
        assert "foo" in str(failed["detail"])


@pytest.mark.parametrize("name", ["KexAlgorithms", "HostKeyAlgorithms", "Ciphers", "MACs"])
async def test_old_algorithms_are_never_the_persons(tmp_path: Path, name: str) -> None:
    """Whatever a device is allowed, a person's client that knows only the old algorithm does not get in."""
    async with running_bastion(tmp_path) as bastion:
        world = bastion.world
        await world.services.devices.update(world.who("dsi"), world.id, world.device.id, algorithms=OLD)
        old = {
            "KexAlgorithms": OLD.kex,
            "HostKeyAlgorithms": OLD.host_key,
            "Ciphers": OLD.encryption,
            "MACs": OLD.mac,
        }[name]
        options = ["-o", "LogLevel=INFO", "-o", f"{name}={old[0]}"]
        if name == "MACs":
            options += ["-o", "Ciphers=aes256-ctr"]  # the others bring their own integrity
        ended = await bastion.client.ssh("alice+scan01", "id", options=options)
        assert ended.rc == 255
        assert "Unable to negotiate" in ended.said
        assert ended.prompts == ()


async def test_a_device_that_falls_silent_ends_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does a filter that shuts the way to it, in bounded time; the person, and the next session, are told which."""
    monkeypatch.setattr(dial, "KEEPALIVE_SECONDS", 1)
    monkeypatch.setattr(dial, "KEEPALIVE_COUNT", 4)
    opened: list[Flow] = []
    way = dial.Dialler.way

    async def kept(*told: Any) -> Flow:
        opened.append(await way(*told))
        return opened[-1]

    monkeypatch.setattr(dial.Dialler, "way", kept)
    async with running_bastion(tmp_path) as bastion:
        command = bastion.client.command("alice+scan01", options=["-tt"])
        async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
            await terminal.expect(b"maint@scan01")
            opened[-1].on_lost()
            assert await terminal.wait() == 255
            assert "le filtre réseau ne laisse plus passer vers scan01" in terminal.seen.decode()
        await bastion.closed()
        async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
            await terminal.expect(b"maint@scan01")
            assert "passage fermé par le filtre réseau" in terminal.seen.decode()
            stopped = bastion.device.processes()
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            try:
                await terminal.expect(
                    "équipement scan01".encode(), 30
                )  # by its own rhythm it would take over a minute
                assert await terminal.wait() == 255
                await bastion.closed()
            finally:
                for pid in stopped:
                    os.kill(pid, signal.SIGCONT)
        closed = await bastion.events("session.closed")
        assert [entry.event.details["reason"] for entry in closed] == ["flow", "device"]
