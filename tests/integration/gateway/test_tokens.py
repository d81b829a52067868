"""A token behind stock ``ssh -I``: its PIN at the client, its certificate at the gateway."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from policy.domain.certificates import TrustAnchor
from policy.domain.factors import Level
from recorder.replay.reader import TraceReader
from tests.support.bastion import Bastion, running_bastion
from tests.support.pki import Authority, Certified
from tests.support.softhsm import PIN, Token
from tests.support.ssh_client import Finished
from tests.support.traces import stored

pytestmark = pytest.mark.integration


@dataclass
class Card:
    """Alice's token, enrolled under an authority that the hospital believes about her supplier."""

    bastion: Bastion
    token: Token
    root: Authority
    anchor: TrustAnchor
    certified: Certified

    async def ssh(self, *arguments: str, answers: list[str] | None = None) -> Finished:
        """Run ``ssh -I`` to the device; the PIN is the first answer."""
        command = self.bastion.client.command(
            "alice+scan01", *arguments, options=["-o", "IdentitiesOnly=no", "-o", "LogLevel=INFO"]
        )
        return await self.bastion.client.run(
            self.token.client(command), answers=[PIN, *(answers or [])], seconds=30
        )

    async def take(self, content: bytes) -> None:
        """Take a revocation list for the anchor."""
        world = self.bastion.world
        await world.services.anchors.take_list(world.who("dsi"), world.id, self.anchor.id, content)


async def enrolled(bastion: Bastion, directory: Path, kind: str) -> Card:
    """Return alice's token with a key of *kind*, its certificate enrolled and a fresh list at hand."""
    world, now = bastion.world, bastion.clock.now()
    token = await Token.make(directory / "token")
    root = Authority("IGC Imagix", now)
    anchor = await world.services.anchors.add(
        world.who("dsi"), world.id, name="IGC Imagix", certificate=root.pem, supplier_id=world.supplier.id
    )
    certified = root.certify(await token.new_key(kind), now)
    await world.services.token_certificates.enrol(
        world.who("dsi"), world.id, world.who("alice"), certified.pem
    )
    card = Card(bastion, token, root, anchor, certified)
    await card.take(root.revoke(now))
    return card


@pytest.fixture
async def bastion(tmp_path: Path) -> AsyncIterator[Bastion]:
    """A running gateway."""
    async with running_bastion(tmp_path / "bastion") as running:
        yield running


@pytest.mark.client("OpenSSH ssh", "token with PIN", "command")
@pytest.mark.parametrize("kind", ["rsa:2048", "EC:prime256v1"])
async def test_a_token_opens_a_session_with_its_pin_alone(
    bastion: Bastion, tmp_path: Path, kind: str
) -> None:
    """The client asks for the PIN and nothing else; trace and journal say token, level and key."""
    world = bastion.world
    await world.services.devices.update(world.who("dsi"), world.id, world.device.id, level=Level.HIGH)
    card = await enrolled(bastion, tmp_path, kind)
    ended = await card.ssh("exit 5")
    assert ended.rc == 5, ended.said
    assert len(ended.prompts) == 1
    assert "PIN" in ended.prompts[0]
    await bastion.closed()
    (entry,) = await bastion.events("authentication.succeeded")
    assert entry.event.details["factors"] == ["token-certificate"]
    (session,) = bastion.sessions()
    with TraceReader(stored(bastion.recorder, world.id, session)) as reader:
        assert list(reader.header.factors) == ["token-certificate"]
        assert reader.header.decision["level"] == "high"


async def test_a_revoked_token_is_refused_and_its_holder_reads_why(bastion: Bastion, tmp_path: Path) -> None:
    """The list of the hour names it: refused in both languages, with whom to call; a password and a code still serve."""
    card = await enrolled(bastion, tmp_path, "EC:prime256v1")
    bastion.clock.advance(timedelta(minutes=1))
    gone = {card.certified.certificate: x509.ReasonFlags.key_compromise}
    await card.take(card.root.revoke(bastion.clock.now(), gone))
    ended = await card.ssh("true", answers=bastion.answers())
    assert "est révoqué" in ended.said
    assert "is revoked" in ended.said
    assert "RSSI" in ended.said
    (entry,) = await bastion.events("authentication.failed")
    assert entry.event.details["reason"] == "certificate-revoked"
    assert entry.event.details["detail"] == "revoked-key"
    assert ended.rc == 0, ended.said


async def test_a_wrong_pin_proves_nothing(bastion: Bastion, tmp_path: Path) -> None:
    """The token gives no signature without its PIN, and its public key is no proof."""
    card = await enrolled(bastion, tmp_path, "EC:prime256v1")
    command = bastion.client.command("alice+scan01", "true", options=["-o", "IdentitiesOnly=no"])
    ended = await bastion.client.run(card.token.client(command), answers=["000000"] * 5)
    assert ended.rc == 255
    assert not await bastion.events("authentication.succeeded")
