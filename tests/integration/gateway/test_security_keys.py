"""FIDO2 keys with a stock ssh and a software authenticator: touch always, verification where it is enough alone."""

from dataclasses import dataclass

import pytest

from policy.domain.factors import Factor, FactorRow, Level
from policy.errors import AuthenticationFailed
from recorder.replay.reader import TraceReader
from tests.support.authenticator import ECDSA, ED25519, TOUCHED, VERIFIED, SecurityKey, agent
from tests.support.bastion import Bastion
from tests.support.traces import stored

pytestmark = pytest.mark.integration


async def enrol(bastion: Bastion, key: SecurityKey, login: str = "alice") -> None:
    """Enrol the public line of *key*, as its holder would."""
    world = bastion.world
    await world.services.people.add_key(world.who(login), world.id, world.who(login), key.line)


async def reasons(bastion: Bastion) -> list[object]:
    """Return the true cause of every log-in that failed."""
    return [entry.event.details["reason"] for entry in await bastion.events("authentication.failed")]


@pytest.mark.client("OpenSSH ssh", "FIDO2 key, verified", "command")
@pytest.mark.parametrize("algorithm", [ED25519, ECDSA])
async def test_a_verified_key_alone_opens_a_session_of_the_high_level(
    bastion: Bastion, algorithm: bytes
) -> None:
    """Touched by somebody it recognised: in without a code; journal and trace say with what, and the level."""
    key = SecurityKey(algorithm, TOUCHED | VERIFIED)
    await enrol(bastion, key)
    async with agent([key]) as running:
        ended = await bastion.client.ssh("alice+scan01", "exit 3", options=running.options)
    assert (ended.rc, ended.prompts) == (3, ()), ended.said
    await bastion.closed()
    (entry,) = await bastion.events("authentication.succeeded")
    assert entry.event.details["factors"] == ["security-key-verified"]
    assert entry.event.details["level"] == "high"
    (session,) = bastion.sessions()
    with TraceReader(stored(bastion.recorder, bastion.world.id, session)) as reader:
        assert list(reader.header.factors) == ["security-key-verified"]
        assert reader.header.decision["level"] == "high"


@pytest.mark.client("OpenSSH ssh", "FIDO2 key, touched + code", "command")
@pytest.mark.parametrize("algorithm", [ED25519, ECDSA])
async def test_a_touched_key_needs_the_code(bastion: Bastion, algorithm: bytes) -> None:
    """Touched by whoever held it: a partial success, and the code completes it."""
    key = SecurityKey(algorithm, TOUCHED)
    await enrol(bastion, key)
    async with agent([key]) as running:
        no_code = ["-o", "PreferredAuthentications=publickey", *running.options]
        alone = await bastion.client.ssh("alice+scan01", "true", options=no_code)
        both = await bastion.client.ssh(
            "alice+scan01", "exit 4", options=running.options, answers=bastion.code()
        )
    assert (alone.rc, alone.stdout) == (255, b"")
    assert both.rc == 4, both.said
    (entry,) = await bastion.events("authentication.succeeded")
    assert entry.event.details["factors"] == ["security-key", "totp"]


@pytest.mark.parametrize("flags", [0, VERIFIED])
async def test_a_key_that_nobody_touched_proves_nothing(bastion: Bastion, flags: int) -> None:
    """A signature without presence, whatever else it claims, is no factor: malware could have asked for it."""
    key = SecurityKey(flags=flags)
    await enrol(bastion, key)
    async with agent([key]) as running:
        ended = await bastion.client.ssh(
            "alice+scan01", "true", options=running.options, answers=bastion.code()
        )
    assert (ended.rc, ended.stdout) == (255, b"")
    assert not await bastion.events("authentication.succeeded")


async def test_flags_that_were_changed_on_the_way_break_the_signature(bastion: Bastion) -> None:
    """The flags are signed: whoever writes verification into a touched key's signature proves nothing."""
    key = SecurityKey(flags=TOUCHED)

    @dataclass
    class Forger:
        blob: bytes

        def sign(self, data: bytes) -> bytes:
            signature = bytearray(key.sign(data))
            signature[-5] |= VERIFIED
            return bytes(signature)

    await enrol(bastion, key)
    async with agent([Forger(key.blob)]) as running:
        ended = await bastion.client.ssh("alice+scan01", "true", options=running.options)
    assert (ended.rc, ended.stdout) == (255, b"")
    assert not await bastion.events("authentication.succeeded")


