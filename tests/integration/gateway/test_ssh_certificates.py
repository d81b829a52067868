"""OpenSSH user certificates, made by ssh-keygen and shown by stock ssh."""

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from policy.domain.certificates import LoginAuthority
from policy.errors import Conflict, InvalidInput
from tests.support.bastion import Bastion, running_bastion
from tests.support.ssh_authority import SshAuthority, new_key
from tests.support.ssh_client import Finished

pytestmark = pytest.mark.integration


@dataclass
class Desk:
    """Alice with a key that nobody enrolled, and an authority that the hospital believes about her supplier."""

    bastion: Bastion
    key: Path
    authority: SshAuthority
    believed: LoginAuthority

    async def ssh(self, *arguments: str, login: str = "alice", options: tuple[str, ...] = ()) -> Finished:
        """Run stock ssh with the key and whatever certificate lies beside it, and a right code."""
        return await self.bastion.client.ssh(
            f"{login}+scan01",
            *(arguments or ("exit 6",)),
            key=self.key,
            answers=self.bastion.code(),
            options=["-o", "LogLevel=INFO", *options],
        )

    async def sign(self, *options: str, **how: object) -> Path:
        """Have the authority sign alice's key; as ``SshAuthority.sign``."""
        return await self.authority.sign(self.key, self.bastion.clock.now(), *options, **how)  # type: ignore[arg-type]  # its own words

    async def cause(self) -> tuple[str, str | None]:
        """Return the true cause of the first failure, and its detail."""
        details = (await self.bastion.events("authentication.failed"))[0].event.details
        detail = details.get("detail")
        return str(details["reason"]), None if detail is None else str(detail)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A running gateway that believes one authority."""
    async with running_bastion(tmp_path / "bastion") as bastion:
        world = bastion.world
        authority = await SshAuthority.make(tmp_path / "ca")
        believed = await world.services.login_authorities.add(
            world.who("dsi"),
            world.id,
            name="CA Imagix",
            public_key=authority.line,
            supplier_id=world.supplier.id,
        )
        yield Desk(bastion, await new_key(tmp_path / "alice"), authority, believed)


@pytest.mark.client("OpenSSH ssh", "SSH certificate + code", "command")
@pytest.mark.parametrize(
    "kind", [("-t", "ed25519"), ("-t", "ecdsa", "-b", "384"), ("-t", "rsa", "-b", "2048")]
)
async def test_a_certificate_and_a_code_open_a_session(
    desk: Desk, tmp_path: Path, kind: tuple[str, ...]
) -> None:
    """A key that nobody enrolled, under a certificate with the login as principal: a code is asked for, then in."""
    desk.key = await new_key(tmp_path / "other", *kind)
    await desk.sign(serial=7)
    ended = await desk.ssh()
    assert ended.rc == 6, ended.said
    assert len(ended.prompts) == 1
    (entry,) = await desk.bastion.events("authentication.succeeded")
    assert entry.event.details["factors"] == ["ssh-certificate", "totp"]


async def test_without_its_certificate_the_key_is_nobodys(desk: Desk) -> None:
    """The certified key alone, and a certificate by an authority that nobody believes, open nothing."""
    assert (await desk.ssh()).rc == 255
    stranger = await SshAuthority.make(desk.key.with_name("stranger"))
    await stranger.sign(desk.key, desk.bastion.clock.now())
    assert (await desk.ssh()).rc == 255
    assert not await desk.bastion.events("authentication.succeeded")


@pytest.mark.parametrize(
    ("options", "how", "cause"),
    [
        ((), {"principals": None}, None),
        ((), {"principals": "bob"}, None),
        ((), {"principals": "alice+scan01"}, None),
        ((), {"begins": timedelta(hours=-3), "lasts": timedelta(hours=2)}, None),
        ((), {"begins": timedelta(hours=1)}, None),
        (("-h",), {}, None),
        (("-O", "force-command=id"), {}, "force-command"),
        (("-O", "source-address=192.0.2.0/24"), {}, "another address"),
        (("-O", "verify-required"), {}, None),
        (("-O", "critical:unheard-of@example=1"), {}, None),
        (("-O", "clear"), {}, "permit-pty"),
    ],
)
async def test_a_certificate_that_does_not_let_her_in_is_refused(
    desk: Desk, options: tuple[str, ...], how: dict[str, object], cause: str | None
) -> None:
    """No or wrong principals, out of its time, a host's, options that are not held here: refused, and nothing else."""
    await desk.sign(*options, **how)
    ended = await desk.ssh(options=("-o", "PreferredAuthentications=publickey"))
    assert (ended.rc, ended.stdout) == (255, b"")
    assert not await desk.bastion.events("authentication.succeeded")
    if cause is not None:
        reason, detail = await desk.cause()
        assert reason == "certificate-not-for-this"
        assert cause in (detail or "")
        assert "Votre certificat" in ended.said


async def test_a_certificate_for_here_is_taken_from_here(desk: Desk) -> None:
    """source-address is honoured: the address is among those it is for."""
    await desk.sign("-O", "source-address=127.0.0.0/8,192.0.2.0/24")
    assert (await desk.ssh()).rc == 6


