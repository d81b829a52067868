"""A further hospital in the databases of an installation: its own keys, readers, processes and people."""

import grp
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecluse import composition
from ecluse.errors import InstallationError
from ecluse.installation import Administrator, all_or_nothing, check, make_files
from ecluse.nodes import NAME, NODE, bring, carry_settings, store_files
from ecluse.ownership import ROOT, Owners
from ecluse.settings import CONFIG_NAME, Settings
from policy import services
from policy.clock import Clock
from policy.vault.secret import Secret

_HOSPITAL = re.compile(r'^hospital_id\s*=\s*"[0-9a-f]{32}".*$', re.MULTILINE)
_ADDRESS = re.compile(r"^(?:public_url\s*=.*|names\s*=\s*\[[^\]]*\].*)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """What was made. ``elsewhere`` are files that the settings name outside the data directory."""

    hospital_id: str
    invitations: Mapping[str, Secret]
    elsewhere: tuple[Path, ...]


async def add_hospital(
    directory: Path,
    *,
    node: str,
    config: Path,
    settings: Settings,
    hospital: str,
    timezone: str,
    security_contact: str,
    administrators: Sequence[Administrator],
    clock: Clock,
    names: Sequence[str] = (),
) -> Neighbour:
    """Make *hospital* in the databases that *settings* (of *config*) name, and its data directory.

    The vault's keys are the same, for they change for all of a database at once; every other key is its own. *node*
    names its gateway, *names* are further names for its certificates. What was written is removed again whatever stops
    it. Raises InstallationError, PolicyError for a value that policy refuses, OSError.
    """
    if settings.evaluation_stores:
        raise InstallationError("nodes.embedded")
    if NAME.fullmatch(node) is None:
        raise InstallationError("nodes.name", value=node)
    if node == settings.node or settings.gateway_public_key(node).exists():
        raise InstallationError("nodes.taken", name=node)
    check(directory, timezone, administrators, names)
    with all_or_nothing(directory):
        make_files(directory, hospital, clock, names)
        shutil.rmtree(directory / "keys/vault")
        carried = [settings.keyring, *settings.backup_recipients, *store_files(settings)]
        elsewhere = bring(directory, settings, carried)
        target = directory / CONFIG_NAME
        carry_settings(config, target, NODE, f'node = "{node}"')
        built = await services.build(composition.policy_settings(settings), clock)
        try:
            made = await built.hospitals.initialise(
                name=hospital,
                timezone=timezone,
                security_contact=security_contact,
                administrators=[(one.login, one.full_name, one.email) for one in administrators],
                further=True,
            )
        finally:
            await built.close()
        carry_settings(target, target, _HOSPITAL, f'hospital_id = "{made.hospital.id}"')
        _move(target, names)
        _hand_over(directory, settings)
    return Neighbour(
        hospital_id=made.hospital.id,
        invitations={invited.person.login: invited.token for invited in made.invitations},
        elsewhere=elsewhere,
    )


def _move(target: Path, names: Sequence[str]) -> None:
    """Let the settings in *target* say *names*, and no longer where people find the first hospital."""
    text = _ADDRESS.sub("", target.read_text(encoding="utf-8"))
    if names:
        text = text.replace("[gateway]\n", f"[gateway]\nnames = {json.dumps(list(names))}\n", 1)
    target.write_text(text, encoding="utf-8")


def _hand_over(directory: Path, settings: Settings) -> None:
    """Give *directory* to the two programs' users, as this installation's is. Raises InstallationError, OSError."""
    gateway, console = settings.gateway.user, settings.console.user
    if os.geteuid() != ROOT or gateway is None or console is None or gateway == console:
        return
    group = grp.getgrgid(settings.data_dir.stat().st_gid).gr_name
    Owners.named(gateway, console, group).take(directory)
    for path in store_files(settings):
        if path.is_relative_to(settings.data_dir):
            status = path.stat()
            os.chown(directory / path.relative_to(settings.data_dir), status.st_uid, status.st_gid)
