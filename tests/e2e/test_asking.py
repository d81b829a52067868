"""Asked over SSH, answered over the API, read in the live terminal: with the product's own processes in between."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ecluse.demo.scene import Scene
from policy.clock import SystemClock
from tests.support.ssh_client import SshClient

pytestmark = pytest.mark.e2e

CLOCK = SystemClock()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """The demonstration's installation: gateway, console, devices, people and an open window."""
    made = await Scene.build(tmp_path / "scene", CLOCK, lambda _step: None)
    yield made
    await made.close()


async def test_an_extension_goes_from_her_terminal_to_the_planner_and_back(
    scene: Scene, tmp_path: Path
) -> None:
    """Two connections of hers, two processes: she reads who, until when and why, once it is decided."""
    alice, denis = scene.troupe.alice, scene.troupe.denis
    key = (scene.data / "keys" / "host_ed25519.pub").read_text().strip()
    client = SshClient("127.0.0.1", scene.ssh_port, key, tmp_path)

    def answers() -> list[str]:
        return [alice.password, alice.code(CLOCK)]

    command = client.command(f"{alice.login}+scan01", options=["-tt"])
    async with client.terminal(command, answers=answers()) as terminal:
        await terminal.expect(b"maint@scan01")
        asked = await client.ssh(
            alice.login, "extend", "15", "--why", "Le dernier essai n'est pas fini", answers=answers()
        )
        assert asked.rc == 0, asked.said

        def decide() -> None:
            with scene.client(denis) as api:
                [waiting] = api.items("/v1/extensions")
                assert waiting["reason"] == "Le dernier essai n'est pas fini"
                body = {"approve": True, "reason": "Jusqu'à la relève"}
                api.post(f"/v1/extensions/{waiting['id']}/decide", body)

        await asyncio.to_thread(decide)
        await terminal.expect("Jusqu'à la relève".encode())
        assert denis.full_name.encode() in terminal.seen