async def test_a_certificate_signed_with_sha_1_is_refused(desk: Desk, tmp_path: Path) -> None:
    """An RSA authority that signs with SHA-1 is believed no more than a stranger; with SHA-2 it is."""
    world = desk.bastion.world
    authority = await SshAuthority.make(tmp_path / "rsa-ca", "-t", "rsa", "-b", "2048")
    await world.services.login_authorities.add(
        world.who("dsi"), world.id, name="CA RSA", public_key=authority.line
    )
    now = desk.bastion.clock.now()
    await authority.sign(desk.key, now, "-t", "ssh-rsa")
    old = ("-o", "CASignatureAlgorithms=+ssh-rsa", "-o", "PreferredAuthentications=publickey")
    assert (await desk.ssh(options=old)).rc == 255
    await authority.sign(desk.key, now, "-t", "rsa-sha2-512")
    assert (await desk.ssh()).rc == 6


@pytest.mark.parametrize(
    "what", ["serial: 7", "serial: 5-9", "id: alice@imagix", "key: {key}", "sha256: {key}", "hash: {key}"]
)
async def test_what_the_krl_revokes_opens_nothing_though_it_is_in_the_agent(desk: Desk, what: str) -> None:
    """By number, by range, by name, by key, by digest: refused from the moment the list is taken."""
    await desk.sign(serial=7)
    assert (await desk.ssh()).rc == 6
    world = desk.bastion.world
    krl = desk.key.with_name("krl")
    line = desk.key.with_suffix(".pub").read_text().strip()
    if what.startswith("hash:"):
        digest = (
            base64.b64encode(hashlib.sha256(base64.b64decode(line.split()[1])).digest()).decode().rstrip("=")
        )
        specification = f"hash: SHA256:{digest}"
    else:
        specification = what.format(key=line)
    content = await desk.authority.revoke(krl, specification)
    await world.services.login_authorities.take_krl(world.who("dsi"), world.id, desk.believed.id, content)
    ended = await desk.ssh(options=("-o", "PreferredAuthentications=publickey"))
    assert ended.rc == 255
    assert await desk.cause() == ("certificate-revoked", "by the authority's KRL")


async def test_an_older_krl_and_junk_are_refused(desk: Desk) -> None:
    """What was revoked stays revoked: a list of a lower version is not taken in its place."""
    world = desk.bastion.world
    service, dsi = world.services.login_authorities, world.who("dsi")
    newer = await desk.authority.revoke(desk.key.with_name("new"), "serial: 7", version=5)
    older = await desk.authority.revoke(desk.key.with_name("old"), "serial: 1", version=4)
    await service.take_krl(dsi, world.id, desk.believed.id, newer)
    with pytest.raises(Conflict, match="higher version"):
        await service.take_krl(dsi, world.id, desk.believed.id, older)
    for junk in (b"", b"junk", newer[:-3], newer + b"\1"):
        with pytest.raises(InvalidInput, match="krl"):
            await service.take_krl(dsi, world.id, desk.believed.id, junk)


async def test_a_certificate_is_no_authority(desk: Desk) -> None:
    """A certificate as authority, a weak key, and a key that somebody logs in with are refused."""
    world = desk.bastion.world
    service, dsi = world.services.login_authorities, world.who("dsi")
    certificate = await desk.sign()
    with pytest.raises(InvalidInput, match="is a certificate"):
        await service.add(dsi, world.id, name="x", public_key=certificate.read_text())
    line = desk.key.with_suffix(".pub").read_text()
    await world.services.people.add_key(world.who("alice"), world.id, world.who("alice"), line)
    with pytest.raises(Conflict, match="somebody's own"):
        await service.add(dsi, world.id, name="x", public_key=line)


async def test_a_certificate_of_anothers_key_is_refused(desk: Desk) -> None:
    """E3: the key in it is enrolled as bob's; whatever the certificate says, it is not alice."""
    world = desk.bastion.world
    line = desk.key.with_suffix(".pub").read_text()
    await world.services.people.add_key(world.who("dsi"), world.id, world.who("bob"), line)
    await desk.sign()
    assert (await desk.ssh(options=("-o", "PreferredAuthentications=publickey"))).rc == 255
    assert "E3" in ((await desk.cause())[1] or "")


async def test_a_certificate_tells_its_holder_nothing_about_other_names(desk: Desk) -> None:
    """Whether rssi, bob or nobody bears a name: a certificate for alice is never asked to sign there."""
    world = desk.bastion.world
    blob = base64.b64decode((await desk.sign()).read_text().split()[1])
    for login, offered in (("alice", True), ("bob", False), ("rssi", False), ("nobody", False)):
        attempt = await world.services.login.begin(login, "127.0.0.1", hospital_id=world.id)
        assert await attempt.offers_key(blob) is offered


async def test_short_keys_are_refused(desk: Desk, tmp_path: Path) -> None:
    """RSA of 1024 bits is no key in a certificate, and no authority."""
    world = desk.bastion.world
    desk.key = await new_key(tmp_path / "short", "-t", "rsa", "-b", "1024")
    await desk.sign()
    assert (await desk.ssh(options=("-o", "PreferredAuthentications=publickey"))).rc == 255
    assert not await desk.bastion.events("authentication.succeeded")
    short = (tmp_path / "short.pub").read_text()
    with pytest.raises(InvalidInput, match="1024 bits"):
        await world.services.login_authorities.add(world.who("dsi"), world.id, name="x", public_key=short)


async def test_what_a_certificate_does_not_permit_is_not_opened(desk: Desk) -> None:
    """Without permit-port-forwarding a session opens and a jump does not."""
    await desk.sign("-O", "no-port-forwarding")
    assert (await desk.ssh()).rc == 6
    command = desk.bastion.client.command("alice", options=["-W", "scan01:22"], key=desk.key)
    ended = await desk.bastion.client.run(command, answers=desk.bastion.code())
    assert ended.rc != 0
    assert "SSH-2.0" not in ended.stdout.decode(errors="replace")
