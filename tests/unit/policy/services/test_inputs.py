"""What people write, checked before anything else looks at it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.domain.people import Role
from policy.errors import InvalidInput
from policy.services import inputs


@given(st.text(max_size=80))
def test_a_line_that_is_accepted_is_one_visible_line(text: str) -> None:
    """Whatever is typed, what passes has no line break, no control, no direction override, no outer space."""
    try:
        line = inputs.line(text, "purpose")
    except InvalidInput:
        return
    assert line == line.strip()
    assert len(line.splitlines()) == 1
    assert not any(ord(letter) < 32 or 0x202A <= ord(letter) <= 0x202E for letter in line)


@given(st.text(max_size=60))
def test_an_address_that_is_accepted_is_canonical(text: str) -> None:
    """What passes is an IP literal in its one canonical form, so that it compares and connects alike."""
    try:
        address = inputs.address(text)
    except InvalidInput:
        return
    assert inputs.address(address) == address


@pytest.mark.parametrize(
    "text", ["localhost", "192.0.2.1/24", "192.0.2.01", "2130706433", "::", "ff02::1", "fe80::1%eth0", ""]
)
def test_what_is_no_machine_s_address_is_refused(text: str) -> None:
    """Names, networks, other spellings, groups and scoped addresses are refused."""
    with pytest.raises(InvalidInput):
        inputs.address(text)


@pytest.mark.parametrize("number", [0, -1, 65536, True])
def test_a_port_is_a_port(number: int) -> None:
    """Numbers out of range, and a truth value, are refused."""
    with pytest.raises(InvalidInput):
        inputs.port(number)


@pytest.mark.parametrize(
    "email", ["sophie.info@imagix.example", "admin.martin@imagix.example", "it.dupont@imagix.example"]
)
def test_a_person_whose_name_holds_a_common_word_keeps_her_address(email: str) -> None:
    """Only the whole mailbox name is looked at: nobody is turned away for being called Support."""
    assert inputs.email(email) == email


def test_a_choice_out_of_the_list_names_the_list() -> None:
    """The refusal of an unknown role says which there are."""
    with pytest.raises(InvalidInput, match="technician, planner, security, administrator"):
        inputs.choice(Role, "root", "roles")
