"""What a log-in without a device offers: a menu on a terminal, the same as plain commands elsewhere."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from policy.domain.access import Explanation, Opening
from policy.domain.hospitals import Hospital
from policy.domain.ids import HospitalId, PersonId, is_name
from policy.domain.people import Factor, Person
from policy.errors import PolicyUnavailable
from policy.i18n import Catalog, explained, neutralise, next_step, sentence

ALLOWED, REFUSED, USAGE, UNAVAILABLE = 0, 1, 2, 75
"""Exit statuses: done or open; closed; not understood; policy cannot be read (EX_TEMPFAIL)."""

_LONGEST_LINE = 1024
_LONGEST_CHOICE = 130  # a device, a separator and an account
_NO_NAME = "-"  # no device can be called so: what is no name is looked for like any other that is not there
_ESCAPE = 0x1B
_ERASE = b"\x7f\x08"
_ENTER = b"\r\n"
_INTERRUPT = 0x03
_END = 0x04
_KILL = 0x15


class Openings(Protocol):
    """What the menu asks of policy. Both may raise PolicyUnavailable."""

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
        """Return every rule, held or failed."""
        ...

    async def openings(self, hospital_id: HospitalId, person_id: PersonId) -> list[Opening]:
        """Return what is open now."""
        ...


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a plain command ended: exit ``status``, text for standard output, text for standard error."""

    status: int
    out: str = ""
    err: str = ""


class Commands:
    """``list``, ``why`` and ``help``, for a person who is logged in and named no device."""

    def __init__(self, access: Openings, hospital: Hospital, catalog: Catalog) -> None:
        """Answer from *access*, with times of *hospital* and sentences of *catalog* (the gateway's)."""
        self._access = access
        self._hospital = hospital
        self._catalog = catalog

    async def run(
        self, person: Person, line: str, source: str, factors: frozenset[Factor] = frozenset()
    ) -> CommandResult:
        """Run the command *line* as typed, hostile or not; never raises for what is in it.

        Texts end each line with ``\\n``. An unknown device and one that is not hers get the same answer.
        """  # noqa: D301 - the escape is meant to be read as such
        words = line[:_LONGEST_LINE].split()
        as_json = "--json" in words
        name, *arguments = [word for word in words if word != "--json"] or ["help"]
        try:
            match name, len(arguments):
                case "list", 0:
                    return await self._list(person, as_json=as_json)
                case "list", _:
                    return self._misused(person, "command.list-usage")
                case "why", 1:
                    return await self._why(person, arguments[0], source, factors, as_json=as_json)
                case "why", _:
                    return self._misused(person, "command.why-usage")
                case "help", _:
                    return CommandResult(ALLOWED, self.help(person))
                case _:
                    unknown = self._say(person, "command.unknown", typed=name)
                    return CommandResult(USAGE, err=f"{unknown}\n")
        except PolicyUnavailable:
            return CommandResult(UNAVAILABLE, err=self._say(person, "refusal.policy") + "\n")

    def help(self, person: Person) -> str:
        """Return what ``help`` prints for *person*."""
        lines = [self._say(person, "help.intro")]
        lines += [f"  {self._say(person, key)}" for key in ("help.list", "help.why", "help.help")]
        lines += ["", self._say(person, "help.open", login=person.login)]
        lines += [self._say(person, "contact", contact=self._hospital.security_contact)]
        return "\n".join(lines) + "\n"

    async def _list(self, person: Person, *, as_json: bool) -> CommandResult:
        openings = await self._access.openings(self._hospital.id, person.id)
        if as_json:
            return CommandResult(ALLOWED, _json([_opening_fields(opening) for opening in openings]))
        if not openings:
            return CommandResult(ALLOWED, self._say(person, "menu.empty") + "\n")
        keys = ("list.device", "list.account", "list.until", "list.purpose")
        rows = [tuple(self._say(person, key) for key in keys)]
        rows += [
            (
                opening.device_name,
                opening.account_name,
                self._until(person, opening),
                neutralise(opening.purpose),
            )
            for opening in openings
        ]
        return CommandResult(ALLOWED, "".join(f"{line}\n" for line in _columns(rows)))

    async def _why(
        self, person: Person, wanted: str, source: str, factors: frozenset[Factor], *, as_json: bool
    ) -> CommandResult:
        device, _, account = wanted.replace("%", "+").partition("+")
        explanation = await self._access.explain(
            self._hospital.id,
            person.login,
            device if is_name(device) else _NO_NAME,
            (account if is_name(account) else _NO_NAME) if account else None,
            source=source,
            factors=factors,
        )
        status = ALLOWED if explanation.allowed else REFUSED
        if as_json:
            return CommandResult(status, _json(self._explanation_fields(person, explanation)))
        lines = explained(explanation, person.language, self._hospital.timezone)
        lines.append(self._say(person, "contact", contact=self._hospital.security_contact))
        return CommandResult(status, "".join(f"{line}\n" for line in lines))

    def _explanation_fields(self, person: Person, explanation: Explanation) -> Mapping[str, object]:
        opening = explanation.next_opening if explanation.disclose else None
        zone = self._hospital.timezone
        return {
            "allowed": explanation.allowed,
            "findings": [
                {
                    "code": finding.code,
                    "held": finding.held,
                    "sentence": sentence(finding, person.language, zone),
                    "next_step": next_step(finding, person.language, zone) or None,
                }
                for finding in explanation.told
            ],
            "next_opening": None
            if opening is None
            else {"start": opening[0].isoformat(), "end": opening[1].isoformat()},
        }

    def _misused(self, person: Person, key: str) -> CommandResult:
        return CommandResult(USAGE, err=self._say(person, key) + "\n")

    def _until(self, person: Person, opening: Opening) -> str:
        return self._say(person, "menu.instant", until=opening.until)

    def _say(self, person: Person, key: str, **arguments: object) -> str:
        return self._catalog.translate(key, person.language, timezone=self._hospital.timezone, **arguments)


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
            lines += _columns([self._row(number, opening) for number, opening in enumerate(openings, 1)])
        cut = [line if len(line) <= self._columns else f"{line[: self._columns - 1]}…" for line in lines]
        return "\r\n".join([*cut, "", ""]).encode() + self._prompt()

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
        if typed == "q":
            return self._leave()
        found = self._matching(typed)
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


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _opening_fields(opening: Opening) -> Mapping[str, object]:
    return {
        "device": opening.device_name,
        "account": opening.account_name,
        "until": opening.until.isoformat(),
        "purpose": opening.purpose,
        "channels": sorted(opening.channels),
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
