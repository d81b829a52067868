"""What a probe tries, and that it is never more than it was given."""

import re

import pytest

from ecluse.flows import probe
from ecluse.flows.probe import read_place, targets
from ecluse.flows.request import Place

DOOR = Place("192.0.2.10", 22)
DOCUMENT = {
    "flows": [
        {"address": "10.20.4.7", "port": 22, "zone": "imagerie"},
        {"address": "10.20.5.7", "port": 22, "zone": "biologie"},
    ]
}


def test_places_are_those_of_the_matrix_and_those_named() -> None:
    """Each address by its own port and the further ones; the door by the further ones alone; a neighbour not at all."""
    found = targets(DOCUMENT, [DOOR], [Place("192.0.2.9", 443)], [22, 80], "imagerie")
    assert set(found) == {
        *(Place(address, port) for address in ("10.20.5.7", "192.0.2.9") for port in (22, 80)),
        Place("192.0.2.9", 443),
        Place("192.0.2.10", 80),
    }
    assert len(found) == len(set(found))


@pytest.mark.parametrize("wrong", [{}, {"flows": [{"address": "scan01", "port": 22}]}, {"flows": [1]}])
def test_what_is_no_matrix_is_refused(wrong: dict[str, object]) -> None:
    """A name is no address: nothing is resolved."""
    with pytest.raises(ValueError, match="no flow matrix"):
        targets(wrong, [DOOR], [], [], None)


def test_a_scan_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """More places than the bound are not tried in part."""
    monkeypatch.setattr(probe, "MOST", 5)
    assert len(targets(DOCUMENT, [DOOR], [], [80], None)) == 5
    with pytest.raises(ValueError, match="5 at most"):
        targets(DOCUMENT, [DOOR], [], [80, 443], None)


@pytest.mark.parametrize(
    "text", ["192.0.2.7", "192.0.2.7:0", "scan01:22", "2001:db8::7:22", "[192.0.2.7:22", ":22", "[]:22"]
)
def test_a_place_is_an_address_and_a_port(text: str) -> None:
    """An IPv6 address stands in brackets, as everywhere; a name is none."""
    assert read_place("[2001:db8::7]:22") == Place("2001:db8::7", 22)
    with pytest.raises(ValueError, match=re.escape(text)):
        read_place(text)
