"""Nothing opens with a factor missing, and nothing before log-in tells who exists (invariants 7 and 8)."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import asyncssh
import pytest
from typing_extensions import override

from tests.support.bastion import Bastion, running_bastion
from tests.support.newcomer import newcomer
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


async def enrolled_key(bastion: Bastion, login: str = "alice", kind: str = "ssh-ed25519") -> Path:
    """Make a key pair, enrol its public half for *login*, and return the private file."""
    key = asyncssh.generate_private_key(kind)
    path = bastion.directory / f"{login}.{kind}.key"
    key.write_private_key(path)
    path.chmod(0o600)
    await bastion.world.services.people.add_key(
        bastion.world.who(login),
        bastion.world.id,
        bastion.world.who(login),
        key.export_public_key().decode().strip(),
        label="test",
    )
    return path


async def test_the_dialogue_speaks_both_languages(bastion: Bastion) -> None:
    """The banner and the prompts are in French and in English, and say that a code serves once."""
    ended = await bastion.client.ssh(
        "alice+scan01", "true", answers=bastion.answers(), options=["-o", "LogLevel=INFO"]
    )
    assert ended.rc == 0, ended.said
    assert "CH de Test" in ended.said
    assert "323-1" in ended.said
    assert "planned intervention" in ended.said
    assert any("Mot de passe" in prompt and "Password" in prompt for prompt in ended.prompts)


@pytest.mark.parametrize(
    ("login", "wrong"),
    [("alice", "password"), ("alice", "code"), ("alice", "both"), ("nobody", "all"), ("a" * 500, "all")],
)
async def test_a_wrong_factor_opens_nothing(bastion: Bastion, login: str, wrong: str) -> None:
    """A wrong password, a wrong code and an unknown person end alike: refused, and after three dialogues cut."""
    password, code = bastion.answers()
    if wrong in {"password", "both", "all"}:
        password = "not the password"
    if wrong in {"code", "both", "all"}:
        code = "000000" if code != "000000" else "111111"
    ended = await bastion.client.ssh(f"{login}+scan01", "true", answers=[password, code] * 5)
    assert ended.rc == 255
    assert ended.stdout == b""
    assert len(ended.prompts) <= 6
    assert bastion.device.log().count("Accepted") == 0
    assert "Trop de tentatives" in ended.said or "Too many" in ended.said or "denied" in ended.said


async def test_a_code_serves_once(bastion: Bastion) -> None:
    """The code of a successful log-in opens nothing a second time within its life."""
    answers = bastion.answers()
    first = await bastion.client.ssh("alice+scan01", "true", answers=answers)
    again = await bastion.client.ssh("alice+scan01", "true", answers=answers)
    assert (first.rc, again.rc) == (0, 255)
    failed = [dict(entry.event.details) for entry in await bastion.events("authentication.failed")]
    assert failed[0]["reason"] == "replayed-code"


async def test_three_failures_lock_the_pair(bastion: Bastion) -> None:
    """After three failed dialogues even right factors from that source are refused, until the lock is over."""
    password, _ = bastion.answers()
    await bastion.client.ssh("alice+scan01", "true", answers=[password, "000000"] * 3)
    locked = await bastion.client.ssh("alice+scan01", "true", answers=bastion.answers())
    assert locked.rc == 255
    assert await bastion.events("authentication.locked")
    bastion.clock.advance(timedelta(minutes=2))
    opened = await bastion.client.ssh("alice+scan01", "true", answers=bastion.answers())
    assert opened.rc == 0, opened.said


async def test_a_key_then_a_code(bastion: Bastion) -> None:
    """A key is a partial success; the code completes it, and an exit status comes back."""
    key = await enrolled_key(bastion)
    ended = await bastion.client.ssh(
        "alice+scan01",
        "exit 3",
        key=key,
        answers=bastion.code(),
        options=["-v"],
    )
    assert ended.rc == 3, ended.said
    assert "with partial success" in ended.said or len(ended.prompts) == 1
    await bastion.closed()
    factors = [entry.event.details["factors"] for entry in await bastion.events("authentication.succeeded")]
    assert factors == [["public-key", "totp"]]


async def test_a_key_alone_opens_nothing(bastion: Bastion) -> None:
    """A client that offers nothing but its key is refused after the partial success."""
    key = await enrolled_key(bastion)
    ended = await bastion.client.ssh(
        "alice+scan01", "true", key=key, options=["-o", "PreferredAuthentications=publickey"]
    )
    assert ended.rc == 255
    assert "ermission denied" in ended.said


async def test_a_code_alone_opens_nothing(bastion: Bastion) -> None:
    """Without a key proved, the code in the place of the password does not do."""
    code = bastion.code()
    ended = await bastion.client.ssh("alice+scan01", "true", answers=[*code, *code])
    assert ended.rc == 255


async def test_what_was_proved_under_one_name_is_nothing_under_another(bastion: Bastion) -> None:
    """A key proved as alice does not let the same connection in as dsi with dsi's code, nor keep alice's key."""
    key = await enrolled_key(bastion)
    private = asyncssh.read_private_key(key)

    class Turncoat(asyncssh.SSHClient):
        connection: asyncssh.SSHClientConnection

        @override
        def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
            self.connection = conn

        @override
        def kbdint_auth_requested(self) -> str:
            self.connection._username = "dsi+scan01"  # the attack: another name after the first factor
            return ""

        @override
        def kbdint_challenge_received(
            self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
        ) -> list[str]:
            asked.append(len(prompts))
            return bastion.code("dsi") * len(prompts)

    asked: list[int] = []
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect(
            "127.0.0.1",
            bastion.gateway.port,
            config=None,
            username="alice+scan01",
            client_keys=[private],
            known_hosts=None,
            agent_path=None,
            client_factory=Turncoat,
        )
    assert asked
    assert set(asked) == {2}


async def test_an_empty_first_name_is_nobody(bastion: Bastion) -> None:
    """A client whose first user name is empty gets the dialogue of an unknown person, not an error."""
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect(
            "127.0.0.1",
            bastion.gateway.port,
            config=None,
            username="",
            password="x",
            client_keys=None,
            known_hosts=None,
            agent_path=None,
        )


async def test_passwords_and_none_are_not_offered(bastion: Bastion) -> None:
    """The methods offered are the key and the dialogue, and no other."""
    methods = await asyncssh.get_server_auth_methods(
        "127.0.0.1", bastion.gateway.port, username="alice+scan01", config=None
    )
    assert set(methods) == {"publickey", "keyboard-interactive"}


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-slow", b"SSH-2.0-mute\r\n"])
async def test_a_mute_connection_is_cut_after_the_grace(tmp_path: Path, said: bytes) -> None:
    """Who connects and says nothing, or her version line and nothing more, is cut at the end of the log-in grace."""
    async with running_bastion(tmp_path, login_grace_seconds=0.5) as bastion:
        reader, writer = await asyncio.open_connection("127.0.0.1", bastion.gateway.port)
        writer.write(said)
        async with asyncio.timeout(30):  # without this grace it would be the minute that is the default
            assert (await reader.readline()).startswith(b"SSH-2.0-Ecluse")
            while await reader.read(4096):
                pass
        writer.close()
        await writer.wait_closed()


async def test_connections_that_do_not_log_in_are_few(tmp_path: Path) -> None:
    """Beyond the cap of one source, a new connection is closed at once; a freed place is taken again."""
    async with running_bastion(tmp_path, max_unauthenticated_per_source=2) as bastion:
        port = bastion.gateway.port
        async with newcomer(port) as first, newcomer(port) as second:
            assert await first.let_in()
            assert await second.let_in()
            async with newcomer(port) as third:
                assert not await third.let_in()
        await eventually(lambda: bastion.gateway.connections == 0)
        ended = await bastion.client.ssh("alice+scan01", "true", answers=bastion.answers())
        assert ended.rc == 0, ended.said
