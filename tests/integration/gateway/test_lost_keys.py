"""A key or certificate that is lost in mid-session: what was opened with it ends, and everybody reads why."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ecluse.revocations import Revocations
from policy.domain.certificates import LoginAuthority, TrustAnchor
from policy.services.token_watch import TokenWatch
from recorder.trace.frames import FrameType
from tests.support.authenticator import ED25519, TOUCHED, VERIFIED, SecurityKey, agent
from tests.support.bastion import Bastion, running_bastion
from tests.support.ocsp_responder import responder
from tests.support.pki import Authority, Certified, PrivateKey, curve_key
from tests.support.raw_client import Heard, channel, logged_in
from tests.support.ssh_authority import SshAuthority, new_key
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
async def bastion(tmp_path: Path) -> AsyncIterator[Bastion]:
    """A running bastion with one open window."""
    async with running_bastion(tmp_path / "bastion") as running:
        yield running


async def ended(bastion: Bastion, heard: Heard, key: str, by: str) -> str:
    """Wait for the end of a session, and check what journal and trace say of it; return what the person read."""
    await asyncio.wait_for(heard.closed.wait(), 60)
    [closed] = await bastion.written("session.closed")
    assert closed.event.details["reason"] == "factor"
    told: Any = closed.event.details["failed"]
    [failed] = told
    assert (failed["rule"], failed["key"], failed["by"]) == ("S35", f"finding.S35.key_{key}", by)
    [end] = [frame for frame in await bastion.frames() if frame.type is FrameType.END]
    assert b'"reason":"factor"' in end.payload
    assert f'"finding.S35.key_{key}"'.encode() in end.payload
    return heard.out.decode() + heard.err.decode()


async def plain_key(bastion: Bastion) -> asyncssh.SSHKey:
    """Return a key of alice's."""
    world, key = bastion.world, asyncssh.generate_private_key("ssh-ed25519")
    line = key.export_public_key().decode()
    await world.services.people.add_key(world.who("dsi"), world.id, world.who("alice"), line)
    return key


async def remove(bastion: Bastion, fingerprint: str) -> None:
    """Take a key of alice's away, as an administrator does."""
    world = bastion.world
    await world.services.people.remove_key(world.who("dsi"), world.id, world.who("alice"), fingerprint)


async def session(connection: asyncssh.SSHClientConnection) -> Heard:
    """Return a terminal on the device, under way."""
    _, heard = await channel(connection, term_type="xterm")
    await heard.until(b"maint@")
    return heard


async def test_a_key_taken_away_ends_its_session_and_no_other(bastion: Bastion) -> None:
    """She reads which key, and by whom; what she opened with a password goes on."""
    key = await plain_key(bastion)
    async with logged_in(bastion) as other, logged_in(bastion, answers=bastion.code(), keys=[key]) as hers:
        untouched, heard = await session(other), await session(hers)
        await remove(bastion, key.get_fingerprint())
        said = await ended(bastion, heard, "removed", "dsi")
        assert "a été retirée (par dsi)" in said
        assert key.get_fingerprint() in said
        assert "S35 - La clé" in said
        assert not untouched.closed.is_set()


async def test_a_security_key_taken_away_ends_its_session(bastion: Bastion) -> None:
    """A FIDO2 key is a key like any other here."""
    world, key = bastion.world, SecurityKey(ED25519, TOUCHED | VERIFIED)
    added = await world.services.people.add_key(world.who("dsi"), world.id, world.who("alice"), key.line)
    async with agent([key]) as running:
        command = bastion.client.command("alice+scan01", options=["-tt", *running.options])
        async with bastion.client.terminal(command, answers=[]) as terminal:
            await terminal.expect(b"maint@scan01")
            await remove(bastion, added.fingerprint)
            await terminal.expect(b"a \xc3\xa9t\xc3\xa9 retir\xc3\xa9e (par dsi)")


