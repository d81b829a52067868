"""Attacks on keys that are enough alone: another key's signature, an old signature, another name, no signature."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncssh
import pytest
from typing_extensions import override

from policy.errors import AuthenticationFailed
from tests.support.authenticator import TOUCHED, VERIFIED, SecurityKey, agent
from tests.support.bastion import Bastion

pytestmark = pytest.mark.integration
BOTH = TOUCHED | VERIFIED


async def enrol(bastion: Bastion, key: SecurityKey, login: str) -> None:
    """Enrol *key* for the person of that login."""
    world = bastion.world
    await world.services.people.add_key(world.who(login), world.id, world.who(login), key.line)


async def entered(bastion: Bastion, identity: object) -> bool:
    """Tell whether ssh logs in as alice with the identity alone."""
    before = len(await bastion.events("authentication.succeeded"))
    options = ["-o", "PreferredAuthentications=publickey"]
    async with agent([identity]) as running:  # type: ignore[list-item]  # each has blob and sign
        ended = await bastion.client.ssh("alice+scan01", "true", options=[*options, *running.options])
    assert ended.stdout == b""
    after = len(await bastion.events("authentication.succeeded"))
    assert (after == before) is (ended.rc == 255)
    return after > before


async def test_her_key_shown_and_another_enrolled_one_signing_prove_nothing(bastion: Bastion) -> None:
    """Mallory's own key, enrolled and touched, signs while alice's is shown: neither of them gets in."""
    hers, other = SecurityKey(flags=BOTH), SecurityKey(flags=BOTH)
    await enrol(bastion, hers, "alice")
    await enrol(bastion, other, "rssi")

    @dataclass
    class Swapped:
        blob: bytes = hers.blob

        def sign(self, data: bytes) -> bytes:
            return other.sign(data)

    assert not await entered(bastion, Swapped())
    assert await entered(bastion, hers)


async def test_a_signature_of_another_connection_opens_nothing(bastion: Bastion) -> None:
    """What was signed for one connection is bound to it: shown again, it is no proof."""
    key = SecurityKey(flags=BOTH)
    await enrol(bastion, key, "alice")

    @dataclass
    class Recorder:
        blob: bytes = key.blob
        kept: list[bytes] = field(default_factory=list)

        def sign(self, data: bytes) -> bytes:
            if not self.kept:
                self.kept.append(key.sign(data))
            return self.kept[0]

    recorder = Recorder()
    assert await entered(bastion, recorder)
    assert not await entered(bastion, recorder)


async def test_a_key_that_is_only_shown_proves_nothing(bastion: Bastion) -> None:
    """The query for a key that is enough alone says that it would do, and opens nothing."""
    key = SecurityKey(flags=BOTH)
    await enrol(bastion, key, "alice")
    world = bastion.world
    attempt = await world.services.login.begin("alice", "127.0.0.1", hospital_id=world.id)
    assert await attempt.offers_key(key.blob)
    assert attempt.factors == frozenset()
    with pytest.raises(AuthenticationFailed):
        await attempt.check_code(bastion.code()[0])


async def test_a_touched_key_of_one_name_is_nothing_under_another(bastion: Bastion) -> None:
    """Alice's key as a partial success, then rssi's name with rssi's code: password and code are asked for again."""
    key = SecurityKey(flags=TOUCHED)
    await enrol(bastion, key, "alice")
    asked: list[int] = []

    class Turncoat(asyncssh.SSHClient):
        connection: asyncssh.SSHClientConnection

        @override
        def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
            self.connection = conn

        @override
        def kbdint_auth_requested(self) -> str:
            self.connection._username = "rssi+scan01"
            return ""

        @override
        def kbdint_challenge_received(
            self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
        ) -> list[str]:
            asked.append(len(prompts))
            return bastion.code("rssi") * len(prompts)

    async with agent([key]) as running:
        with pytest.raises(asyncssh.PermissionDenied):
            await asyncssh.connect(
                "127.0.0.1",
                bastion.gateway.port,
                config=None,
                username="alice+scan01",
                known_hosts=None,
                agent_path=str(running.socket),
                client_factory=Turncoat,
            )
    assert key.counter == 1
    assert set(asked) == {2}
