"""``list`` and ``why``: what is open now, and every rule behind it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol

from gateway.server.commands.caller import Caller
from gateway.server.commands.line import Shape, Typed
from gateway.server.commands.result import (
    ALLOWED,
    REFUSED,
    CommandResult,
    as_json,
    as_lines,
    columns,
)
from gateway.server.commands.voice import Voice
from policy.domain.access import Explanation, Opening
from policy.domain.ids import HospitalId, PersonId, is_name
from policy.domain.people import Factor, Person
from policy.i18n import explained, neutralise

LIST: Final = Shape(name="list")
WHY: Final = Shape(name="why", places=("device",))

_NO_NAME = "-"  # no device can be called so: what is no name is looked for like any other that is not there


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


class ListCommand:
    """``list``."""

    shape = LIST

    def __init__(self, access: Openings, voice: Voice) -> None:
        """Answer from *access*."""
        self._access = access
        self._voice = voice

    async def run(self, caller: Caller, typed: Typed) -> CommandResult:
        """Return what is open now, as a table or as JSON. Raises PolicyUnavailable."""
        person, voice = caller.person, self._voice
        openings = await self._access.openings(voice.hospital.id, person.id)
        if typed.as_json:
            return as_json([_opening_fields(opening) for opening in openings])
        if not openings:
            return as_lines([voice.say(person, "menu.empty"), voice.say(person, "list.coming")])
        keys = ("list.device", "list.account", "list.until", "list.purpose")
        rows = [tuple(voice.say(person, key) for key in keys)]
        rows += [
            (
                opening.device_name,
                opening.account_name,
                voice.say(person, "menu.instant", until=opening.until),
                neutralise(_purpose(opening)),
            )
            for opening in openings
        ]
        return as_lines(columns(rows))


class WhyCommand:
    """``why DEVICE``."""

    shape = WHY

    def __init__(self, access: Openings, voice: Voice) -> None:
        """Answer from *access*."""
        self._access = access
        self._voice = voice

    async def run(self, caller: Caller, typed: Typed) -> CommandResult:
        """Return every rule, held or failed; an unknown device and one that is not hers get the same answer.

        Raises PolicyUnavailable.
        """
        person, voice = caller.person, self._voice
        device, _, account = typed.places["device"].replace("%", "+").partition("+")
        explanation = await self._access.explain(
            voice.hospital.id,
            person.login,
            device if is_name(device) else _NO_NAME,
            (account if is_name(account) else _NO_NAME) if account else None,
            source=caller.source,
            factors=caller.factors,
        )
        status = ALLOWED if explanation.allowed else REFUSED
        if typed.as_json:
            return as_json(self._fields(person, explanation), status)
        lines = explained(explanation, person.language, voice.hospital.timezone)
        return as_lines([*lines, voice.contact(person)], status)

    def _fields(self, person: Person, explanation: Explanation) -> Mapping[str, object]:
        opening = explanation.next_opening if explanation.disclose else None
        return {
            "allowed": explanation.allowed,
            "findings": [self._voice.fields(person, finding) for finding in explanation.told],
            "next_opening": None
            if opening is None
            else {"start": opening[0].isoformat(), "end": opening[1].isoformat()},
        }


def _opening_fields(opening: Opening) -> Mapping[str, object]:
    return {
        "device": opening.device_name,
        "account": opening.account_name,
        "until": opening.until.isoformat(),
        "purpose": opening.purpose,
        "channels": sorted(opening.channels),
        "forwards": [{"port": forward.port, "label": forward.label} for forward in opening.forwards],
    }


def _purpose(opening: Opening) -> str:
    """Return what the window is for, with the ports that ssh -L reaches."""
    if not opening.forwards:
        return opening.purpose
    return f"{opening.purpose} [-L {', '.join(forward.shown for forward in opening.forwards)}]"
