"""What the flow broker takes from the gateway, and what it lets itself be told by files."""

import json
import os
from pathlib import Path

import pytest

from ecluse.flows.register import Register
from ecluse.flows.request import LONGEST_SECONDS, Place, Refused, parse

LONGEST = b'{"address": "2001:ffff:ffff:ffff:ffff:ffff:ffff:fff0", "port": 65535, "seconds": 86400}\n'


def asked(**changed: object) -> bytes:
    """Return a request that is right but for what is *changed*."""
    return json.dumps({"address": "192.0.2.7", "port": 22, "seconds": 60, **changed}).encode() + b"\n"


WRONG = [
    b"",
    b"\n",
    b"open 192.0.2.7 22\n",
    asked()[:-1],
    asked() + asked(),
    asked(more=1),
    asked(address="a" * 300),
    b'{"address": "192.0.2.7", "port": 22, "port": 23, "seconds": 60}\n',
    b'{"address": "192.0.2.7", "port": 22}\n',
    b'["192.0.2.7", 22, 60]\n',
    b"[" * 250 + b"\n",
    '{"address": "192.0.2.７", "port": 22, "seconds": 60}\n'.encode(),
    *(asked(port=port) for port in (0, -1, 65536, "22", 22.0, True, None, [22])),
    *(asked(seconds=seconds) for seconds in (0, -1, LONGEST_SECONDS + 1, "60", 1.5, True)),
    *(
        asked(address=address)
        for address in (
            "scan01",
            "",
            3221225991,
            None,
            "192.0.2.0/24",
            "192.0.2.7 . 22",
            "192.0.2.7, 192.0.2.8",
            "192.0.2.07",
            " 192.0.2.7",
            "0.0.0.0",
            "224.0.0.1",
            "::",
            "ff02::1",
            "fe80::1%eth0",
            "::ffff:192.0.2.7",
            "2001:DB8::7",
            "2001:db8:0::7",
            "@open4",
            "192.0.2.7 }; flush ruleset",
        )
    ),
]


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
def test_a_request_is_one_place_for_so_long(address: str) -> None:
    """Address, port and seconds are taken as they are; the longest right request is within the bound."""
    request = parse(asked(address=address))
    assert (request.place, request.seconds) == (Place(address, 22), 60)
    assert parse(LONGEST).seconds == LONGEST_SECONDS


@pytest.mark.parametrize("line", WRONG, ids=range(len(WRONG)))
def test_anything_else_is_no_request(line: bytes) -> None:
    """Another form, more than one place, a disguise: refused, and nothing of it goes on."""
    with pytest.raises(Refused) as refused:
        parse(line)
    assert refused.value.word == "request"


def write(path: Path, *flows: object) -> Register:
    """Write a register of *flows* to *path*."""
    path.write_text(json.dumps({"flows": list(flows)}))
    path.chmod(0o644)
    return Register([path])


def word(register: Register, place: Place) -> str:
    """Return the word by which *place* is refused, nothing where it is not."""
    try:
        register.check(place)
    except Refused as refused:
        return refused.word
    return ""


def test_the_register_is_read_anew_when_it_changed(tmp_path: Path) -> None:
    """What stands there may be opened, by its very port; a new file counts from the next question on."""
    path = tmp_path / "flows.json"
    register = write(path, {"address": "192.0.2.7", "port": 22, "device": "scan01"})
    assert word(register, Place("192.0.2.7", 22)) == ""
    assert word(register, Place("192.0.2.7", 23)) == "unregistered"
    write(path, {"address": "192.0.2.8", "port": 22})
    assert word(register, Place("192.0.2.8", 22)) == ""
    assert word(register, Place("192.0.2.7", 22)) == "unregistered"
    path.unlink()
    assert word(register, Place("192.0.2.8", 22)) == "register"


@pytest.mark.parametrize(
    "wrong", ["{", "[]", '{"flows": [{"address": "scan01", "port": 22}]}', '{"flows": 3}']
)
def test_a_register_that_is_wrong_anywhere_opens_nothing(tmp_path: Path, wrong: str) -> None:
    """Half a list is no list."""
    path = tmp_path / "flows.json"
    register = write(path, {"address": "192.0.2.7", "port": 22})
    path.write_text(wrong)
    assert word(register, Place("192.0.2.7", 22)) == "register"


def test_a_register_that_somebody_else_can_write_opens_nothing(tmp_path: Path) -> None:
    """Neither by its mode, nor by its owner, nor by a link in its place."""
    path = tmp_path / "flows.json"
    register = write(path, {"address": "192.0.2.7", "port": 22})
    assert word(register, Place("192.0.2.7", 22)) == ""
    path.chmod(0o664)
    assert word(register, Place("192.0.2.7", 22)) == "register"
    path.chmod(0o644)
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")
    assert word(register, Place("192.0.2.7", 22)) == "register"
    if os.geteuid() == 0:
        path.unlink()
        (tmp_path / "elsewhere.json").rename(path)
        os.chown(path, 64001, 64001)
        assert word(register, Place("192.0.2.7", 22)) == "register"


def test_a_folder_holds_a_register_for_each_hospital(tmp_path: Path) -> None:
    """What stands in any of its files may be opened, also in one put there later; one that is wrong closes all."""
    place, other = {"address": "192.0.2.7", "port": 22}, {"address": "192.0.2.9", "port": 22}
    register = Register([tmp_path])
    assert word(register, Place("192.0.2.7", 22)) == "register", "an empty one is none"
    (tmp_path / "site.nft").write_text("what else lies there is no register")
    write(tmp_path / "flows.json", place)
    assert word(register, Place("192.0.2.7", 22)) == ""
    assert word(register, Place("192.0.2.9", 22)) == "unregistered"
    write(tmp_path / "flows-tulle.json", other)
    assert [word(register, Place(address, 22)) for address in ("192.0.2.7", "192.0.2.9")] == ["", ""]
    (tmp_path / "flows-tulle.json").write_text("{")
    assert word(register, Place("192.0.2.7", 22)) == "register"
    (tmp_path / "flows-tulle.json").unlink()
    assert [word(register, Place(address, 22)) for address in ("192.0.2.7", "192.0.2.9")] == [
        "",
        "unregistered",
    ]
    tmp_path.chmod(0o777)
    assert word(register, Place("192.0.2.7", 22)) == "register", "anybody may put a file there"
