"""Playing a recorded terminal in one's own: at its pace, and without what a hostile device could do with it.

Output of a device is data. Colours, cursor moves and screen changes are played; whatever asks the terminal for an
answer, touches its title or clipboard, or switches on the mouse is left out, by a list of what may pass.
"""

import json
import re
from collections.abc import Callable, Iterable

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

RESTORE = "\x1b[!p\x1b[0m\x1b[?1049l\x1b[?25h\x1b(B\r\n"
"""Puts the terminal back as a shell expects it, wherever the recording ended."""


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


def play(
    lines: Iterable[str],
    write: Callable[[str], object],
    sleep: Callable[[float], object],
    *,
    speed: float = 1.0,
    idle_cut: float | None = None,
    seek: float = 0.0,
) -> None:
    """Play asciicast v3 *lines* by *write*, at *speed*, waiting by *sleep*.

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
            sleep((min(pause, idle_cut) if idle_cut is not None else pause) / speed)
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
