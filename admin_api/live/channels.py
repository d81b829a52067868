"""The channels of a live trace, and the screen of each."""

from dataclasses import dataclass
from typing import Any, Final

from admin_api.live.tape import Tape
from recorder.errors import TraceFormatError
from recorder.replay.asciicast import Cast, Event, size_of
from recorder.replay.neutral import neutralise
from recorder.replay.timeline import Teller
from recorder.trace.frames import SESSION, Frame, FrameType, facts

_KEPT: Final = 6
"""Screens remembered at once; that of a channel that is over goes first."""
_LISTED: Final = 50
_LONGEST: Final = 120
_SIZE: Final = (80, 24)


@dataclass(slots=True)
class Channel:
    """One channel: its number, what was asked for in it (harmless), and whether it goes on."""

    number: int
    request: str = ""
    command: str = ""
    terminal: bool = False
    open: bool = True


class Channels:
    """What is known of the channels of one live trace."""

    def __init__(self, teller: Teller) -> None:
        """Tell marks in the words of *teller*."""
        self._cast = Cast(teller)
        self._known: dict[int, Channel] = {}
        self._tapes: dict[int, Tape] = {}
        self.changed = False
        """Whether there is another one, or one is over, since this was set to False."""

    def take(self, frame: Frame) -> list[tuple[int, Event]]:
        """Return what *frame* shows, and on which channel; what was shown is on that channel's tape."""
        if frame.type in {FrameType.OPEN, FrameType.REQUEST, FrameType.EXIT}:
            self._note(frame)
        found = []
        for event in self._cast.events(frame):
            if event.code in {"o", "r"} and frame.channel in self._known:
                self.tape(frame.channel).add(event.code, event.data)
            found.append((frame.channel, event))
        return found

    def tape(self, number: int) -> Tape:
        """Return the tape of channel *number*, an empty one where nothing of it is remembered."""
        found = self._tapes.get(number)
        if found is None:
            found = self._tapes[number] = Tape(*_SIZE)
            self._make_room(number)
        return found

    def listed(self) -> tuple[Channel, ...]:
        """Return the channels that may be chosen, the newest last."""
        return tuple(self._known.values())[-_LISTED:]

    def newest(self) -> int | None:
        """Return the channel that somebody who chose none is shown: the newest open terminal, else the newest."""
        ranked = sorted(
            self._known.values(), key=lambda one: (one.open, one.terminal, one.number), reverse=True
        )
        return ranked[0].number if ranked else None

    def is_open(self, number: int) -> bool:
        """Tell whether channel *number* goes on."""
        found = self._known.get(number)
        return found is not None and found.open

    def _note(self, frame: Frame) -> None:
        try:
            told = facts(frame)
        except TraceFormatError:
            return
        if frame.type is FrameType.OPEN:
            if told.get("kind") == SESSION:
                self._known[frame.channel] = Channel(frame.channel)
                self.changed = True
            return
        found = self._known.get(frame.channel)
        if found is None:
            if frame.type is not FrameType.REQUEST:
                return
            found = self._known[frame.channel] = Channel(frame.channel)
        self.changed = True
        if frame.type is FrameType.EXIT:
            found.open = False
            return
        found.request = _harmless(told.get("request"))
        found.command = _harmless(told.get("command") or told.get("subsystem"))
        pty = told.get("pty")
        if isinstance(pty, dict):
            found.terminal = True
            size = size_of(pty)
            if size is not None:
                self._tapes[frame.channel] = Tape(*size)
                self._make_room(frame.channel)

    def _make_room(self, but: int) -> None:
        while len(self._tapes) > _KEPT:
            others = [number for number in self._tapes if number != but]
            del self._tapes[min(others, key=lambda number: (self.is_open(number), number))]


def _harmless(value: Any) -> str:
    text = "" if value is None else str(value)
    return neutralise(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
