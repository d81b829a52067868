"""The desk: languages, cells that cannot act on a terminal, and the catalogues behind every sentence."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ecluse.commands.suppliers import read_site
from ecluse.desk import Desk, language_of, plainer
from ecluse.errors import EcluseError, NotLoggedIn, Refused
from ecluse.profile import load
from gateway.session.reasons import EndReason
from policy import i18n
from policy.domain.devices import AccountMethod
from policy.domain.interventions import InterventionKind, InterventionState
from policy.domain.people import Role
from policy.domain.reports import Goal, ReportState
from policy.domain.sessions import SessionState
from policy.domain.tasks import TaskKind, TaskState
from policy.domain.windows import WindowState

ROOT = Path(__file__).resolve().parents[3]
SENTENCE = "Répétez «\N{NO-BREAK SPACE}le même\N{NO-BREAK SPACE}» – s’il vous plaît…"


@pytest.mark.parametrize(
    ("environment", "wish", "language"),
    [
        ({"LANG": "fr_FR.UTF-8"}, None, "fr"),
        ({"LANG": "de_DE.UTF-8"}, None, "en"),
        ({"LANG": "fr_FR.UTF-8", "LC_ALL": "C"}, None, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "en", "en"),
        ({}, None, "en"),
    ],
)
def test_the_language_is_the_option_s_then_the_locale_s(
    environment: dict[str, str], wish: str | None, language: str
) -> None:
    """``--lang`` wins, then LC_ALL, LC_MESSAGES and LANG in POSIX order; English where none is spoken here."""
    assert language_of(environment, wish) == language


def test_text_of_a_device_in_a_table_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences and markup in a cell are shown, not obeyed."""
    Desk({}, "en").show_table(["field.name"], [["\x1b]0;pwn\x07[red]scan[/red]\u202e"]], [])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "[red]scan[/red]" in shown


def test_json_is_printed_whole_and_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """For scripts the document comes out as it is, with control characters as JSON escapes."""
    desk = Desk({}, "fr")
    desk.as_json = True
    desk.show_table(["field.name"], [["x"]], [{"name": "\x1b[31mé"}])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert json.loads(shown) == [{"name": "\x1b[31mé"}]


def test_a_problem_is_shown_with_fields_choices_and_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal of the API reaches standard error whole, and neutralised."""
    problem = {
        "detail": "Refusé \x1b[2J",
        "errors": [{"field": "start", "message": "existe deux fois"}],
        "choices": ["first", "second"],
        "next": "Dites laquelle.",
    }
    Desk({}, "fr").show_error(Refused(422, problem))
    shown = capsys.readouterr().err
    assert "\x1b" not in shown
    assert "start : existe deux fois" in shown
    assert "first, second" in shown
    assert "→ Dites laquelle." in shown


def test_a_question_is_spaced_as_its_language_does_and_asked_anew_where_two_answers_differ(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """French puts a space before the colon; what was typed twice and differs is said in her language, and asked anew."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("un\ndeux\ntrois\ntrois\n"))
    assert Desk({}, "fr").ask("login.password", again="readers.again") == "trois"
    shown = capsys.readouterr().err
    assert "Mot de passe :Encore une fois :Les deux saisies diffèrent" in shown
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\n"))
    assert Desk({}, "en").ask("login.password") == "one"
    assert capsys.readouterr().err == "Password:"


def test_every_sentence_that_the_code_names_is_in_the_catalogues() -> None:
    """Each key given to say, tell, note, done or an error exists in both languages."""
    catalog = i18n.load("ecluse")
    pattern = re.compile(
        r'(?:say|question|ask|tell|note|Unknown|LoggedIn|Unreachable|Unusable|EcluseError)\(\s*f?"([a-z_]+\.[a-z0-9_]+)"'
    )
    named = {
        key
        for path in (ROOT / "ecluse").rglob("*.py")
        for key in pattern.findall(path.read_text(encoding="utf-8"))
    }
    assert len(named) > 30
    assert [key for key in sorted(named) if not catalog.knows(key)] == []


def test_headings_are_in_the_catalogues() -> None:
    """Each column and field heading exists in both languages."""
    catalog = i18n.load("ecluse")
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "ecluse" / "commands").glob("*.py"))
    named = set(re.findall(r'"(field\.[a-z_]+)"', text))
    assert [key for key in sorted(named) if not catalog.knows(key)] == []


def test_an_address_must_be_https_and_known() -> None:
    """Without an address, or with one in the clear, the sentence says how to log in; no connection is tried."""
    with pytest.raises(NotLoggedIn):
        load({"ECLUSE_STATE": "/nonexistent"})
    with pytest.raises(EcluseError) as refused:
        load(
            {"ECLUSE_STATE": "/nonexistent", "ECLUSE_API_URL": "http://127.0.0.1", "ECLUSE_API_CA": "ca.pem"}
        )
    assert refused.value.key == "login.https"


def test_a_site_is_a_name_a_country_and_networks() -> None:
    """One option gives the whole site, several networks included."""
    assert read_site("Lyon, fr, 192.0.2.0/24, 2001:db8::/32") == {
        "name": "Lyon",
        "country": "FR",
        "networks": ["192.0.2.0/24", "2001:db8::/32"],
    }


@pytest.mark.parametrize(
    ("prefix", "values"),
    [
        ("ended", [*EndReason, "interrupted"]),
        ("task", [*TaskKind, *TaskState]),
        ("token_label", ["log-in"]),
        ("intervention", InterventionState),
        ("kind", InterventionKind),
        ("method", AccountMethod),
        ("session", SessionState),
        ("window", WindowState),
        ("report", ReportState),
        ("goal", Goal),
        ("role", Role),
    ],
)
def test_every_state_has_its_word(prefix: str, values: list[str]) -> None:
    """What the API names by a code is a word on the screen, in both languages."""
    for language in ("fr", "en"):
        catalog = i18n.load("ecluse")
        assert [value for value in values if not catalog.knows(f"{prefix}.{value}")] == []
        assert Desk({}, language).word(prefix, next(iter(values))) != next(iter(values)) or language == "en"


def test_a_state_from_a_newer_server_is_shown_as_it_is() -> None:
    """A word that this command does not know yet is no reason to fail; none stays none."""
    assert Desk({}, "fr").word("ended", "meteor") == "meteor"
    assert Desk({}, "fr").word("ended", None) is None


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", SENTENCE),
        ("latin-1", "Répétez «\xa0le même\xa0» - s'il vous plaît..."),
        ("ANSI_X3.4-1968", 'Repetez "le meme" - s\'il vous plait...'),
        ("no such thing", 'Repetez "le meme" - s\'il vous plait...'),
    ],
)
def test_a_prompt_is_in_letters_that_the_terminal_has(encoding: str, shown: str) -> None:
    """Where the locale's encoding has no accents a question is asked without, and not in octal numbers."""
    assert plainer(SENTENCE, encoding) == shown


def test_an_old_terminal_gets_plain_letters() -> None:
    """Where the screen's encoding lacks a letter the command writes another, and ends in no stack trace."""
    command = [sys.executable, "-m", "ecluse", "--lang", "fr", "traces", "export"]
    done = subprocess.run(
        command, check=False, env={**os.environ, "PYTHONIOENCODING": "latin-1"}, capture_output=True
    )
    assert (done.returncode, b"Il manque l'argument" in done.stderr) == (2, True), done.stderr
