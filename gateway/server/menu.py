"""The menu on a terminal, for a log-in without a device: what is open now, to choose from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.server.commands.result import columns
from policy.domain.access import Opening
from policy.domain.hospitals import Hospital
from policy.domain.people import Person
from policy.i18n import Catalog, neutralise

_LONGEST_CHOICE = 130  # a device, a separator and an account
_FAREWELLS = frozenset({"exit", "quit", "logout", "quitter"})
"""What hands type that want to leave; a device of that name is chosen all the same."""
_ESCAPE = 0x1B
_ERASE = b"\x7f\x08"
_ENTER = b"\r\n"
_INTERRUPT = 0x03
_END = 0x04
_KILL = 0x15


@dataclass(frozen=True, slots=True)
class MenuStep:
    """What to do after some input: bytes to show, then one of the rest.

    ``chosen`` is the device and account to ask a grant for; ``refresh`` asks for ``show`` with a new list.
    """

    output: bytes = b""
    chosen: tuple[str, str] | None = None
    refresh: bool = False
    quit: bool = False


class Menu:
    """The menu on one terminal. Does no input or output itself; the list it shows decides nothing."""

    def __init__(self, person: Person, hospital: Hospital, catalog: Catalog, *, columns: int = 80) -> None:
        """Speak to *person*, on a terminal *columns* wide (0 where that is unknown)."""
        self._person = person
        self._hospital = hospital
        self._catalog = catalog
        self._openings: tuple[Opening, ...] = ()
        self._typed = bytearray()
        self._escape = 0
        self._after_return = False
        self.resize(columns)

    def resize(self, columns: int) -> None:
        """Note the terminal's width, in characters; the next list is cut to it."""
        self._columns = columns if columns >= 20 else 80

    def show(self, openings: Sequence[Opening] | None) -> bytes:
        """Return the screen for what is open now; None where the list could not be read."""
        self._openings = tuple(openings or ())
        self._typed.clear()
        lines = ["", self._say("menu.title", hospital=self._hospital.name, person=self._person.full_name), ""]
        if openings is None:
            lines.append(f"  {self._say('menu.unavailable')}")
        elif not openings:
            lines.append(f"  {self._say('menu.empty')}")
        else:
            lines += columns([self._row(number, opening) for number, opening in enumerate(openings, 1)])
        cut = [line if len(line) <= self._columns else f"{line[: self._columns - 1]}…" for line in lines]
        return "\r\n".join([*cut, "", ""]).encode() + self._prompt()

    def interrupt(self, text: str) -> bytes:
        """Return what shows *text* on a line of its own, then the prompt again with what was typed so far."""
        return f"\r\n{text}\r\n".encode() + self._prompt() + bytes(self._typed)

    def feed(self, data: bytes) -> MenuStep:
        """Take what was typed. What follows a choice in *data* is dropped: it was not typed to the device."""
        output = bytearray()
        for byte in data:
            step = self._key(byte)
            if step is None:
                continue
            output += step.output
            if step.chosen is not None or step.refresh or step.quit:
                return MenuStep(bytes(output), step.chosen, step.refresh, step.quit)
        return MenuStep(bytes(output))

    def tick(self, at: datetime) -> MenuStep:
        """Say what has become of the menu by the aware instant *at*.

        Quits when the last window shown has ended, asks for a new list when one of several has.
        """
        ended = [opening for opening in self._openings if opening.until <= at]
        if not ended:
            return MenuStep()
        if len(ended) == len(self._openings):
            return MenuStep(f"\r\n{self._say('end.window')}\r\n".encode(), quit=True)
        return MenuStep(b"\r\n", refresh=True)

    def _key(self, byte: int) -> MenuStep | None:
        follows_return, self._after_return = self._after_return, byte == 0x0D
        if self._escape or byte == _ESCAPE:
            self._skip(byte)
        elif byte in _ENTER:
            return None if byte == 0x0A and follows_return else self._enter()
        elif byte == _INTERRUPT or (byte == _END and not self._typed):
            return self._leave()
        elif byte in _ERASE and self._typed:
            del self._typed[-1:]
            return MenuStep(b"\b \b")
        elif byte == _KILL:
            erased = len(self._typed)
            self._typed.clear()
            return MenuStep(b"\b \b" * erased)
        elif 0x20 <= byte < 0x7F and len(self._typed) < _LONGEST_CHOICE:
            self._typed.append(byte)
            return MenuStep(bytes([byte]))
        return None

    def _skip(self, byte: int) -> None:
        """Pass over an arrow or a function key (``ESC [ … letter``, ``ESC letter``), at most 16 bytes."""
        self._escape += 1
        opened = self._escape == 2 and byte in b"[O"
        parameter = self._escape > 2 and byte in b"0123456789;?"
        if self._escape > 1 and not ((opened or parameter) and self._escape < 16):
            self._escape = 0

    def _enter(self) -> MenuStep:
        typed = self._typed.decode("ascii").strip().lower()
        self._typed.clear()
        if not typed:
            return MenuStep(b"\r\n", refresh=True)
        found = self._matching(typed)
        if typed == "q" or (typed in _FAREWELLS and not found):
            return self._leave()
        if len(found) == 1:
            return MenuStep(b"\r\n", chosen=(found[0].device_name, found[0].account_name))
        if found:
            answer = self._say("menu.ambiguous", device=found[0].device_name)
        else:
            answer = self._say("menu.unknown", typed=typed)
        return MenuStep(f"\r\n{answer}\r\n".encode() + self._prompt())

    def _matching(self, typed: str) -> list[Opening]:
        if typed.isdecimal() and 1 <= int(typed) <= len(self._openings):
            return [self._openings[int(typed) - 1]]
        device, _, account = typed.replace("%", "+").partition("+")
        return [
            opening
            for opening in self._openings
            if opening.device_name == device and account in {"", opening.account_name}
        ]

    def _leave(self) -> MenuStep:
        return MenuStep(f"\r\n{self._say('menu.leave')}\r\n".encode(), quit=True)

    def _row(self, number: int, opening: Opening) -> tuple[str, ...]:
        until = self._say("menu.until", until=opening.until)
        return (f"  {number}", opening.device_name, opening.account_name, until, neutralise(opening.purpose))

    def _prompt(self) -> bytes:
        return self._say("menu.prompt").encode() + b" "

    def _say(self, key: str, **arguments: object) -> str:
        zone = self._hospital.timezone
        return self._catalog.translate(key, self._person.language, timezone=zone, **arguments)
