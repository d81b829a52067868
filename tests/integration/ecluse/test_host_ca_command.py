"""The host CA: made by init, or by its own command where an older installation has none."""

import stat
from pathlib import Path

import pytest

from tests.support.installed import change, doctor, ecluse, init


def test_init_makes_a_host_ca_that_only_its_owner_reads(config: Path) -> None:
    """The private key is 0600, the public one beside it is one OpenSSH line, and doctor is content."""
    private = config.parent / "keys/host_ca"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert (config.parent / "keys/host_ca.pub").read_text().startswith("ssh-ed25519 ")
    assert any(key.startswith("doctor.host_authority.good") for key in doctor(config))


def test_an_installation_without_one_is_told_and_mended(config: Path) -> None:
    """Doctor notices that there is none, the command makes it, and a second time it changes nothing."""
    for name in ("host_ca", "host_ca.pub"):
        (config.parent / "keys" / name).unlink()
    assert any(key.startswith("doctor.host_authority.missing") for key in doctor(config))
    made = ecluse("host-ca", "--config", str(config))
    assert made.exit_code == 0, made.output
    private = config.parent / "keys/host_ca"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    before = private.read_bytes()
    again = ecluse("host-ca", "--config", str(config))
    assert again.exit_code == 0
    assert again.stdout.splitlines()[-1] == made.stdout.splitlines()[-1]
    assert private.read_bytes() == before


def test_a_folder_that_is_not_there_is_named(config: Path, tmp_path: Path) -> None:
    """Where the key cannot be written, one sentence says which and why."""
    change(config, "gateway", f'host_authority = "{tmp_path}/nowhere/host_ca"')
    refused = ecluse("host-ca", "--config", str(config))
    assert refused.exit_code == 1
    assert f"{tmp_path}/nowhere/host_ca" in refused.output


def test_what_is_no_key_is_found_by_doctor(config: Path) -> None:
    """A damaged CA key fails, and the remedy is said."""
    (config.parent / "keys/host_ca").write_text("nothing\n")
    assert any(key.startswith("doctor.host_authority.unreadable") for key in doctor(config))


def test_names_given_to_init_are_the_gateways(tmp_path: Path) -> None:
    """What init was told for the API's certificate is what the host keys are certified for."""
    assert init(tmp_path / "data", "--name", "bastion.hospital.example").exit_code == 0
    settings = (tmp_path / "data/ecluse.toml").read_text()
    assert 'names = ["bastion.hospital.example"]' in settings


@pytest.mark.parametrize("name", ['"a b"', '"bastion,evil"', '"*"', '"bastion\\nHost x"'])
def test_a_name_that_is_none_is_refused_by_its_key(config: Path, name: str) -> None:
    """A name goes into certificates and configuration files: what is no host name is refused at start."""
    change(config, "gateway", f"names = [{name}]")
    refused = ecluse("config", "check", "--config", str(config))
    assert refused.exit_code == 1
    assert "gateway.names" in refused.output
