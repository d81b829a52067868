"""What is refused is refused to every client, with its rule and the way out, and the device hears nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.bastion import Bastion, running_bastion
from tests.support.ssh_client import Finished

pytestmark = pytest.mark.integration


@asynccontextmanager
async def counted(bastion: Bastion) -> AsyncIterator[list[str]]:
    """Put a listener in the place of the device; gives the list of who connected to it."""
    heard: list[str] = []

    async def count(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(str(writer.get_extra_info("peername")))
        writer.close()

    await bastion.device.stop()
    server = await asyncio.start_server(count, "127.0.0.1", bastion.device.port)
    try:
        yield heard
    finally:
        server.close()
        await server.wait_closed()


async def close_window(bastion: Bastion) -> None:
    """Leave alice no window but one in three hours."""
    world = bastion.world
    await world.services.windows.cancel(world.who("dsi"), world.id, world.window.id, reason="another one")
    await world.add_window(opens_in=timedelta(hours=3))


async def try_by(bastion: Bastion, client: str, folder: Path) -> Finished:
    """Try to reach the device by a stock *client*."""
    answers, port = bastion.answers(), ["-P", str(bastion.gateway.port)]
    options = bastion.client.options()
    remote = "alice+scan01@127.0.0.1"
    (folder / "file").write_bytes(b"x")
    match client:
        case "shell":
            command = bastion.client.command("alice+scan01", options=["-tt"])
        case "exec":
            command = bastion.client.command("alice+scan01", "id")
        case "sftp":
            command = ["sftp", *options, *port, remote]
        case "scp":
            command = ["scp", *options, *port, str(folder / "file"), f"{remote}:file"]
        case "old scp":
            command = ["scp", "-O", *options, *port, str(folder / "file"), f"{remote}:file"]
        case _:
            shell = f"ssh {' '.join(options)} -p {bastion.gateway.port}"
            command = ["rsync", "-e", shell, str(folder / "file"), f"{remote}:file"]
    return await bastion.client.run(command, answers=answers)


@pytest.mark.parametrize("client", ["shell", "exec", "sftp", "scp", "old scp", "rsync"])
async def test_a_closed_window_is_closed_to_every_client(tmp_path: Path, client: str) -> None:
    """Outside its window no client reaches the device: O3 and the next opening are told, nothing is dialled."""
    async with running_bastion(tmp_path) as bastion:
        await close_window(bastion)
        async with counted(bastion) as heard:
            ended = await try_by(bastion, client, tmp_path)
        assert ended.rc != 0
        told = ended.said + ended.stdout.decode()
        assert "PGSSIS-O3" in told
        assert "mardi 17 mars 2026 à 15:00" in told
        assert heard == []
        assert bastion.sessions() == []


@pytest.mark.parametrize("who", ["supplier", "person", "device"])
async def test_what_is_suspended_opens_nothing(tmp_path: Path, who: str) -> None:
    """A suspended supplier, person or device lets nobody through, whatever window is open."""
    async with running_bastion(tmp_path) as bastion:
        world = bastion.world
        services, dsi = world.services, world.who("dsi")
        if who == "supplier":
            await services.suppliers.suspend(dsi, world.id, world.supplier.id, reason="audit")
        elif who == "person":
            await services.people.suspend(dsi, world.id, world.who("alice"), reason="audit")
        else:
            await services.devices.suspend(dsi, world.id, world.device.id, reason="audit")
        async with counted(bastion) as heard:
            ended = await try_by(bastion, "exec", tmp_path)
        assert ended.rc != 0
        assert ended.stdout == b""
        assert heard == []


async def test_an_undeclared_source_reaches_nothing_and_the_declared_one_does(tmp_path: Path) -> None:
    """C2 goes by the address one comes from: refused from one that no site declares, open from the other."""
    async with running_bastion(tmp_path, networks=("127.0.0.1/32",)) as bastion:
        async with counted(bastion) as heard:
            refused = await bastion.client.ssh(
                "alice+scan01", "id", answers=bastion.answers(), options=["-o", "BindAddress=127.0.0.2"]
            )
        assert refused.rc == 1
        assert "PGSSIS-C2" in refused.said
        assert heard == []
        (denied,) = await bastion.events("access.denied")
        assert denied.event.source == "127.0.0.2"
        await bastion.device.restart()
        opened = await bastion.client.ssh("alice+scan01", "echo in", answers=bastion.answers())
        assert opened.stdout == b"in\n", opened.said


async def test_an_unapproved_window_is_none(tmp_path: Path) -> None:
    """A window that nobody else has approved lets nobody in."""
    async with running_bastion(tmp_path) as bastion:
        world = bastion.world
        await world.services.windows.cancel(world.who("dsi"), world.id, world.window.id, reason="another one")
        await world.add_window(approve=False)
        async with counted(bastion) as heard:
            ended = await try_by(bastion, "exec", tmp_path)
        assert ended.rc == 1
        assert "PGSSIS-O3" in ended.said
        assert heard == []


async def test_a_window_opens_at_its_instant(tmp_path: Path) -> None:
    """One second before the opening is refused, the opening itself is not: windows are half-open."""
    async with running_bastion(tmp_path) as bastion:
        await close_window(bastion)
        opening = bastion.clock.now() + timedelta(hours=3)
        bastion.clock.set(opening - timedelta(seconds=31))
        refused = await bastion.client.ssh("alice+scan01", "echo in", answers=bastion.answers())
        assert (refused.rc, refused.stdout) == (1, b"")
        bastion.clock.set(opening - timedelta(seconds=30))
        opened = await bastion.client.ssh("alice+scan01", "echo in", answers=bastion.answers())
        assert (opened.rc, opened.stdout) == (0, b"in\n"), opened.said
