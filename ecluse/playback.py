"""Playing a recorded terminal in one's own: at its pace, and without what a hostile device could do with it.

Output of a device is data. Colours, cursor moves and screen changes are played; whatever asks the terminal for an
answer, touches its title or clipboard, or switches on the mouse is left out, by a list of what may pass.
"""

import json
import re
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from ecluse.errors import EcluseError

_ESCAPE = "\x1b"
_PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f]+")
_CONTROLS = frozenset("\b\t\n\v\f\r\x0e\x0f")
_CSI = re.compile(r"\x1b\[(?P<parameters>[0-?]{0,64})(?P<between>[ -/]{0,4})(?P<final>[@-~])")
_STRING = re.compile(r"\x1b[\]PX^_]")
_STRING_END = re.compile(r"\x07|\x1b\\|\x9c")
_SHORT = re.compile(r"\x1b(?P<between>[ -/]{0,2})(?P<final>[0-OQ-WYZ\\`-~])")
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]{0,64}[ -/]{0,4}|[ -/]{0,2})\Z")
_FINALS = frozenset("@ABCDEFGHIJKLMPSTXZ`abdefgmrsu")
_MODES = frozenset({"1", "5", "6", "7", "12", "25", "47", "1047", "1048", "1049"})
_CHARSETS = frozenset("()*+")
_SHORT_FINALS = frozenset("78=>DEHMc")
_DISPLAYED = "o"

RESTORE = "\x1b[!p\x1b[?1049l\x1b[?47l\x1b[r\x1b[0m\x0f\x1b(B\x1b[4l\x1b[?1l\x1b[?5l\x1b[?6l\x1b[?7h\x1b[?25h\x1b>\x1b[9999;1H\r\n"
"""Puts the terminal back as a shell expects it, wherever the recording ended, and goes below what it painted."""

_SKIPPED = 10.0
_FASTEST, _SLOWEST = 64.0, 0.25


class TerminalFilter:
    """Lets through what paints a screen, and nothing else; sequences may come in any number of pieces."""

    def __init__(self) -> None:
        """Start outside any sequence."""
        self._held = ""
        self._in_string = False

    def feed(self, text: str) -> str:
        """Return what of *text*, after what came before it, may be shown."""
        text = self._held + text
        self._held = ""
        shown: list[str] = []
        place = 0
        while place < len(text):
            if self._in_string:
                place = self._skip_string(text, place)
                continue
            plain = _PLAIN.match(text, place)
            if plain is not None:
                shown.append(plain.group())
                place = plain.end()
            elif text[place] == _ESCAPE:
                place = self._sequence(text, place, shown)
            else:
                if text[place] in _CONTROLS:
                    shown.append(text[place])
                place += 1
        return "".join(shown)

    def _skip_string(self, text: str, place: int) -> int:
        end = _STRING_END.search(text, place)
        if end is not None:
            self._in_string = False
            return end.end()
        self._held = _ESCAPE if text.endswith(_ESCAPE) else ""
        return len(text)

    def _sequence(self, text: str, place: int, shown: list[str]) -> int:
        if (found := _CSI.match(text, place)) is not None:
            if _paints(found):
                shown.append(found.group())
            return found.end()
        if (found := _STRING.match(text, place)) is not None:
            self._in_string = True
            return found.end()
        if (found := _SHORT.match(text, place)) is not None:
            between, final = found["between"], found["final"]
            if final in _SHORT_FINALS if not between else between in _CHARSETS and final in "0AB":
                shown.append(found.group())
            return found.end()
        if _UNFINISHED.match(text, place) is not None:
            self._held = text[place:]
            return len(text)
        return place + 1


def _paints(sequence: re.Match[str]) -> bool:
    parameters, between, final = sequence["parameters"], sequence["between"], sequence["final"]
    if between:
        return False
    if final in "hl":
        modes = parameters.removeprefix("?").split(";")
        return all(mode in _MODES for mode in modes) if parameters.startswith("?") else parameters == "4"
    return final in _FINALS and not parameters.startswith(("<", "=", ">", "?"))


class Quit(Exception):
    """The viewer has seen enough."""


class Keys(Protocol):
    """Where the viewer's keys come from."""

    def read(self, seconds: float | None) -> str | None:
        """Wait at most *seconds* (None: for ever) and return the key pressed: a character, ``right``, or None."""


class Pace:
    """How fast a recording passes, as its viewer wishes: paused, faster, slower, or on by ten seconds."""

    def __init__(self, keys: Keys, speed: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Start at *speed* times the recording's own; *clock* gives seconds that only go forward."""
        self.speed = speed
        self.paused = False
        self._keys = keys
        self._clock = clock
        self._skipping = 0.0

    def wait(self, seconds: float) -> None:
        """Let *seconds* of the recording pass, and do what the keys say meanwhile; raises Quit for ``q``."""
        left = seconds
        while True:
            skipped = min(left, self._skipping)
            left, self._skipping = left - skipped, self._skipping - skipped
            if left <= 0 and not self.paused:
                return
            before, paused = self._clock(), self.paused
            key = self._keys.read(None if paused else left / self.speed)
            if not paused:
                left = 0.0 if key is None else left - (self._clock() - before) * self.speed
            if key is not None:
                self._obey(key)

    def _obey(self, key: str) -> None:
        match key:
            case " ":
                self.paused = not self.paused
            case "+":
                self.speed = max(self.speed, min(self.speed * 2, _FASTEST))
            case "-":
                self.speed = min(self.speed, max(self.speed / 2, _SLOWEST))
            case "right":
                self._skipping += _SKIPPED
            case "q":
                raise Quit


def play(
    lines: Iterable[str],
    write: Callable[[str], object],
    wait: Callable[[float], object],
    *,
    idle_cut: float | None = None,
    seek: float = 0.0,
) -> None:
    """Play asciicast v3 *lines* by *write*; *wait* lets so many seconds of the recording pass.

    No pause is longer than *idle_cut* seconds of the recording. What came before *seek* seconds is painted at once,
    so that the screen is as it was then. Raises EcluseError for lines that are no asciicast.
    """
    terminal = TerminalFilter()
    at = 0.0
    for number, line in enumerate(lines):
        event = _event(line, number)
        if event is None:
            continue
        interval, code, data = event
        start, at = at, at + interval
        if at > seek:
            pause = at - max(start, seek)
            wait(min(pause, idle_cut) if idle_cut is not None else pause)
        if code == _DISPLAYED:
            write(terminal.feed(data))


def _event(line: str, number: int) -> tuple[float, str, str] | None:
    """Return the interval, code and data of an event's line, None for the head and empty lines."""
    if not line.strip():
        return None
    try:
        found = json.loads(line)
        if number == 0:
            if found["version"] != 3:
                raise EcluseError("traces.not_asciicast")
            return None
        interval, code, data = found
        return max(0.0, float(interval)), str(code), str(data)
    except (ValueError, TypeError, KeyError) as broken:
        raise EcluseError("traces.not_asciicast") from broken
