"""Each factor opens each channel, by OpenSSH's own programs: there is one door for all of them."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.authenticator import TOUCHED, VERIFIED, SecurityKey, agent
from tests.support.bastion import Bastion
from tests.support.dialogue import AT_THE_TERMINAL
from tests.support.ssh_authority import new_key

pytestmark = pytest.mark.e2e

VERIFIED_KEY = "FIDO2 key, verified"
KEY_AND_CODE = "key + code"


async def carried(bastion: Bastion, options: Sequence[str], answers: Sequence[str]) -> None:
    """Put a file by sftp and fetch it back by scp, each after a log-in of its own."""
    sent, back = bastion.directory / "sent.txt", bastion.directory / "back.txt"
    sent.write_text("dose 3 mGy\n")
    port = ["-P", str(bastion.gateway.port)]
    common = [*options, *bastion.client.options(), *port]
    put = ["sftp", *common, "alice+scan01@127.0.0.1"]
    done = await bastion.client.run(put, input=f"put {sent} f.txt\n".encode(), answers=answers)
    assert done.rc == 0, done.said
    again = bastion.code() if answers else ()
    fetch = ["scp", *common, "alice+scan01@127.0.0.1:f.txt", str(back)]
    done = await bastion.client.run(fetch, answers=again)
    assert done.rc == 0, done.said
    assert back.read_text() == "dose 3 mGy\n"


@pytest.mark.client("OpenSSH sftp", VERIFIED_KEY, "sftp")
@pytest.mark.client("OpenSSH scp", VERIFIED_KEY, "sftp")
@pytest.mark.client("OpenSSH ssh", VERIFIED_KEY, "shell")
async def test_a_verified_key_opens_every_channel(bastion: Bastion) -> None:
    """Touched and verified, no prompt at all: a shell on a terminal, and files both ways."""
    key = SecurityKey(flags=TOUCHED | VERIFIED)
    alice = bastion.world.who("alice")
    await bastion.world.services.people.add_key(alice, bastion.world.id, alice, key.line, label="token")
    async with agent([key]) as running:
        await carried(bastion, running.options, ())
        shell = bastion.client.command("alice+scan01", options=running.options)
        async with bastion.client.terminal([*AT_THE_TERMINAL, *shell]) as terminal:
            await terminal.expect(b"maint@scan01")
            terminal.send(b"exit 4\r")
            assert await terminal.wait() == 4


@pytest.mark.client("OpenSSH sftp", KEY_AND_CODE, "sftp")
@pytest.mark.client("OpenSSH scp", KEY_AND_CODE, "sftp")
async def test_a_key_and_a_code_carry_files(bastion: Bastion, tmp_path: Path) -> None:
    """The key is half of it and the code the rest, for files as for commands."""
    key = await new_key(tmp_path / "alice")
    alice = bastion.world.who("alice")
    line = key.with_name("alice.pub").read_text()
    await bastion.world.services.people.add_key(alice, bastion.world.id, alice, line, label="laptop")
    await carried(bastion, ["-i", str(key)], bastion.code())
