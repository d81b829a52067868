"""Accounts that trust the hospital's SSH authority: a key and a certificate for each session, seen by a real sshd."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.target.dial import Dialler
from gateway.target.tasks import TaskRunner
from policy.domain.authorities import DeviceAuthority
from policy.domain.devices import AccountMethod
from policy.domain.tasks import TaskKind, TaskState
from policy.errors import Conflict
from policy.i18n import load
from tests.support.bastion import Bastion, running_bastion
from tests.support.policy_world import host_key_line
from tests.support.ssh_client import Finished

pytestmark = pytest.mark.integration


@dataclass
class Trusting:
    """A bastion whose device trusts an authority, for the principals that its file lists."""

    bastion: Bastion
    authority: DeviceAuthority
    keys: Path
    principals: Path

    async def enter(self, command: str = "echo in") -> Finished:
        """Run *command* on the device as alice."""
        return await self.bastion.client.ssh("alice+scan01", command, answers=self.bastion.answers())

    async def tried(self) -> bool:
        """Have a gateway try the account, as `ecluse accounts try` does."""
        here = self.bastion.world
        services, dsi = here.services, here.who("dsi")
        task = await services.device_tasks.request(
            dsi, here.id, TaskKind.TRY_ACCOUNT, here.device.id, account_id=here.account.id
        )
        runner = TaskRunner(
            services.device_tasks,
            Dialler(services.vault, 10.0),
            self.bastion.journal,
            load("gateway"),
            self.bastion.clock,
            hospital_id=here.id,
            node="node1",
        )
        assert await runner.run_one()
        return (await services.device_tasks.get(dsi, here.id, task.id)).state is TaskState.DONE


@asynccontextmanager
async def trusting(directory: Path, **world: object) -> AsyncIterator[Trusting]:
    """Start a device with TrustedUserCAKeys and AuthorizedPrincipalsFile, on the real clock that it goes by."""
    keys, principals = directory / "authorities", directory / "principals"
    directory.mkdir(parents=True, exist_ok=True)
    keys.write_text("")
    principals.write_text("maint@scan01\n")
    lines = (
        f'TrustedUserCAKeys "{keys}"\nAuthorizedPrincipalsFile "{principals}"\n'
        "PasswordAuthentication no\nLogLevel VERBOSE"
    )
    async with running_bastion(directory, sshd_config=lines, world_settings=world) as bastion:
        here, dsi = bastion.world, bastion.world.who("dsi")
        authority = await here.services.authorities.make(dsi, here.id)
        keys.write_text(f"{authority.public_key}\n")
        bastion.clock.advance(datetime.now(UTC) - bastion.clock.now())
        await here.services.devices.replace_secret(
            dsi, here.id, here.account.id, None, method=AccountMethod.CERTIFICATE
        )
        await here.add_window()
        yield Trusting(bastion, authority, keys, principals)


async def test_a_session_has_a_certificate_that_names_its_person(tmp_path: Path) -> None:
    """The device's own log says who came and in which session; the next session has another key and serial."""
    async with trusting(tmp_path) as trust:
        for _ in range(2):
            ended = await trust.enter("echo in; tty")
            assert ended.stdout.startswith(b"in\n"), ended.said
        log = trust.bastion.device.log()
        entered = re.findall(
            r"Accepted publickey for maint from 127\.0\.0\.1 port \d+ ssh2: ED25519-CERT (\S+) "
            r"ID alice \(Alice Martin\) session ([0-9a-f]{32}) \(serial (\d+)\) CA ED25519 (\S+)",
            log,
        )
        assert len(entered) == 2, log
        assert {one[3] for one in entered} == {trust.authority.fingerprint}
        for place in (0, 1, 2):
            assert entered[0][place] != entered[1][place]
        await trust.bastion.closed()
        assert {one[1] for one in entered} == set(trust.bastion.sessions())


async def test_a_certificate_for_one_device_opens_no_other(tmp_path: Path) -> None:
    """Another device that trusts the same authority lists another principal, and refuses; so does the bare name."""
    async with trusting(tmp_path) as trust:
        for other in ("maint@irm02", "maint", "root@scan01", ""):
            trust.principals.write_text(f"{other}\n")
            ended = await trust.enter()
            assert ended.rc == 1, other
        assert "Accepted" not in trust.bastion.device.log()


async def test_the_device_holds_it_to_the_zones_address(tmp_path: Path) -> None:
    """The certificate carries the zone's source address, which the device accepts it from."""
    async with trusting(tmp_path, source_address="127.0.0.2") as trust:
        assert (await trust.enter()).stdout == b"in\n"
        assert "Accepted publickey for maint from 127.0.0.2 " in trust.bastion.device.log()


async def test_one_authority_takes_over_from_another(tmp_path: Path) -> None:
    """While the next one waits, certificates are the old one's; after the switch the device must know the new."""
    async with trusting(tmp_path) as trust:
        here = trust.bastion.world
        authorities, dsi = here.services.authorities, here.who("dsi")
        coming = await authorities.make(dsi, here.id)
        with pytest.raises(Conflict, match="switch"):
            await authorities.make(dsi, here.id)
        assert await trust.tried()
        trust.keys.write_text(f"{trust.authority.public_key}\n{coming.public_key}\n")
        await authorities.switch(dsi, here.id, coming.id)
        trust.keys.write_text(f"{coming.public_key}\n")
        assert await trust.tried()
        assert coming.fingerprint in trust.bastion.device.log()
        with pytest.raises(Conflict, match="retired"):
            await authorities.switch(dsi, here.id, trust.authority.id)


async def test_a_device_that_does_not_trust_the_authority_refuses(tmp_path: Path) -> None:
    """The person reads that the device refuses the account, and no other way in is tried."""
    async with trusting(tmp_path) as trust:
        trust.keys.write_text(host_key_line())
        ended = await trust.enter()
        assert ended.rc == 1
        failed = dict((await trust.bastion.written("device.failed"))[0].event.details)
        assert failed["error"] == "SecretRefused"
        assert not await trust.tried()
