"""The menu and the commands of a log-in without a device."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.server.menu import ALLOWED, REFUSED, UNAVAILABLE, USAGE, Commands, Menu
from policy.domain.access import AccessRequest, Explanation, Facts, Opening
from policy.domain.ids import HospitalId, PersonId
from policy.domain.people import Factor, Language
from policy.domain.windows import Channel
from policy.engine.explain import explain
from policy.errors import PolicyUnavailable
from policy.i18n import load
from tests.support.facts import ALICE, CLOSES, DURING, FACTS, HOSPITAL, OPENS

OPENINGS = [
    Opening(
        device_name=device, account_name=account, until=until, purpose=purpose, channels=frozenset(Channel)
    )
    for device, account, until, purpose in (
        ("ris02", "maint", CLOSES, "Mise à jour"),
        ("ris02", "root", CLOSES, "Mise à jour"),
        ("scan01", "maint", CLOSES - timedelta(hours=1), "Étalonnage\x1b[2J du scanner"),
    )
]


class Policy:
    """Answers as policy does, from values, or not at all."""

    def __init__(self, known: Facts, openings: list[Opening]) -> None:
        """Know *known* of scan01, nothing of any other device."""
        self.known = known
        self.open_now = openings
        self.down = False

    async def openings(self, hospital_id: HospitalId, person_id: PersonId) -> list[Opening]:
        """Return what is open."""
        if self.down:
            raise PolicyUnavailable("the database is locked")
        return self.open_now

    async def explain(
        self,
        hospital_id: HospitalId,
        person_login: str,
        device_name: str,
        account_name: str | None = None,
        *,
        at: datetime | None = None,
        source: str | None = None,
        factors: frozenset[Factor] = frozenset(),
    ) -> Explanation:
        """Explain with the engine itself."""
        if self.down:
            raise PolicyUnavailable("the database is locked")
        known = (
            self.known
            if device_name == "scan01"
            else replace(self.known, device=None, accounts=(), windows=())
        )
        request = AccessRequest(
            hospital_id=hospital_id,
            person_id=ALICE.id,
            device_name=device_name,
            account_name=account_name,
            source=source or "",
            factors=factors,
        )
        return explain(request, known, at or DURING)


@pytest.fixture
def policy() -> Policy:
    """Give a policy that lets Alice onto scan01."""
    return Policy(FACTS, OPENINGS)


@pytest.fixture
def commands(policy: Policy) -> Commands:
    """Give the commands."""
    return Commands(policy, HOSPITAL, load("gateway"))


@pytest.fixture
def menu() -> Menu:
    """Give the menu, with its list shown."""
    made = Menu(ALICE, HOSPITAL, load("gateway"))
    made.show(OPENINGS)
    return made


async def test_list_is_a_table_in_the_hospital_s_time(commands: Commands) -> None:
    """Each line names device, account, local end and purpose, with control characters made visible."""
    result = await commands.run(ALICE, "list", "192.0.2.1")
    lines = result.out.splitlines()
    assert result.status == ALLOWED
    assert lines[0].split() == ["ÉQUIPEMENT", "COMPTE", "JUSQU'AU", "OBJET"]
    assert "ris02" in lines[1]
    assert "22:00" in lines[1]
    assert "\x1b" not in result.out


async def test_list_for_scripts_is_json(commands: Commands) -> None:
    """With --json, instants are UTC and the text is exact."""
    result = await commands.run(ALICE, "list --json", "192.0.2.1")
    assert [each["device"] for each in json.loads(result.out)] == ["ris02", "ris02", "scan01"]
    assert json.loads(result.out)[0]["until"] == CLOSES.isoformat()


async def test_why_tells_every_rule_of_her_own_device(commands: Commands) -> None:
    """An open device exits 0 with the rules that hold; O3 is among them."""
    factors = frozenset({Factor.PASSWORD, Factor.TOTP})
    result = await commands.run(ALICE, "why scan01", "192.0.2.1", factors)
    assert result.status == ALLOWED
    assert "PGSSIS-O3" in result.out
    fields = json.loads((await commands.run(ALICE, "why scan01 --json", "192.0.2.1", factors)).out)
    assert fields["allowed"] is True
    assert all(finding["held"] for finding in fields["findings"])


async def test_why_names_the_wrong_source(commands: Commands) -> None:
    """From an address that no site declares, rule C2 is what fails."""
    result = await commands.run(
        ALICE, "why scan01 --json", "203.0.113.9", frozenset({Factor.PASSWORD, Factor.TOTP})
    )
    assert result.status == REFUSED
    failed = [finding["code"] for finding in json.loads(result.out)["findings"] if not finding["held"]]
    assert failed == ["C2"]


@pytest.mark.parametrize("command", ["why {}", "why {} --json"])
async def test_unknown_and_forbidden_devices_get_one_answer(policy: Policy, command: str) -> None:
    """A device that is not there, one that is not hers, and a name that is none read alike (invariant 7)."""
    policy.known = replace(policy.known, windows=())
    commands = Commands(policy, HOSPITAL, load("gateway"))
    answers = {
        (result.status, result.out, result.err)
        for name in ("scan01", "nothing", "../etc", "SCAN01", "x" * 200, "-", "$(id)", "é")
        for result in [await commands.run(ALICE, command.format(name), "192.0.2.1")]
    }
    assert len(answers) == 1
    assert answers.pop()[0] == REFUSED


@pytest.mark.parametrize("line", ["list now", "why", "why a b", "rm -rf /", "\x1b[2J", "list;id"])
async def test_what_is_not_understood_is_said(commands: Commands, line: str) -> None:
    """Wrong usage exits 2 with a word on standard error, control characters made visible."""
    result = await commands.run(ALICE, line, "192.0.2.1")
    assert (result.status, result.out) == (USAGE, "")
    assert result.err
    assert "\x1b" not in result.err


@pytest.mark.parametrize("line", ["", "help", "help me", "--json"])
async def test_help_is_in_her_language(commands: Commands, line: str) -> None:
    """Help names the commands and the security referent, in French or in English."""
    french = await commands.run(ALICE, line, "192.0.2.1")
    english = await commands.run(replace(ALICE, language=Language.ENGLISH), line, "192.0.2.1")
    assert "cette aide" in french.out
    assert "this help" in english.out
    assert HOSPITAL.security_contact in french.out


@pytest.mark.parametrize("line", ["list", "why scan01"])
async def test_policy_that_cannot_be_read_is_said(policy: Policy, commands: Commands, line: str) -> None:
    """Without policy, the status says to try again later."""
    policy.down = True
    assert (await commands.run(ALICE, line, "192.0.2.1")).status == UNAVAILABLE


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
    assert b"n'est pas dans la liste" in step.output


def test_two_accounts_of_a_device_are_told_apart(menu: Menu) -> None:
    """A name that stands for two lines chooses neither."""
    step = menu.feed(b"ris02\r")
    assert step.chosen is None
    assert b"Plusieurs comptes" in step.output


@pytest.mark.parametrize("typed", [b"q\r", b"Q\r", b"\x03", b"\x04"])
def test_leaving(menu: Menu, typed: bytes) -> None:
    """Q, Ctrl-C and Ctrl-D leave."""
    assert menu.feed(typed).quit


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
