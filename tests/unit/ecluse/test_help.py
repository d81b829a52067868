"""The help of every command: what a stranger reads before the first try."""

import re
import shlex
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from ecluse.main import app

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
