"""``ecluse hospitals add``: a further hospital in the same databases, with keys, readers and people of its own."""

import asyncio
import json
import pwd
import re
import shutil
from pathlib import Path

import pytest

from ecluse import settings
from policy.clock import SystemClock
from policy.errors import NotFound
from recorder.seal.signing import SigningKey
from tests.support import postgres
from tests.support.installed import change, ecluse, install, members, tree
from tests.support.policy_world import World, make_world

pytestmark = pytest.mark.postgres

ADD = (
    *("hospitals", "add", "CH de Tulle"),
    *("--contact", "RSSI, poste 7", "--administrator", "dsi:Zoé Roy:zoe.roy@tulle.example"),
    *("--administrator", "max:Max Roy:max.roy@tulle.example"),
)


async def first_house(config: Path) -> World:
    """Put the fixture hospital on PostgreSQL, as the first of the installation."""
    server = postgres.shared()
    url = server.url(server.create())
    made = settings.load(config)
    world = await make_world(url, SystemClock(), keyring_directory=made.keyring)
    config.write_text(config.read_text().replace(made.hospital_id, world.id))
    for section in ("policy_database", "trace_database"):
        change(config, section, f'url = "{url}"')
    return world


async def test_a_neighbour_has_its_own_people_and_keys(tmp_path: Path) -> None:
    """Its administrators enrol there alone, though one has a login of the first's; its keys of vault and backups are the same, its address is not."""
    config = await asyncio.to_thread(install, tmp_path / "first")
    safe = shutil.copy(config.parent / "keys/readers/hospital.pem.pub", config.parent / "keys/backup.pem.pub")
    change(config, "console", 'public_url = "https://brive.example:8443"')
    change(config, "gateway", 'names = ["brive.example"]')
    change(config, "backup", 'recipients = ["keys/backup.pem.pub"]')
    world = await first_house(config)
    try:
        folder = tmp_path / "tulle"
        options = (
            str(folder),
            "--node",
            "tulle1",
            "--config",
            str(config),
            "--json",
            "--name",
            "tulle.example",
        )
        done = await asyncio.to_thread(ecluse, *ADD, *options)
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout)
        here, there = settings.load(config), settings.load(folder / "ecluse.toml")
        assert (there.hospital_id, there.node) == (told["hospital_id"], "tulle1")
        assert there.policy_url() == here.policy_url()
        assert (there.gateway_names, there.console.public_url) == (("tulle.example",), None)
        for one in here.keyring.iterdir():
            assert (there.keyring / one.name).read_bytes() == one.read_bytes()
        assert [path.read_bytes() for path in there.backup_recipients] == [Path(safe).read_bytes()]
        for path in (
            "keys/host_ca",
            "keys/readers/hospital.pem",
            "tls/ca.pem",
            "keys/checkpoint-signing.pem",
        ):
            assert (folder / path).read_bytes() != (config.parent / path).read_bytes()
        signers = {SigningKey.load(each.signing_key).public.key_id for each in (here, there)}
        assert len(signers) == 2
        listed = {hospital.name for hospital in await world.services.hospitals.list()}
        assert listed == {"CH de Test", "CH de Tulle"}
        with pytest.raises(NotFound):
            await world.services.access.explain(there.hospital_id, "alice", "scan01")  # type: ignore[arg-type]  # its id
    finally:
        await world.close()


async def test_what_root_adds_belongs_to_the_two_users_of_the_installation(tmp_path: Path) -> None:
    """The further hospital's gateway and console run under the accounts of the first one's, and reach their own files."""
    accounts = members("nogroup")
    if len(accounts) < 2:
        pytest.skip("not root, or no two users of one group")
    gateway, console = accounts
    config = await asyncio.to_thread(install, tmp_path / "first")
    world = await first_house(config)
    try:
        shutil.chown(config.parent, group="nogroup")
        (config.parent / "keys/console.pass").write_text("x")
        shutil.chown(config.parent / "keys/console.pass", console)
        change(config, "gateway", f'user = "{gateway}"')
        change(config, "console", f'user = "{console}"')
        change(config, "policy_database", 'console_password_file = "keys/console.pass"')
        change(config, "policy_database", 'console_user = "ecluse_console"')
        folder = tmp_path / "tulle"
        options = (str(folder), "--node", "tulle1", "--config", str(config))
        done = await asyncio.to_thread(ecluse, *ADD, *options, COLUMNS="80")
        assert done.exit_code == 0, done.output
        # an invitation is copied: on a narrow screen it stays in one piece
        copied = re.findall(r"^(?:dsi|max): eclinv_[0-9a-f]{32}_[\w-]{43}$", done.stdout, re.MULTILINE)
        assert len(copied) == 2
        owners = {
            name: pwd.getpwuid((folder / name).stat().st_uid).pw_name
            for name in (
                "keys/trace-signing.pem",
                "spool",
                "keys/checkpoint-signing.pem",
                "keys/console.pass",
            )
        }
        assert list(owners.values()) == [gateway, gateway, console, console]
    finally:
        await world.close()


async def test_what_is_refused_leaves_neither_folder_nor_hospital(tmp_path: Path) -> None:
    """SQLite, a node's name that is taken, one administrator alone: nothing is made, in the databases either."""
    config = await asyncio.to_thread(install, tmp_path / "first")
    target = str(tmp_path / "tulle")
    embedded = await asyncio.to_thread(ecluse, *ADD, target, "--node", "tulle1", "--config", str(config))
    assert (embedded.exit_code, "migrate-to" in embedded.output) == (1, True)
    world = await first_house(config)
    try:
        taken = await asyncio.to_thread(ecluse, *ADD, target, "--node", "node1", "--config", str(config))
        alone = await asyncio.to_thread(
            ecluse, *ADD[:-2], target, "--node", "tulle1", "--config", str(config)
        )
        shared = (*ADD[:-1], "max:Max Roy:informatique@tulle.example")
        mailbox = await asyncio.to_thread(
            ecluse, *shared, target, "--node", "tulle1", "--config", str(config)
        )
        assert [each.exit_code for each in (taken, alone, mailbox)] == [1, 1, 1]
        assert len(await world.services.hospitals.list()) == 1
        assert "tulle" not in tree(tmp_path)
    finally:
        await world.close()
