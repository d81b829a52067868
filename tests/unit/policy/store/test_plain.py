"""What an event may hold."""

import json

import pytest

from policy.domain.people import Role
from policy.store.plain import described, plain
from policy.vault.secret import Secret
from tests.support import facts


def test_every_value_of_the_domain_becomes_json() -> None:
    """Windows, devices, people and suppliers are described whole, sets in a steady order."""
    for value in (facts.WINDOW, facts.DEVICE, facts.ALICE, facts.SUPPLIER, facts.INTERVENTION):
        assert set(json.loads(json.dumps(described(value)))) == set(type(value).__dataclass_fields__)
    assert plain(frozenset({Role.SECURITY, Role.PLANNER})) == ["planner", "security"]


@pytest.mark.parametrize("value", [Secret("tell nobody"), b"bytes", object()])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    """A secret above all: TypeError, naming the type and never the value."""
    with pytest.raises(TypeError) as refusal:
        described({"nested": [value]})
    assert "tell nobody" not in str(refusal.value)
