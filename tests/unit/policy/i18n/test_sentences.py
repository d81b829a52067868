import ast
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import policy.engine.rules
from policy.domain.access import Denial, Finding
from policy.domain.factors import Factor, Level
from policy.domain.interventions import InterventionKind, InterventionState
from policy.domain.people import Language
from policy.domain.windows import Channel
from policy.engine.decide import decide
from policy.engine.explain import explain
from policy.i18n import explained, load, next_step, refusal, sentence
from tests.support.facts import CLOSES, DURING, FACTS, OPENS, REQUEST, SUPPLIER, make_grant, with_windows

PARIS = "Europe/Paris"
CONTACT = "RSSI, poste 4242"
NBSP = "\N{NO-BREAK SPACE}"
ENGINE = Path(policy.engine.rules.__file__).parent.parent
LOCALES = ENGINE.parent / "locales"
MODULES = [
    *ENGINE.rglob("*.py"),
    *(ENGINE.parent / "domain").glob("*.py"),
    *(ENGINE.parent / "services").glob("*.py"),
]


def keys_in_the_engine() -> set[str]:
    """Return every message key written in the engine and the domain, and those that are built from states."""
    found = {
        f"finding.E9.{state.value}"
        for state in InterventionState
        if state.value not in {"approved", "in_progress"}
    }
    found |= {f"factor.{one.value}" for one in Factor} | {f"channel.{one.value}" for one in Channel}
    found |= {f"kind.{one.value}" for one in InterventionKind} | {f"level.{one.value}" for one in Level}
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(re.findall(r"^(?:finding|next|mover)\.[\w.-]+$", node.value))
    return found - {"finding.E9."}


def movers_in_the_engine() -> set[str]:
    """Return every fourth argument of ``failed``: whose move a next step is."""
    calls = (
        node
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "failed"
    )
    return {ast.literal_eval(call.args[3]) for call in calls}


def entries(language: str) -> dict[str, str]:
    """Return the catalogue as written, before it is typeset."""
    with (LOCALES / language / "messages.po").open("rb") as file:
        return {str(entry.id): str(entry.string) for entry in read_po(file) if entry.id}


def test_every_key_of_the_rules_has_a_sentence() -> None:
    """Whatever a rule may find, both languages can say it."""
    found = keys_in_the_engine()
    assert len(found) > 60
    assert [key for key in sorted(found) if not load("policy").knows(key)] == []


def test_every_mover_has_a_name() -> None:
    """Whoever's move it is, both languages can name them."""
    movers = movers_in_the_engine()
    assert {"technician", "supplier", "planner", "security", "administrator"} == movers
    assert all(load("policy").knows(f"mover.{mover}") for mover in movers)


def test_no_sentence_is_left_over() -> None:
    """A sentence that no rule can say is dead text: it would never be read over again."""
    families = ("finding.", "next.")
    spoken = keys_in_the_engine()
    assert [key for key in entries("fr") if key.startswith(families) and key not in spoken] == []


def test_no_entry_is_fuzzy_or_twice() -> None:
    """Catalogues hold each key once, none marked as doubtful."""
    for language in Language:
        text = (LOCALES / language.value / "messages.po").read_text()
        assert "fuzzy" not in text
        ids = re.findall(r'^msgid "(.+)"$', text, re.MULTILINE)
        assert len(ids) == len(set(ids)) > 90


def test_french_is_typeset() -> None:
    """No double punctuation in French can fall to the next line."""
    denial = decide(replace(REQUEST, source="203.0.113.9"), FACTS, OPENS - timedelta(hours=1))
    assert isinstance(denial, Denial)
    lines = refusal(denial, "fr", PARIS, CONTACT)
    assert not any(re.search(r" [:;?!»]|« ", line) for line in lines)
    assert lines[0] == f"Refusé{NBSP}: PGSSIS-C2, PGSSIS-O3"


@pytest.mark.parametrize("key", sorted(entries("fr")))
def test_french_punctuation_has_its_space(key: str) -> None:
    """French takes a space before double punctuation; English takes none."""
    french, english = entries("fr")[key], entries("en")[key]
    assert not re.search(r"[^\s][:;?!](\s|$)", french), french
    assert not re.search(r"\s[:;?!](\s|$)", english), english


