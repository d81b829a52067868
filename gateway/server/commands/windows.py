"""``windows``: her own windows, past week and to come, with what became of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from gateway.server.commands.caller import Caller
from gateway.server.commands.line import Shape, Typed
from gateway.server.commands.moments import wall
from gateway.server.commands.result import CommandResult, as_json, as_lines, columns
from gateway.server.commands.voice import Voice
from policy.clock import Clock
from policy.domain.people import Person
from policy.domain.requests import OwnWindow
from policy.domain.windows import Extension, WindowState
from policy.i18n import neutralise
from policy.services.requests import RequestService

WINDOWS: Final = Shape(name="windows")
PAST: Final = timedelta(days=7)
COMING: Final = timedelta(days=400)
MOST: Final = 60
"""How many openings are shown: a weekly window has more than anybody reads."""


class WindowsCommand:
    """``windows``."""

    shape = WINDOWS

    def __init__(self, requests: RequestService, voice: Voice, clock: Clock) -> None:
        """Answer from *requests*, around the instant that *clock* tells."""
        self._requests = requests
        self._voice = voice
        self._clock = clock

    async def run(self, caller: Caller, typed: Typed) -> CommandResult:
        """Return her openings, those of the past week first. Raises PolicyUnavailable."""
        person, voice, now = caller.person, self._voice, self._clock.now()
        own = await self._requests.windows(person.id, voice.hospital.id, since=now - PAST, until=now + COMING)
        if typed.as_json:
            return as_json([self._fields(one, now) for one in own])
        if not own:
            return as_lines([voice.say(person, "windows.none")])
        keys = (
            "windows.id",
            "windows.state",
            "windows.from",
            "windows.to",
            "windows.devices",
            "windows.rights",
            "list.purpose",
        )
        rows = [tuple(voice.say(person, key) for key in keys)]
        shown, again = next_ones(own, now)
        rows += [self._row(person, one, now) for one in shown[:MOST]]
        lines = columns(rows)
        answers = [line for one in shown[:MOST] for line in self._answers(person, one)]
        for identifier, later in again.items():
            facts = {"id": identifier[:8], "count": len(later), "end": later[-1].occurrence.end}
            answers.append(voice.say(person, "windows.again", **facts))
        if len(shown) > MOST:
            answers.append(voice.say(person, "windows.more", count=len(shown) - MOST))
        return as_lines([*lines, *([""] if answers else []), *answers])

    def _row(self, person: Person, own: OwnWindow, now: datetime) -> tuple[str, ...]:
        zone = self._voice.hospital.timezone
        ports = (f"-L {forward.shown}" for forward in own.window.forwards)
        rights = [*sorted(own.window.channels), *ports]
        return (
            own.window.id[:8],
            self._voice.say(person, f"window.{state_of(own, now)}"),
            wall(own.occurrence.start, zone),
            wall(own.occurrence.end, zone),
            ", ".join(own.devices),
            self._voice.say(person, "windows.channels", channels=rights),
            neutralise(own.window.purpose),
        )

    def _answers(self, person: Person, own: OwnWindow) -> list[str]:
        say, short = self._voice.say, own.window.id[:8]
        lines = []
        if own.window.state is WindowState.REFUSED:
            lines.append(say(person, "windows.refused", id=short, reason=own.window.answer or ""))
        for one in own.extensions:
            decider = own.deciders.get(str(one.decided_by), "")
            lines.append(
                say(person, f"extension.{answer_of(one)}", id=short, end=one.end, decider=decider)
                + (f" {neutralise(one.answer)}" if one.answer else "")
            )
        return lines

    def _fields(self, own: OwnWindow, now: datetime) -> Mapping[str, object]:
        return {
            "id": own.window.id,
            "state": state_of(own, now),
            "start": own.occurrence.start.isoformat(),
            "end": own.occurrence.end.isoformat(),
            "devices": list(own.devices),
            "kind": own.kind.value,
            "purpose": own.window.purpose,
            "channels": sorted(own.window.channels),
            "forwards": [{"port": forward.port, "label": forward.label} for forward in own.window.forwards],
            "asked_by_me": own.asked_by_her,
            "answer": own.window.answer,
            "extensions": [
                {
                    "state": answer_of(one),
                    "until": one.end.isoformat(),
                    "reason": one.reason,
                    "answer": one.answer,
                    "decided_by": own.deciders.get(str(one.decided_by)),
                }
                for one in own.extensions
            ],
        }


def state_of(own: OwnWindow, now: datetime) -> str:
    """Return the word for an opening at the aware instant *now*: what its window is, and when."""
    state = own.window.state
    if state.over:
        return state.value
    if own.occurrence.end <= now:
        return "elapsed" if state is WindowState.APPROVED else "unanswered"
    if state is WindowState.PLANNED:
        return state.value
    return "open" if own.occurrence.start <= now else state.value


def next_ones(own: Sequence[OwnWindow], now: datetime) -> tuple[list[OwnWindow], dict[str, list[OwnWindow]]]:
    """Return the openings without those that a window has after its next one, and these by their window.

    With an answer each is shown. Of a window that is over none comes again, and of one whose next opening is not among the first
    MOST nothing is told.
    """
    nexts = {one.window.id: one for one in reversed(own) if one.occurrence.start > now}

    def later(one: OwnWindow) -> bool:
        return one.occurrence.start > now and one is not nexts[one.window.id] and not one.extensions

    shown = [one for one in own if not later(one)]
    told = {one.window.id for one in shown[:MOST] if one.occurrence.start > now and not one.window.state.over}
    again: dict[str, list[OwnWindow]] = {}
    for one in filter(later, own):
        if one.window.id in told:
            again.setdefault(one.window.id, []).append(one)
    return shown, again


def answer_of(extension: Extension) -> str:
    """Return the word for what became of an *extension*."""
    if extension.approved is None:
        return "waiting"
    return "granted" if extension.approved else "refused"
