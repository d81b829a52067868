"""A public key and a code: a true partial success, in which neither factor opens anything alone."""

from pathlib import Path

import asyncssh
import pytest

from tests.support.bastion import Bastion

pytestmark = pytest.mark.e2e


async def key_file(
    bastion: Bastion, name: str, kind: str = "ssh-ed25519", *, owner: str | None = None
) -> Path:
    """Make a key of *kind*, enrol it for *owner* if given, and return its file."""
    key = asyncssh.generate_private_key(kind)
    path = bastion.directory / name
    key.write_private_key(path)
    path.chmod(0o600)
    if owner is not None:
        who = bastion.world.who(owner)
        line = key.export_public_key().decode().strip()
        await bastion.world.services.people.add_key(who, bastion.world.id, who, line, label=name)
    return path


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
@pytest.mark.client("OpenSSH ssh", "key + code", "command")
async def test_a_key_then_a_code_runs_a_command(bastion: Bastion, kind: str) -> None:
    """Ssh says that the key was a partial success, asks for the code alone, and ends with the command's status 3."""
    key = await key_file(bastion, "key", kind, owner="alice")
    ended = await bastion.client.ssh(
        "alice+scan01", "exit 3", key=key, answers=bastion.code(), options=["-o", "LogLevel=VERBOSE"]
    )
    assert ended.rc == 3, ended.said
    assert 'Authenticated using "publickey" with partial success' in ended.said
    assert [prompt for prompt in ended.prompts if "Password" in prompt] == []
    assert len(ended.prompts) == 1


async def test_a_wrong_code_after_the_key_opens_nothing(bastion: Bastion) -> None:
    """After a proved key wrong codes are refused, whatever is typed, and the device hears nothing."""
    key = await key_file(bastion, "key", owner="alice")
    right = bastion.code()[0]
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    ended = await bastion.client.ssh("alice+scan01", "true", key=key, answers=[wrong, wrong, wrong, wrong])
    assert ended.rc == 255
    assert "Connection from" not in bastion.device.log()
    assert await bastion.events("authentication.succeeded") == []


async def test_a_key_and_its_owners_password_are_no_two_factors(bastion: Bastion) -> None:
    """A password typed where the code is asked, after the key, opens nothing."""
    key = await key_file(bastion, "key", owner="alice")
    password, _ = bastion.answers()
    ended = await bastion.client.ssh("alice+scan01", "true", key=key, answers=[password] * 4)
    assert ended.rc == 255
    assert await bastion.events("authentication.succeeded") == []


async def test_a_key_alone_leaves_a_connection_without_a_channel(bastion: Bastion) -> None:
    """After the key alone the connection is not logged in: no channel, no forwarding, nothing is dialled."""
    key = await key_file(bastion, "key", owner="alice")
    ended = await bastion.client.ssh(
        "alice+scan01", "id", key=key, options=["-o", "BatchMode=yes", "-o", "LogLevel=VERBOSE"]
    )
    assert ended.rc == 255
    assert ended.stdout == b""
    assert "partial success" in ended.said
    assert "Connection from" not in bastion.device.log()


async def test_the_key_of_somebody_else_opens_nothing_with_ones_own_code(bastion: Bastion) -> None:
    """Dsi's enrolled key with alice's right code is no way in as alice: the dialogue asks for both factors."""
    stranger = await key_file(bastion, "hers", owner="dsi")
    codes = bastion.code()
    ended = await bastion.client.ssh("alice+scan01", "id", key=stranger, answers=[*codes, *codes])
    assert ended.rc == 255
    assert "Password" in ended.prompts[0]
    assert await bastion.events("authentication.succeeded") == []


async def test_many_keys_offered_before_the_right_one_do_not_lock(bastion: Bastion) -> None:
    """An agent's other keys, offered without a signature, are no failures: the right one and the code still open."""
    right = await key_file(bastion, "right", owner="alice")
    others = [await key_file(bastion, f"other{number}") for number in range(5)]
    options = [part for other in others for part in ("-i", str(other))]
    ended = await bastion.client.ssh(
        "alice+scan01", "exit 3", key=right, options=options, answers=bastion.code()
    )
    assert ended.rc == 3, ended.said
    assert await bastion.events("authentication.failed") == []
