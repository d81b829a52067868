"""The help of every command: what a stranger reads before the first try."""

import re
import shlex
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from ecluse import usage
from ecluse.main import app
from policy import i18n
from policy.domain.people import Language

NO_JSON = {"traces replay", "audit verifier", "airlock front", "airlock relay"}
"""Its output is the recording itself, a program, or a server's log."""
LOCAL = {"init", "serve", "gateway", "console", "config", "doctor", "vault", "db", "demo"}
"""Commands of a machine, and not of the API: held by tests of their own."""


def _leaves(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield path
        return
    for name, one in below.items():
        yield from _leaves(one, (*path, name))


COMMANDS = [path for path in _leaves(typer.main.get_command(app)) if path[0] not in LOCAL]


def _help(*path: str) -> str:
    done = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"})
    assert done.exit_code == 0, done.output
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_an_example_that_it_takes(path: tuple[str, ...]) -> None:
    """The example begins by the command itself, and each of its options is one that the command has."""
    shown = _help(*path)
    example = re.search(r"Example: (.+)", shown)
    assert example is not None
    words = shlex.split(example.group(1).strip(" │"))
    assert words[: len(path) + 1] == ["ecluse", *path]
    for word in words:
        if word.startswith("--"):
            assert word in shown.replace(example.group(0), "")


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_speaks_json(path: tuple[str, ...]) -> None:
    """A script can use each of them, but those whose output is of another kind."""
    assert ("--json" in _help(*path)) is (" ".join(path) not in NO_JSON)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_wrong_usage_is_code_2_and_names_the_option(path: tuple[str, ...]) -> None:
    """An option that does not exist is named, on standard error, and nothing is tried."""
    done = CliRunner().invoke(app, [*path, "--no-such-option"], env={"ECLUSE_STATE": "/nonexistent"})
    assert done.exit_code == 2
    assert "--no-such-option" in done.stderr


def test_the_root_tells_the_exit_codes() -> None:
    """A script's author reads in ``ecluse --help`` what 0, 1 and 2 mean."""
    shown = " ".join(_help().split())
    assert "0 done, 1 refused or failed (one sentence says why), 2 wrong usage" in shown


def test_enough_commands_are_looked_at() -> None:
    """The walk over the tree finds the nouns of the API."""
    assert len(COMMANDS) > 50
    assert {path[0] for path in COMMANDS} >= {"windows", "tokens", "interventions", "traces", "audit"}


def _whole() -> Iterator[str]:
    yield from _texts(typer.main.get_command(app))


def _texts(command: object) -> Iterator[str]:
    for thing in (command, *getattr(command, "params", ())):
        for name in ("help", "short_help", "epilog"):
            yield from usage.paragraphs(getattr(thing, name, None) or "")
    for below in getattr(command, "commands", {}).values():
        yield from _texts(below)


OF_TYPER = {"Show this message and exit.", "Usage:", "Arguments", "Options", "Commands", "Error", "Aborted."}


def test_every_paragraph_of_the_help_is_in_french_too() -> None:
    """A help added without its French is named here, and so is French whose English is gone."""
    said = set(_whole())
    french = i18n.read("ecluse", Language.FRENCH, "help.po")
    assert sorted(said - french.keys()) == []
    gone = {text for text in french if text not in said | OF_TYPER and not text.startswith(("Try [", "["))}
    assert gone == set()
    assert all(text.strip() for text in french.values())


def test_the_french_keeps_what_is_typed() -> None:
    """Options, settings and files stand in the French as they stand in the English."""
    typed = re.compile(r"(?<!\S)--[a-z-]+|/[a-z]+/[a-z./]+|[a-z_]+\.[a-z_]{4,}|SHA256|ECLUSE_[A-Z]+")
    differing = [
        (english, french)
        for english, french in i18n.read("ecluse", Language.FRENCH, "help.po").items()
        if sorted(typed.findall(english)) != sorted(typed.findall(french))
    ]
    assert differing == []


def test_help_and_refusals_are_in_the_language_of_the_screen() -> None:
    """``--lang`` or the locale decides for titles, texts, the hint and what is wrong; the next run may be in English."""
    plain = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    shown = CliRunner().invoke(app, ["--lang", "fr", "holds", "place", "--help"], env=plain).stdout
    for text in (
        "Usage\N{NO-BREAK SPACE}: ecluse holds place",
        "Geler des enregistrements",
        "Exemple : ecluse holds",
    ):
        assert text in shown
    assert "Montrer ceci et sortir." in shown
    wrong = CliRunner().invoke(app, ["holds", "place"], env=plain | {"LC_ALL": "fr_FR.UTF-8"})
    assert wrong.exit_code == 2
    assert "Il manque l’option '--case'" in wrong.stderr
    assert "Pour l’aide" in wrong.stderr
    root = CliRunner().invoke(app, ["--nothing"], env=plain | {"LC_ALL": "fr_FR.UTF-8"})
    assert "Option inconnue" in root.stderr
    english = CliRunner().invoke(app, ["holds", "place", "--help"], env=plain).stdout
    assert "Usage: ecluse holds place" in english
    assert "Hold recordings" in english
    assert "Show this message and exit." in english


def test_no_type_of_an_option_stays_english_in_the_french_help() -> None:
    """Typer names its types in English; a bound stands behind, and a switch, which takes nothing, shows none."""
    plain = {"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}
    shown = CliRunner().invoke(app, ["--lang", "fr", "sessions", "watch", "--help"], env=plain).stdout
    assert "<nombre> [1<=x<=64]" in shown
    assert "<now|start>" in shown
    assert [name for name in ("float", "int", "str", "bool", "path", "list") if f"<{name}" in shown] == []
    english = CliRunner().invoke(app, ["sessions", "watch", "--help"], env=plain).stdout
    assert "<float range> [1<=x<=64]" in english