@pytest.mark.parametrize("user", ["alice", "alice+scan01"])
async def test_a_menu_and_a_waiting_connection_close_with_their_key(bastion: Bastion, user: str) -> None:
    """Nothing is open yet: the connection goes all the same, and what it asks meanwhile is refused."""
    key = await plain_key(bastion)
    async with logged_in(bastion, user, answers=bastion.code(), keys=[key]) as connection:
        await remove(bastion, key.get_fingerprint())
        await asyncio.wait_for(connection.wait_closed(), 60)
    assert await bastion.events("session.opened") == []


async def test_a_road_to_a_device_closes_with_its_key(bastion: Bastion) -> None:
    """A connection inside another (ssh -J) rests on the same key: both are closed."""
    key = await plain_key(bastion)
    async with logged_in(bastion, "alice", answers=bastion.code(), keys=[key]) as connection:
        reader, _ = await connection.open_connection("scan01", 22)
        await asyncio.wait_for(reader.readline(), 60)
        await remove(bastion, key.get_fingerprint())
        await asyncio.wait_for(connection.wait_closed(), 60)


async def test_a_code_does_not_complete_a_log_in_whose_key_was_taken_away(bastion: Bastion) -> None:
    """Between signature and code the key went: the right code lets nobody in."""
    key = await plain_key(bastion)
    attempt = await bastion.world.services.login.begin("alice", "127.0.0.1", hospital_id=bastion.world.id)
    assert await attempt.key_proved(key.public_data) is None
    await remove(bastion, key.get_fingerprint())
    [code] = bastion.code()
    with pytest.raises(Exception, match="authentication failed"):
        await attempt.check_code(code)


# --- tokens -----------------------------------------------------------------------------------------------


class Card:
    """Alice's token: its key is in the test's hands, which changes nothing for the gateway."""

    def __init__(self, bastion: Bastion, root: Authority, anchor: TrustAnchor, certified: Certified) -> None:
        """Keep what was enrolled."""
        self.bastion, self.root, self.anchor, self.certified = bastion, root, anchor, certified

    async def take(self, gone: dict[x509.Certificate, x509.ReasonFlags | None]) -> None:
        """Take a list of now that revokes *gone*."""
        world = self.bastion.world
        crl = self.root.revoke(self.bastion.clock.now(), gone)
        await world.services.anchors.take_list(world.who("dsi"), world.id, self.anchor.id, crl)


def as_pem(private: PrivateKey) -> str:
    """Return the private key as asyncssh reads it."""
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


async def card(bastion: Bastion, *, days: float = 365, **anchored: Any) -> tuple[Card, asyncssh.SSHKey]:
    """Return alice's token, in force, and its key; *anchored* is as ``AnchorService.add`` takes it."""
    world, now = bastion.world, bastion.clock.now()
    root = Authority("IGC Imagix", now)
    anchor = await world.services.anchors.add(
        world.who("dsi"), world.id, name="IGC Imagix", certificate=root.pem, **anchored
    )
    private = curve_key()
    certified = root.certify(private.public_key(), now, days=days)
    await world.services.token_certificates.enrol(
        world.who("dsi"), world.id, world.who("alice"), certified.pem
    )
    made = Card(bastion, root, anchor, certified)
    await made.take({})
    return made, asyncssh.import_private_key(as_pem(private))


@pytest.mark.parametrize(
    ("loss", "by"),
    [("revoked", "dsi"), ("untrusted", "dsi"), ("expired", "?"), ("removed", "dsi")],
)
async def test_a_token_lost_ends_its_session(bastion: Bastion, loss: str, by: str) -> None:
    """Revoked by the list of the hour, its authority believed no longer, over, or taken away."""
    token, key = await card(bastion, days=1.003)  # from a day ago: four minutes are left
    world, dsi = bastion.world, bastion.world.who("dsi")
    async with logged_in(bastion, answers=[], keys=[key]) as connection:
        heard = await session(connection)
        match loss:
            case "revoked":
                bastion.clock.advance(timedelta(seconds=1))
                await token.take({token.certified.certificate: None})
            case "untrusted":
                await world.services.anchors.remove(dsi, world.id, token.anchor.id, reason="rupture")
            case "removed":
                await remove(bastion, key.get_fingerprint())
            case _:
                bastion.clock.advance(timedelta(minutes=5))
        assert "S35 - " in await ended(bastion, heard, loss, by)