async def test_a_key_taken_away_still_in_the_token_opens_nothing(bastion: Bastion) -> None:
    """Removed by the hospital, the key is offered by the agent for ever and serves no more."""
    key = SecurityKey(flags=TOUCHED | VERIFIED)
    await enrol(bastion, key)
    world = bastion.world
    (held,) = await world.services.people.keys(world.who("alice"), world.id, world.who("alice"))
    await world.services.people.remove_key(world.who("alice"), world.id, world.who("alice"), held.fingerprint)
    async with agent([key]) as running:
        ended = await bastion.client.ssh("alice+scan01", "true", options=running.options)
    assert (ended.rc, key.counter) == (255, 0)


async def test_somebody_elses_key_opens_nothing(bastion: Bastion) -> None:
    """Rob's key at alice's name, and alice's name after rob's key was proved, are refused."""
    key = SecurityKey(flags=TOUCHED | VERIFIED)
    await enrol(bastion, key, "rssi")
    async with agent([key]) as running:
        ended = await bastion.client.ssh("alice+scan01", "true", options=running.options)
    assert ended.rc == 255
    assert not await bastion.events("authentication.succeeded")


async def test_where_the_table_takes_hardware_alone_passwords_are_not_asked_for(bastion: Bastion) -> None:
    """A hospital that takes verified keys alone: no password is offered, right ones are refused, software keys too."""
    world = bastion.world
    rows = [FactorRow(frozenset({Factor.SECURITY_KEY_VERIFIED}), Level.HIGH)]
    await world.services.factors.change(world.who("dsi"), world.id, rows)
    typed = await bastion.client.ssh("alice+scan01", "true", answers=bastion.answers())
    assert (typed.rc, typed.prompts) == (255, ())
    touched, verified = SecurityKey(flags=TOUCHED), SecurityKey(flags=TOUCHED | VERIFIED)
    await enrol(bastion, touched)
    await enrol(bastion, verified)
    async with agent([touched]) as running:
        ended = await bastion.client.ssh(
            "alice+scan01", "true", options=running.options, answers=bastion.code()
        )
    assert ended.rc == 255
    assert await reasons(bastion) == ["factors-not-in-the-table"]
    async with agent([verified]) as running:
        opened = await bastion.client.ssh("alice+scan01", "true", options=running.options)
    assert opened.rc == 0, opened.said


async def test_a_table_changed_between_proof_and_code_counts(bastion: Bastion) -> None:
    """What counts is the table when the log-in ends, not when it began."""
    world = bastion.world
    key = SecurityKey(flags=TOUCHED)
    await enrol(bastion, key)
    attempt = await world.services.login.begin("alice", "127.0.0.1", hospital_id=world.id)
    await attempt.key_proved(key.blob, touched=True)
    rows = [FactorRow(frozenset({Factor.TOKEN_CERTIFICATE}), Level.HIGH)]
    await world.services.factors.change(world.who("dsi"), world.id, rows)
    with pytest.raises(AuthenticationFailed):
        await attempt.check_code(bastion.code()[0])


async def test_a_device_that_demands_the_high_level_says_so(bastion: Bastion) -> None:
    """Password and code reach the standard level: refused with S35 and what to do; a verified key opens it."""
    world = bastion.world
    await world.services.devices.update(world.who("dsi"), world.id, world.device.id, level=Level.HIGH)
    refused = await bastion.client.ssh("alice+scan01", "true", answers=bastion.answers())
    assert refused.rc != 0
    assert "S35" in refused.said
    assert "clé de sécurité" in refused.said
    key = SecurityKey(flags=TOUCHED | VERIFIED)
    await enrol(bastion, key)
    async with agent([key]) as running:
        opened = await bastion.client.ssh("alice+scan01", "true", options=running.options)
    assert opened.rc == 0, opened.said
