"""The menu of a log-in without a device."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.server.menu import Menu
from policy.domain.access import Opening
from policy.domain.people import Language
from policy.i18n import load
from tests.support.facts import ALICE, CLOSES, DURING, HOSPITAL, OPENS
from tests.support.openings import OPENINGS


@pytest.fixture
def menu() -> Menu:
    """Give the menu, with its list shown."""
    made = Menu(ALICE, HOSPITAL, load("gateway"))
    made.show(OPENINGS)
    return made


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [
        (b"1\r", ("ris02", "maint")),
        (b"2\n", ("ris02", "root")),
        (b"3\r\n", ("scan01", "maint")),
        (b"scan01\r", ("scan01", "maint")),
        (b"SCAN01\r", ("scan01", "maint")),
        (b"ris02+root\r", ("ris02", "root")),
        (b"ris02%root\r", ("ris02", "root")),
        (b"xx\x7f\x7f1\r", ("ris02", "maint")),
        (b"9\x151\r", ("ris02", "maint")),
        (b"\x1b[A\x1bOB\x1b[1;5C1\r", ("ris02", "maint")),
        (b"\xc3\xa91\r", ("ris02", "maint")),
    ],
)
def test_a_number_or_a_name_chooses(menu: Menu, typed: bytes, chosen: tuple[str, str]) -> None:
    """Editing keys work, arrows do nothing, and the choice is a line of the list."""
    assert menu.feed(typed).chosen == chosen


@pytest.mark.parametrize(
    "typed", [b"0\r", b"4\r", b"-1\r", b"99999999999999999999\r", b"other\r", b"ris02+x\r"]
)
def test_what_is_not_in_the_list_is_not_chosen(menu: Menu, typed: bytes) -> None:
    """Anything else is answered and the prompt comes back."""
    step = menu.feed(typed)
    assert step.chosen is None
    assert not step.quit
    assert "n’est pas dans la liste".encode() in step.output


def test_two_accounts_of_a_device_are_told_apart(menu: Menu) -> None:
    """A name that stands for two lines chooses neither."""
    step = menu.feed(b"ris02\r")
    assert step.chosen is None
    assert b"Plusieurs comptes" in step.output


@pytest.mark.parametrize("typed", [b"q\r", b"Q\r", b"\x03", b"\x04", b"exit\r", b"quitter\r"])
def test_leaving(menu: Menu, typed: bytes) -> None:
    """Q, Ctrl-C, Ctrl-D, and what shells are left by, leave."""
    assert menu.feed(typed).quit


def test_a_device_named_as_a_farewell_is_chosen(menu: Menu) -> None:
    """What leaves the menu elsewhere is a name like any other where a device has it."""
    menu.show([replace(OPENINGS[0], device_name="exit")])
    assert menu.feed(b"exit\r").chosen == ("exit", OPENINGS[0].account_name)


def test_enter_asks_for_a_new_list(menu: Menu) -> None:
    """An empty line refreshes; what was half typed does not survive the new list."""
    assert menu.feed(b"\r").refresh
    menu.feed(b"sca")
    menu.show(OPENINGS)
    assert menu.feed(b"1\r").chosen == ("ris02", "maint")


def test_what_follows_a_choice_is_not_kept(menu: Menu) -> None:
    """Keys pasted behind the choice reach neither the menu nor a device."""
    step = menu.feed(b"1\rrm -rf /\r")
    assert step.chosen == ("ris02", "maint")
    assert b"rm" not in step.output


def test_input_is_bounded(menu: Menu) -> None:
    """A line without end is echoed and kept up to the length of a choice."""
    assert len(menu.feed(b"x" * 1_000_000).output) < 200


def test_lines_are_cut_to_the_terminal(menu: Menu) -> None:
    """Each line of the list fits the width, also after a resize."""
    menu.resize(40)
    lines = menu.show(OPENINGS).decode().split("\r\n")
    assert max(map(len, lines[:-1])) <= 40


def test_the_menu_ends_with_the_last_window(menu: Menu) -> None:
    """When one of several windows ends the list is asked for again; with the last, the menu is over."""
    assert menu.tick(OPENS) == menu.tick(DURING)
    assert menu.tick(CLOSES - timedelta(hours=1)).refresh
    step = menu.tick(CLOSES)
    assert step.quit
    assert "la plage est terminée".encode() in step.output


@pytest.mark.parametrize(("openings", "text"), [([], "Aucun équipement"), (None, "ne peut pas être lue")])
def test_an_empty_or_unreadable_list_is_said(menu: Menu, openings: list[Opening] | None, text: str) -> None:
    """No list is explained, and nothing can be chosen from it."""
    assert text.encode() in menu.show(openings)
    assert menu.feed(b"1\r").chosen is None


def test_every_screen_is_in_both_languages() -> None:
    """The same list reads differently in English."""
    show: Callable[[Language], bytes] = lambda language: Menu(  # noqa: E731 - one call, twice
        replace(ALICE, language=language), HOSPITAL, load("gateway")
    ).show(OPENINGS)
    assert show(Language.FRENCH) != show(Language.ENGLISH)