def test_refusal_names_rules_steps_opening_and_contact() -> None:
    """A refusal says which rules, why, whose move it is, when to come back and whom to call."""
    denial = decide(REQUEST, FACTS, OPENS - timedelta(hours=1))
    assert isinstance(denial, Denial)
    assert refusal(denial, "en", PARIS, CONTACT) == [
        "Refused: PGSSIS-O3",
        "  PGSSIS-O3 - No window is open now.",
        "    To be done by the technician: connect during the window, or ask for it to be brought forward.",
        "Next opening: from Tuesday 3 March 2026 at 20:00 (UTC+1) to Tuesday 3 March 2026 at 22:00 (UTC+1).",
        "Security referent: RSSI, poste 4242",
    ]


def test_refusal_without_an_opening_says_so() -> None:
    """Where no window is to come, nobody waits for one."""
    denial = decide(replace(REQUEST, source="203.0.113.9"), FACTS, CLOSES)
    assert isinstance(denial, Denial)
    assert "Aucune ouverture n’est à venir." in refusal(denial, "fr", PARIS, CONTACT)


def test_stranger_reads_one_neutral_answer() -> None:
    """Invariant 7 on the screen: an unknown device and a forbidden one read alike, in both languages."""
    forbidden = decide(REQUEST, with_windows(), DURING)
    unknown = decide(REQUEST, replace(FACTS, device=None, zone=None, accounts=(), windows=()), DURING)
    suspended = decide(REQUEST, replace(with_windows(), supplier=replace(SUPPLIER, active=False)), DURING)
    assert isinstance(forbidden, Denial)
    for other in (unknown, suspended):
        assert isinstance(other, Denial)
        for language in Language:
            lines = refusal(forbidden, language, PARIS, CONTACT)
            assert lines == refusal(other, language, PARIS, CONTACT)
            assert len(lines) == 3
            assert "scan01" not in "".join(lines)


def test_rule_that_fails_twice_is_named_once_in_the_headline() -> None:
    """The headline lists each rule once, however many of its findings failed."""
    twice = Finding(code="O3", held=False, key="finding.O3.none", next_step="next.O3.plan", mover="planner")
    lines = refusal(Denial(findings=(twice, twice), disclose=True), "en", PARIS, CONTACT)
    assert lines[0] == "Refused: PGSSIS-O3"


def test_held_finding_has_no_next_step() -> None:
    """There is nothing to do about a rule that holds."""
    for finding in make_grant().findings:
        assert next_step(finding, "fr", PARIS) == ""
        assert sentence(finding, "fr", PARIS)


def test_reason_of_a_cut_cannot_forge_a_line() -> None:
    """What staff typed as a reason, control characters and all, stays on its line."""
    cut = Finding(
        code="X35",
        held=False,
        key="finding.X35.cut",
        arguments={"at": datetime(2026, 3, 3, 20, tzinfo=UTC), "reason": "test\r\nRefusé : rien\x1b[A"},
    )
    assert sentence(cut, "fr", PARIS).replace(NBSP, " ").isprintable()


def test_explained_shows_what_held_and_what_failed() -> None:
    """``why`` shows every rule with its mark, and the next step of those that failed."""
    lines = explained(explain(replace(REQUEST, source="203.0.113.9"), FACTS, DURING), "en", PARIS)
    assert lines[0] == "Access would be refused."
    assert "  [yes] PGSSIS-E4 - The supplier Imagix is active." in lines
    at = lines.index(
        "  [NO]  PGSSIS-C2 - The address 203.0.113.9 belongs to no site that the supplier declared."
    )
    assert lines[at + 1].startswith("    To be done by the supplier: ")


def test_no_opening_to_come_is_not_said_while_one_is_open() -> None:
    """Beside a window that is open now, neither ``why`` nor a refusal for another reason speaks as if there were none."""
    elsewhere = replace(REQUEST, source="203.0.113.9")
    denial = decide(elsewhere, FACTS, DURING)
    assert isinstance(denial, Denial)
    for request in (REQUEST, elsewhere):
        assert "No opening is to come." not in explained(explain(request, FACTS, DURING), "en", PARIS)
    assert "No opening is to come." not in refusal(denial, "en", PARIS, CONTACT)
    assert "No opening is to come." in explained(explain(REQUEST, FACTS, CLOSES), "en", PARIS)


def test_explained_tells_a_stranger_nothing() -> None:
    """``why`` about a device that is not hers gives a technician one neutral answer, and a step."""
    lines = explained(explain(REQUEST, with_windows(), DURING), "fr", PARIS)
    assert len(lines) == 3
    assert "cet équipement n’existe pas" in lines[1]
