"""A typed line, hostile or mangled by ssh, taken apart without a fault."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CommandMisused
from gateway.server.commands.line import LONGEST_LINE, MOST_WORDS, Shape, parse
from gateway.server.commands.moments import length, span, wall

SHAPES = {
    "ask": Shape(name="ask", places=("device",), needed=("--from", "--why"), may=("--kind",)),
    "extend": Shape(name="extend", places=("minutes",), more=("device",), needed=("--why",)),
    "list": Shape(name="list"),
    "help": Shape(name="help", more=("command",)),
}
PARIS = "Europe/Paris"
NOW = datetime(2026, 3, 17, 11, 30, tzinfo=UTC)


def misuse(line: str) -> str:
    """Return the key of what is said of *line*."""
    with pytest.raises(CommandMisused) as caught:
        parse(line, SHAPES)
    return caught.value.key


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("extend 15 --why Le test n'est pas fini", "Le test n'est pas fini"),
        ("extend 15 --why 'Le test'", "Le test"),
        ("extend 15 --why \"Le test, 'encore'\"", "Le test, 'encore'"),
        ('extend 15 --why="Le test"', "Le test"),
        ("extend 15 --why=Le test", "Le test"),
        ("extend 15 --why l'image d'hier", "l'image d'hier"),
        ('extend 15 --why dit "encore" deux fois', "dit encore deux fois"),
        ("extend 15 --json --why a - b", "a - b"),
        ("extend 15 --why $(id); rm -rf / `x` \\ | > <", "$(id); rm -rf / `x` \\ | > <"),
    ],
)
def test_a_value_survives_what_ssh_does_to_quotes(line: str, why: str) -> None:
    """Words go on to the next option, apostrophes stay, and quotes around a whole value go."""
    assert parse(line, SHAPES).options["--why"] == why


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("", "help"),
        ("--json", "help"),
        ("rm -rf /", "command.unknown"),
        ("\x1b[2J", "command.unknown"),
        ("list;id", "command.unknown"),
        ("list now", "command.too-many"),
        ("ask", "command.place-device"),
        ("ask scan01 --from now", "command.missing"),
        ("ask scan01 --from --why x", "command.empty"),
        ('ask scan01 --from now --why ""', "command.empty"),
        ("ask scan01 --from now --why a --why b", "command.twice"),
        ("ask scan01 --from now --why a --root", "command.unknown-option"),
        ("ask scan01 --from now --why a --", "command.unknown-option"),
        ("x" * (LONGEST_LINE + 1), "command.too-long"),
        ("list " * (MOST_WORDS + 1), "command.too-long"),
    ],
)
def test_what_is_wrong_is_said(line: str, key: str) -> None:
    """Each mistake has its own sentence; an empty line asks for help."""
    if key == "help":
        assert parse(line, SHAPES).name == "help"
    else:
        assert misuse(line) == key


def test_help_asks_for_nothing_else() -> None:
    """``--help`` is answered even where the rest of the line would be wrong."""
    assert parse("ask --help --nonsense", SHAPES).wants_help


@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from(["ask", "--why", "--json", "'", '"', "=", "a"])).map(" ".join)
)
def test_no_line_is_a_fault(line: str) -> None:
    """Whatever is typed is understood or misused, never an error of ours."""
    with suppress(CommandMisused):
        assert parse(line, SHAPES).name in SHAPES


@pytest.mark.parametrize(
    ("start", "end", "begun", "over"),
    [
        ("now", "+90m", "2026-03-17T11:30", "2026-03-17T13:00"),
        ("20:30", "22:00", "2026-03-17T19:30", "2026-03-17T21:00"),
        ("20h30", "+2h", "2026-03-17T19:30", "2026-03-17T21:30"),
        ("demain 20:00", "22:00", "2026-03-18T19:00", "2026-03-18T21:00"),
        ("Tomorrow 20:00", "2026-03-19 02:00", "2026-03-18T19:00", "2026-03-19T01:00"),
        ("2026-07-01 20:00", "22:00", "2026-07-01T18:00", "2026-07-01T20:00"),
        ("2026-07-01T20:00:00+00:00", "+1h", "2026-07-01T20:00", "2026-07-01T21:00"),
        ("2026-10-25 01:30", "+2h", "2026-10-24T23:30", "2026-10-25T01:30"),
    ],
)
def test_times_are_on_the_hospital_s_clock(start: str, end: str, begun: str, over: str) -> None:
    """Hours, days and lengths are read in Paris; a length has elapsed whatever the clocks do meanwhile."""
    found = span(start, end, start_fold=None, end_fold=None, timezone=PARIS, now=NOW)
    assert [at.strftime("%Y-%m-%dT%H:%M") for at in found] == [begun, over]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("2026-10-25 02:30", "command.two-times"),
        ("2026-03-29 02:30", "command.no-such-time"),
        ("25:00", "command.when"),
        ("20:61", "command.when"),
        ("2026-13-01 20:00", "command.when"),
        ("20261123", "command.when"),
        ("2026-11-23", "command.when"),
        ("lundi 20:00", "command.when"),
        ("9999-12-31T23:59:00-12:00", "command.when"),
        ("0001-01-01T00:00:00+12:00", "command.when"),
        ("\x00", "command.when"),
        ("٢٠:٣٠", "command.when"),
    ],
)
def test_a_doubtful_time_is_refused_until_she_says_which(text: str, key: str) -> None:
    """Nothing is guessed: what is no time, exists twice or not at all is named as such."""
    with pytest.raises(CommandMisused) as caught:
        span(text, "+1m", start_fold=None, end_fold=None, timezone=PARIS, now=NOW)
    assert caught.value.key == key


def test_the_end_of_time_is_no_fault() -> None:
    """A length that leads out of the calendar is refused like any other time."""
    with pytest.raises(CommandMisused):
        span("9999-12-31 22:00", "+9999h", start_fold=None, end_fold=None, timezone=PARIS, now=NOW)


def test_a_fold_says_which() -> None:
    """The first of two equal times is an hour before the second; another word is refused."""
    both = [
        span("2026-10-25 02:30", "+1h", start_fold=fold, end_fold=None, timezone=PARIS, now=NOW)[0]
        for fold in ("first", "second")
    ]
    assert both[1] - both[0] == timedelta(hours=1)
    with pytest.raises(CommandMisused):
        span("2026-10-25 02:30", "+1h", start_fold="third", end_fold=None, timezone=PARIS, now=NOW)
    assert wall(both[0], PARIS) == "2026-10-25 02:30 +0200"
    assert wall(NOW, PARIS) == "2026-03-17 12:30"


@pytest.mark.parametrize("text", ["", "0", "-5", "1.5", "15s", "99999", "15 m", "quinze"])
def test_a_length_is_a_number_of_minutes_or_hours(text: str) -> None:
    """Anything else is refused."""
    assert length("15", "MINUTES") == length("+15m", "MINUTES") == timedelta(minutes=15)
    with pytest.raises(CommandMisused):
        length(text, "MINUTES")
