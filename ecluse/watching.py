"""A live session in one's own terminal: painted through the same list of what may pass as a replay.

Whatever the device sends, the viewer's terminal gets colours, cursor moves and screen changes, and nothing that asks
it a question, touches its title or clipboard, or switches on the mouse.
"""

from collections.abc import Callable, Iterable

from ecluse.client import Json
from ecluse.playback import TerminalFilter

_EMPTY = "\x1b[0m\x1b[r\x1b[2J\x1b[H"
_BELOW = "\x1b7\x1b[0m\x1b[9999;1H\x1b[7m {} \x1b[0m\x1b[K\x1b8"
Say = Callable[..., str]


class Window:
    """What one viewer's terminal shows. ``end`` is the last line of the stream; None before it came."""

    def __init__(self, write: Callable[[str], object], say: Say) -> None:
        """Paint by *write*; *say* gives the sentence under a key."""
        self._write = write
        self._say = say
        self._filter = TerminalFilter()
        self.end: Json | None = None

    def show(self, lines: Iterable[Json]) -> None:
        """Paint each line as it comes, until the last."""
        for line in lines:
            self._show(line)
            if self.end is not None:
                return

    def _show(self, line: Json) -> None:
        match line.get("type"):
            case "output":
                self._write(self._filter.feed(str(line["data"])))
            case "screen":
                self._filter = TerminalFilter()
                self._write(_EMPTY + self._filter.feed(str(line["output"])))
                if line["skipped"]:
                    self._below("watch.skipped", count=line["skipped"])
            case "waiting":
                self._below("watch.waiting")
            case "back" | "live":
                self._below(f"watch.{line['type']}")
            case "channels":
                self._tell_others(line)
            case "end":
                self.end = line
            case _:
                return

    def _tell_others(self, line: Json) -> None:
        others = [one["number"] for one in line["channels"] if one["open"] and one["number"] != line["shown"]]
        if others:
            numbers = ", ".join(str(number) for number in others)
            self._below("watch.others", shown=str(line["shown"] or "–"), numbers=numbers)

    def _below(self, key: str, **arguments: object) -> None:
        self._write(_BELOW.format(self._say(key, **arguments)))
