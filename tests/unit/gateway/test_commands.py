"""The commands of a log-in without a device: what they take, and what they answer."""

import json
from dataclasses import replace
from datetime import datetime

import pytest

from gateway.server.commands import (
    ALLOWED,
    REFUSED,
    UNAVAILABLE,
    USAGE,
    Caller,
    CommandResult,
    Commands,
    ListCommand,
    Voice,
    WhyCommand,
)
from policy.domain.access import AccessRequest, Explanation, Facts, Opening
from policy.domain.ids import HospitalId, PersonId
from policy.domain.people import Factor, Language, Person
from policy.engine.explain import explain
from policy.errors import PolicyUnavailable
from policy.i18n import load
from tests.support.facts import ALICE, CLOSES, DURING, FACTS, HOSPITAL
from tests.support.openings import OPENINGS

BOTH_FACTORS = frozenset({Factor.PASSWORD, Factor.TOTP})


async def typed(
    commands: Commands, line: str, *, source: str = "192.0.2.1", person: Person = ALICE
) -> CommandResult:
    """Type *line* as Alice, or somebody else, from *source*, with both factors."""
    return await commands.run(Caller(person=person, source=source, factors=BOTH_FACTORS), line)


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
    voice = Voice(HOSPITAL, load("gateway"))
    return Commands([ListCommand(policy, voice), WhyCommand(policy, voice)], voice)


async def test_list_is_a_table_in_the_hospital_s_time(commands: Commands) -> None:
    """Each line names device, account, local end and purpose, with control characters made visible."""
    result = await typed(commands, "list")
    lines = result.out.splitlines()
    assert result.status == ALLOWED
    assert lines[0].split() == ["ÉQUIPEMENT", "COMPTE", "JUSQU’AU", "OBJET"]
    assert "ris02" in lines[1]
    assert "22:00" in lines[1]
    assert "\x1b" not in result.out


async def test_list_for_scripts_is_json(commands: Commands) -> None:
    """With --json, instants are UTC and the text is exact."""
    result = await typed(commands, "list --json")
    assert [each["device"] for each in json.loads(result.out)] == ["ris02", "ris02", "scan01"]
    assert json.loads(result.out)[0]["until"] == CLOSES.isoformat()


async def test_why_tells_every_rule_of_her_own_device(commands: Commands) -> None:
    """An open device exits 0 with the rules that hold; O3 is among them."""
    result = await typed(commands, "why scan01")
    assert result.status == ALLOWED
    assert "PGSSIS-O3" in result.out
    fields = json.loads((await typed(commands, "why scan01 --json")).out)
    assert fields["allowed"] is True
    assert all(finding["held"] for finding in fields["findings"])


async def test_why_names_the_wrong_source(commands: Commands) -> None:
    """From an address that no site declares, rule C2 is what fails."""
    result = await typed(commands, "why scan01 --json", source="203.0.113.9")
    assert result.status == REFUSED
    failed = [finding["code"] for finding in json.loads(result.out)["findings"] if not finding["held"]]
    assert failed == ["C2"]


@pytest.mark.parametrize("command", ["why {}", "why {} --json"])
async def test_unknown_and_forbidden_devices_get_one_answer(
    policy: Policy, commands: Commands, command: str
) -> None:
    """A device that is not there, one that is not hers, and a name that is none read alike (invariant 7)."""
    policy.known = replace(policy.known, windows=())
    answers = {
        (result.status, result.out, result.err)
        for name in ("scan01", "nothing", "../etc", "SCAN01", "x" * 200, "-", "$(id)", "é")
        for result in [await typed(commands, command.format(name))]
    }
    assert len(answers) == 1
    assert answers.pop()[0] == REFUSED


@pytest.mark.parametrize("line", ["list now", "why", "why a b", "rm -rf /", "\x1b[2J", "list;id"])
async def test_what_is_not_understood_is_said(commands: Commands, line: str) -> None:
    """Wrong usage exits 2 with a word on standard error, control characters made visible."""
    result = await typed(commands, line)
    assert (result.status, result.out) == (USAGE, "")
    assert result.err
    assert "\x1b" not in result.err


@pytest.mark.parametrize("line", ["", "help", "help me", "help me --now please", "--json"])
async def test_help_is_in_her_language(commands: Commands, line: str) -> None:
    """Help names the commands and the security referent, in French or in English."""
    french = await typed(commands, line)
    english = await typed(commands, line, person=replace(ALICE, language=Language.ENGLISH))
    assert "cette aide" in french.out
    assert "this help" in english.out
    assert HOSPITAL.security_contact in french.out


@pytest.mark.parametrize("line", ["list", "why scan01"])
async def test_policy_that_cannot_be_read_is_said(policy: Policy, commands: Commands, line: str) -> None:
    """Without policy, the status says to try again later."""
    policy.down = True
    assert (await typed(commands, line)).status == UNAVAILABLE
