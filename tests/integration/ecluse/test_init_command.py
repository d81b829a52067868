"""``ecluse init``: all of an installation, or nothing."""

import asyncio
import json
import stat
from pathlib import Path

import pytest
from cryptography import x509

from ecluse import settings
from ecluse.installation import Administrator, initialise
from policy.clock import SystemClock
from tests.support.disks import small_disk
from tests.support.installed import ADMINISTRATORS, ecluse, init, tree

SECRETS = (
    "keys/host_ed25519",
    "keys/host_ecdsa",
    "keys/host_ca",
    "keys/trace-signing.pem",
    "keys/readers/hospital.pem",
    "tls/ca.key",
    "tls/api.key",
    "policy.db",
    "traces.db",
    "keys/vault/current",
)


def test_every_secret_is_its_owner_s_alone(tmp_path: Path) -> None:
    """Directories are 0700, keys and databases 0600, whatever the umask; the settings load."""
    directory = tmp_path / "deep" / "data"
    done = init(directory)
    assert done.exit_code == 0, done.output
    for name in SECRETS:
        assert stat.S_IMODE((directory / name).stat().st_mode) & 0o077 == 0, name
    for folder in (directory, *(path for path in directory.rglob("*") if path.is_dir())):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    assert settings.load(directory / "ecluse.toml").data_dir == directory


def test_each_administrator_gets_one_invitation_shown_once(tmp_path: Path) -> None:
    """The two tokens are different, and stand in no file of the installation."""
    told = json.loads(init(tmp_path / "data", "--json").stdout)
    assert set(told["invitations"]) == {"dsi", "denis"}
    tokens = set(told["invitations"].values())
    assert len(tokens) == 2
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert not any(token.encode() in kept for token in tokens)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--administrator", ADMINISTRATORS[0]), "nobody approves their own window"),
        (("--administrator", ADMINISTRATORS[0]) * 2, "nobody approves their own window"),
        (("--administrator", "dsi:Denise"), "login:Full Name:e-mail"),
        (("--administrator", "Dsi Martin:Denise Martin:d@h.example"), "login 'Dsi Martin'"),
        (("--administrator", "dsi:Denise Martin:denise"), "e-mail 'denise'"),
        (("--administrator", "dsi:Denise Martin:info@h.example"), "--administrator, e-mail 'info@h.example'"),
    ],
)
def test_what_is_wrong_with_an_administrator_is_named(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """One administrator, one twice, a bad form, login or e-mail: a sentence names it and nothing is made."""
    hospital = ("--hospital", "CH", "--contact", "RSSI")
    done = ecluse("init", str(tmp_path / "data"), *hospital, *arguments)
    assert done.exit_code == 1
    assert said in done.stderr
    assert tree(tmp_path) == []


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--timezone", "Europe/Brive"), "Europe/Brive"),
        (("--name", "not a name"), "not a name"),
        (("--hospital", ""), "name"),
        (("--hospital", "CH\x1b[2J"), "name"),
        (("--contact", ""), "security_contact"),
    ],
)
def test_a_refused_value_leaves_nothing_behind(
    tmp_path: Path, arguments: tuple[str, str], named: str, language: str
) -> None:
    """A wrong time zone, name or contact is named in the screen's language; parents made on the way are gone."""
    done = init(tmp_path / "deep" / "data", *arguments, language=language)
    assert done.exit_code == 1
    assert named in done.stderr
    assert "\x1b" not in done.stderr
    assert "Traceback" not in done.output
    assert tree(tmp_path) == []


def test_a_directory_that_was_there_and_empty_is_empty_again(tmp_path: Path) -> None:
    """After a failure an empty directory of the caller's stays, empty."""
    (tmp_path / "data").mkdir()
    assert init(tmp_path / "data", "--contact", "").exit_code == 1
    assert tree(tmp_path) == ["data"]


def test_a_directory_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    """Nothing is overwritten, and nothing is added to what is there."""
    directory = tmp_path / "data"
    directory.mkdir()
    (directory / "kept").write_text("mine")
    done = init(directory, language="fr")
    assert done.exit_code == 1
    assert "n’est pas vide" in done.stderr
    assert tree(tmp_path) == ["data", "data/kept"]


def test_a_disk_without_room_is_told_with_what_it_lacks(tmp_path: Path) -> None:
    """Where no session could open for want of room, nothing is made, and the sentence says how much is missing."""
    with small_disk(tmp_path, 2 << 20) as disk:
        done = init(disk / "data")
        assert done.exit_code == 1
        assert "2 MiB free, and no session opens below 256 MiB" in done.stderr
        assert list(disk.iterdir()) == []


def test_a_file_where_the_directory_should_be_is_named(tmp_path: Path) -> None:
    """A plain file in the way is a sentence, and stays."""
    (tmp_path / "data").write_text("mine")
    done = init(tmp_path / "data")
    assert (done.exit_code, "cannot be used" in done.stderr) == (1, True)
    assert (tmp_path / "data").read_text() == "mine"


async def test_an_interruption_leaves_nothing_behind(tmp_path: Path) -> None:
    """Cancelled while the databases are made, it removes what it wrote."""
    administrators = [Administrator.parse(text) for text in ADMINISTRATORS]
    making = asyncio.ensure_future(
        initialise(
            tmp_path / "data",
            hospital="CH",
            timezone="Europe/Paris",
            security_contact="RSSI",
            administrators=administrators,
            clock=SystemClock(),
        )
    )
    await asyncio.sleep(0)
    assert (tmp_path / "data/keys/host_ed25519").exists()
    making.cancel()
    await asyncio.wait({making})
    assert making.cancelled()
    assert tree(tmp_path) == []


def test_the_certificate_carries_the_names_asked_for(tmp_path: Path) -> None:
    """``--name`` puts a DNS name and an address into the API's certificate, beside this machine's own."""
    done = init(tmp_path / "data", "--name", "bastion.hospital.example", "--name", "192.0.2.7")
    assert done.exit_code == 0, done.output
    certificate = x509.load_pem_x509_certificate((tmp_path / "data/tls/api.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "bastion.hospital.example" in names.get_values_for_type(x509.DNSName)
    assert {"127.0.0.1", "192.0.2.7"} <= {str(one) for one in names.get_values_for_type(x509.IPAddress)}
