"""The configuration that a technician fetches, as the real ssh reads it."""

import subprocess
from pathlib import Path

import pytest

from gateway.server.ssh_config import ssh_config
from policy.domain.people import Language
from policy.domain.ways import Place, Way
from policy.i18n import load

PLACE = Place(names=("bastion.example", "192.0.2.1"), port=2222, authority="ssh-ed25519 AAAA")
WAYS = [
    Way(device_name="mri02", account_names=("maint",)),
    Way(device_name="scan01", account_names=("maint", "root")),
    Way(device_name="github.com", account_names=("git",)),
]


def text(place: Place = PLACE, language: Language = Language.ENGLISH) -> str:
    """Return the configuration of alice."""
    return ssh_config("alice", place, WAYS, language, load("gateway"))


def understood(tmp_path: Path, host: str) -> dict[str, str]:
    """Return what ``ssh -G`` makes of the configuration for *host*."""
    file = tmp_path / "conf"
    file.write_text(text())
    done = subprocess.run(["ssh", "-F", str(file), "-G", host], capture_output=True, text=True, check=True)
    return dict(line.partition(" ")[::2] for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("host", "name", "user"),
    [
        ("mri02.bastion.example", "mri02", "maint"),
        ("scan01.bastion.example", "scan01", "maint"),
        ("scan01+root.bastion.example", "scan01", "root"),
        ("github.com.bastion.example", "github.com", "git"),
    ],
)
def test_each_account_of_each_device_is_a_host(tmp_path: Path, host: str, name: str, user: str) -> None:
    """Under the device's name and the gateway's, further accounts as name+account, all by a jump through the gateway."""
    found = understood(tmp_path, host)
    assert (found["hostname"], found["user"], found["port"]) == (name, user, "22")
    assert found["proxyjump"] == "alice@bastion.example"
    assert found["stricthostkeychecking"] == "true"
    assert found["hostkeyalias"] == f"{name}.bastion.example"
    assert found["userknownhostsfile"].endswith(".ssh/ecluse-bastion.example.known_hosts")


@pytest.mark.parametrize("host", ["github.com", "scan01", "www.github.com", "example", "nas"])
def test_no_other_host_of_hers_is_captured(tmp_path: Path, host: str) -> None:
    """A device called like a host of the world, or of another hospital, changes nothing for that host."""
    bare = subprocess.run(["ssh", "-F", "none", "-G", host], capture_output=True, text=True, check=True)
    found = understood(tmp_path, host)
    assert found == dict(line.partition(" ")[::2] for line in bare.stdout.splitlines())


def test_the_gateway_is_a_host_too(tmp_path: Path) -> None:
    """The jump finds its port and user in the gateway's own section."""
    found = understood(tmp_path, "bastion.example")
    assert (found["port"], found["user"]) == ("2222", "alice")
    assert found["stricthostkeychecking"] == "true"


def test_the_one_line_names_what_the_ca_is_believed_for() -> None:
    """The CA is believed for the gateway and her devices, never for every host, nor for the world's: she has other hospitals."""
    devices = "mri02.bastion.example,mri02,scan01.bastion.example,scan01,github.com.bastion.example"
    line = f"@cert-authority [bastion.example]:2222,[192.0.2.1]:2222,{devices} ssh-ed25519 AAAA"
    assert PLACE.known_hosts(WAYS) == line
    cut = [found.removeprefix("#") for found in text().splitlines() if found.startswith("#@")]
    assert cut == [line]


def test_a_standard_port_stands_without_brackets() -> None:
    """Port 22 is written as known_hosts has it."""
    plain = Place(names=("bastion.example",), port=22, authority="ssh-ed25519 AAAA")
    assert plain.known_hosts() == "@cert-authority bastion.example ssh-ed25519 AAAA"
    assert "ssh alice@bastion.example ssh-config" in text(plain)


def test_without_a_ca_nothing_strict_is_asked(tmp_path: Path) -> None:
    """An installation without a host CA gives a configuration that works, and says what is missing."""
    bare = text(Place(names=("bastion.example",), port=22, authority=None))
    assert "@cert-authority" not in bare
    assert "StrictHostKeyChecking" not in bare
    assert "no host CA" in bare


@pytest.mark.parametrize("language", list(Language))
def test_every_line_is_a_comment_or_an_option(language: Language) -> None:
    """In both languages the sentences are comments: the file may be included as it is."""
    options = (
        "Host ",
        "HostName ",
        "HostKeyAlias ",
        "Port ",
        "User ",
        "ProxyJump ",
        "UserKnownHostsFile ",
        "StrictHostKeyChecking ",
    )
    for line in text(language=language).splitlines():
        assert not line.strip() or line.strip().startswith(("#", *options)), line
