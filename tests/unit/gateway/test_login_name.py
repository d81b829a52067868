"""The login name as typed: small, bounded, and never an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.server.login import MAX_NAME_BYTES, LoginName
from policy.domain.ids import is_name


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("alice", LoginName("alice")),
        ("alice+scan01", LoginName("alice", "scan01")),
        ("alice+scan01+maint", LoginName("alice", "scan01", "maint")),
        ("alice%scan01%maint", LoginName("alice", "scan01", "maint")),
    ],
)
def test_the_three_parts_are_told_apart(typed: str, expected: LoginName) -> None:
    """A person, a device and an account are separated by + or %."""
    assert LoginName.parse(typed) == expected


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "+",
        "alice+",
        "+scan01",
        "a+b+c+d",
        "Alice",
        "alice+../x",
        "alice+scan01\n",
        "~root",
        "${HOME}",
        "аlice",
    ],
)
def test_anything_else_is_the_name_of_nobody(typed: str) -> None:
    """What is no login name stays whole, and is no name that a person can have."""
    name = LoginName.parse(typed)
    assert not is_name(name.person)
    assert (name.device, name.account) == (None, None)


@given(st.text(max_size=2000))
def test_no_text_is_too_much(typed: str) -> None:
    """Whatever is typed, the parts are bounded, and a device is only ever a name."""
    name = LoginName.parse(typed)
    assert len(name.person.encode()) <= MAX_NAME_BYTES
    assert name.device is None or is_name(name.device)
    assert name.account is None or is_name(name.account)