async def test_a_list_that_grows_stale_ends_nothing(bastion: Bastion) -> None:
    """Not to know is no revocation: what is open goes on, and the next log-in is refused (closed by default)."""
    _, key = await card(bastion)
    world = bastion.world
    bastion.clock.advance(timedelta(days=7, minutes=-3))  # lists last a week
    await world.add_window()
    async with logged_in(bastion, answers=[], keys=[key]) as connection:
        heard = await session(connection)
        bastion.clock.advance(timedelta(minutes=4))
        await bastion.world.services.people.unlock(world.who("dsi"), world.id, world.who("bob"))
        with pytest.raises(asyncssh.PermissionDenied):
            async with logged_in(bastion, answers=[], keys=[key]):
                pass
        entry, *_ = await bastion.events("authentication.failed")
        assert entry.event.details["reason"] == "certificate-revocation-unknown"
        assert not heard.closed.is_set()


async def test_a_responder_that_says_revoked_ends_what_is_open(bastion: Bastion, tmp_path: Path) -> None:
    """Asked again while the session lasts, OCSP says revoked: ended, the responder named; the word is kept."""
    bastion.clock.advance(datetime.now(UTC) - bastion.clock.now())  # the responder goes by the machine's time
    world = bastion.world
    await world.add_window()
    async with Revocations() as revocations:
        token, key = await card(bastion)
        async with responder(token.root, tmp_path / "ocsp") as answering:
            answering.knows(token.certified.certificate)
            change = world.services.anchors.change
            await change(world.who("dsi"), world.id, token.anchor.id, ocsp_url=answering.url)
            watch = TokenWatch(world.services.database, bastion.clock, revocations)
            world.services = replace(world.services, token_watch=watch)
            await bastion.restart_gateway(responder_seconds=0.2)
            async with logged_in(bastion, answers=[], keys=[key]) as connection:
                heard = await session(connection)
                await eventually(lambda: answering.asked > 0)
                assert not heard.closed.is_set()
                answering.knows(token.certified.certificate, revoked="keyCompromise")
                await ended(bastion, heard, "revoked", answering.url)
    with pytest.raises(asyncssh.PermissionDenied):
        async with logged_in(bastion, answers=[], keys=[key]):
            pass


# --- SSH certificates -------------------------------------------------------------------------------------


async def certified(bastion: Bastion, directory: Path) -> tuple[SshAuthority, LoginAuthority, Any]:
    """Return an authority that is believed, and a key of alice's with its certificate."""
    world = bastion.world
    authority = await SshAuthority.make(directory / "ca")
    believed = await world.services.login_authorities.add(
        world.who("dsi"), world.id, name="CA Imagix", public_key=authority.line
    )
    key = await new_key(directory / "alice")
    await authority.sign(key, bastion.clock.now(), lasts=timedelta(hours=1, minutes=5))
    return authority, believed, (str(key), f"{key}-cert.pub")


@pytest.mark.parametrize(("loss", "by"), [("revoked", "dsi"), ("untrusted", "dsi"), ("expired", "?")])
async def test_an_ssh_certificate_lost_ends_its_session(
    bastion: Bastion, tmp_path: Path, loss: str, by: str
) -> None:
    """Revoked by the authority's KRL, its authority believed no longer, or over."""
    authority, believed, pair = await certified(bastion, tmp_path)
    world, dsi = bastion.world, bastion.world.who("dsi")
    async with logged_in(bastion, answers=bastion.code(), keys=[pair]) as connection:
        heard = await session(connection)
        match loss:
            case "revoked":
                krl = await authority.revoke(tmp_path / "krl", "serial: 1")
                await world.services.login_authorities.take_krl(dsi, world.id, believed.id, krl)
            case "untrusted":
                await world.services.login_authorities.remove(dsi, world.id, believed.id, reason="rupture")
            case _:
                bastion.clock.advance(timedelta(minutes=6))
        await ended(bastion, heard, loss, by)
