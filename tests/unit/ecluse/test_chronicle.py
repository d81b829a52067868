"""One entry of the journal in one line."""

from typing import Any

from ecluse.chronicle import doer, gist, lines, object_of

HEX = "3bae2f52c0f14a5f9a1c0f5e4f3a4ac5"


def _entry(**fields: Any) -> dict[str, Any]:
    blank = {"actor": None, "person": None, "device": None, "session_id": None, "source": None}
    return {**blank, "writer": "node1", "seq": 3, "digest": "ab" * 32, "details": {}, **fields}


def test_a_gateway_s_act_is_the_person_s_on_the_device() -> None:
    """What a gateway notes of a session is said of whom it let in, and of where she went."""
    entry = _entry(
        actor="gateway", person="alice", device="scan01", details={"device": "scan01", "reason": "idle"}
    )
    assert (doer(entry), object_of(entry), gist(entry)) == ("alice", "scan01", "idle")


def test_an_unknown_login_is_still_named() -> None:
    """A failed log-in of nobody we know shows the login that was tried."""
    entry = _entry(details={"login": "mallory", "reason": "unknown", "door": "api"})
    assert (doer(entry), object_of(entry), gist(entry)) == ("mallory", None, "unknown")


def test_of_a_change_the_gist_is_what_became_different() -> None:
    """A planner's change is hers, on the window's first digits; what stayed the same is not repeated."""
    change = {"subject": HEX, "before": {"purpose": "Test", "state": "planned"}}
    entry = _entry(
        actor="denis", details={**change, "after": {"purpose": "Test", "state": "approved", "by": "f" * 32}}
    )
    assert (doer(entry), object_of(entry), gist(entry)) == ("denis", "3bae2f52", "approved by=ffffffff")


def test_one_person_s_act_on_another_names_both() -> None:
    """Who suspended whom: the actor, then the person."""
    entry = _entry(actor="rssi", person="alice", details={"after": {"reason": "Départ"}, "before": {}})
    assert (doer(entry), object_of(entry), gist(entry)) == ("rssi", "alice", "Départ")


def test_details_hold_all_of_the_entry() -> None:
    """Below an entry stand its place in the chain and each detail, whole, whatever its shape."""
    entry = _entry(session_id=HEX, details={"after": {"keys": ["a", "b"], "none": None}, "count": 2})
    assert list(lines(entry)) == [
        f"entry: node1 #3 {'ab' * 32}",
        f"session: {HEX}",
        "after.keys: a, b",
        "after.none: –",
        "count: 2",
    ]
