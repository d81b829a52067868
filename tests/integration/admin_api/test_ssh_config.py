"""What a technician's SSH configuration is made of, by the API and the command line."""

from pathlib import Path

from tests.support.api_house import House
from tests.support.own_machine import Desk

LINE = "@cert-authority [bastion.example]:2222{devices} ssh-ed25519 AAAAhouse"


def test_everybody_may_know_where_the_gateway_is(house: House) -> None:
    """The gateway's names, its port and the public line of its CA are for whoever has a token."""
    with house.client("alice") as alice:
        found = alice.get("/v1/ssh").json()
    assert found == {
        "names": ["bastion.example"],
        "port": 2222,
        "host_authority": "ssh-ed25519 AAAAhouse",
    }


def test_where_somebody_may_go_is_for_the_staff(house: House) -> None:
    """Staff read a person's devices and accounts, of approved windows alone; an unknown person is not found."""
    path = f"/v1/people/{house.world.who('alice')}/ways"
    with house.client("rssi") as rssi:
        found = rssi.get(path).json()
        assert rssi.get("/v1/people/nobody/ways").status_code == 404
        bob = rssi.get(f"/v1/people/{house.world.who('bob')}/ways").json()
    assert (found["login"], found["ways"]) == ("alice", [{"device": "scan01", "accounts": ["maint"]}])
    assert bob["ways"] == []


def test_the_command_prints_the_one_line(desks: tuple[Desk, Desk, Desk]) -> None:
    """Without a person, one line and nothing else: it goes into a known_hosts file as it is."""
    done = desks[0].run("ssh-config")
    assert (done.exit_code, done.stdout) == (0, LINE.format(devices="") + "\n")
    assert desks[0].json("ssh-config")["known_hosts"] == LINE.format(devices="")


def test_the_command_prints_a_configuration_for_somebody(
    desks: tuple[Desk, Desk, Desk], tmp_path: Path
) -> None:
    """With a person, her devices by a jump, in her own language, and the line that names them."""
    done = desks[0].run("ssh-config", "--person", "alice")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert f"#{LINE.format(devices=',scan01.bastion.example,scan01')}" in lines
    assert "    ProxyJump alice@bastion.example" in lines
    assert "Les équipements que vos plages ouvrent" in done.stdout
    assert desks[0].json("ssh-config", "--person", "alice")["config"] == done.stdout


def test_an_unknown_person_is_named(desks: tuple[Desk, Desk, Desk]) -> None:
    """A login that nobody has is an error of one sentence."""
    done = desks[0].run("ssh-config", "--person", "nobody")
    assert done.exit_code == 1
    assert "nobody" in done.output
