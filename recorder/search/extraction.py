"""From a trace's frames to the passages that the index holds. What was typed is not among them: only what was shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from recorder.errors import TraceFormatError
from recorder.replay.timeline import opens_port
from recorder.search.passages import LINE, Kind, Passage, Passages
from recorder.search.screen import ChannelTerminal
from recorder.trace import instants
from recorder.trace.frames import Frame, FrameType, facts
from recorder.trace.header import TraceHeader

PLAIN: Final = (500, 50)
"""Columns and rows of the terminal that plain output, for which nobody asked for one, is shown on."""
BINARY: Final = re.compile(rb"[\x00-\x06\x0e-\x1a]")
"""What no text holds; a piece of plain output with some of it is no text."""
_MS: Final = 1_000_000
_STREAMS: Final = frozenset({FrameType.OUTPUT, FrameType.ERROR_OUTPUT})
_TRANSFERS: Final = re.compile(r"\s*(?:\S*/)?(?:scp|rsync|sftp-server)\s")
_FINDINGS: Final = frozenset(
    {FrameType.REFUSED, FrameType.WARNING, FrameType.GAP, FrameType.MARKER, FrameType.SIGNAL, FrameType.END}
)


def extract(header: TraceHeader, frames: Iterator[Frame]) -> Iterator[Passage]:
    """Give the passages of a trace: who and where, what was shown, commands, files with digests, findings.

    Raises:
        ChainBroken, TraceFormatError, TraceSealed: As the frames' reader does; what came before was given.
    """
    extraction = _Extraction()
    yield from extraction.head(header)
    for frame in frames:
        yield from extraction.take(frame)
    yield from extraction.end()


class _Extraction:
    def __init__(self) -> None:
        self._passages = Passages()
        self._ready: list[Passage] = []
        self._terminals: dict[tuple[int, FrameType], ChannelTerminal] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        self._mute: set[int] = set()

    def head(self, header: TraceHeader) -> Iterator[Passage]:
        """What the session was, to be found by names and numbers."""
        person, device = header.person, header.device
        lines = (
            f"{person['full_name']} {person['login']} {header.supplier['name']}",
            f"{device['name']} {device['address']}:{device['port']} {header.account}",
            f"{header.intervention['kind']} {header.intervention['purpose']}",
            f"{header.source} {' '.join(header.factors)} {header.client_version or ''}",
            # a day is asked for as a word: the letter between day and hour would hide it
            f"{header.session_id} {header.window['id']} {instants.text(header.started_at).replace('T', ' ')}",
            _words([header.decision.get(name) for name in ("level", "channels", "held")]),
        )
        for line in lines:
            self._add(Kind.SESSION, 0, 0, line)
        yield from self._given()

    def take(self, frame: Frame) -> Iterator[Passage]:
        """Take the next frame."""
        at_ms = frame.at_ns // _MS
        if frame.type in _STREAMS:
            self._show(frame, at_ms)
        elif frame.type is not FrameType.INPUT:
            self._note(frame, at_ms, _facts(frame))
        yield from self._given()

    def end(self) -> Iterator[Passage]:
        """Give what is left."""
        for terminal in self._terminals.values():
            terminal.close()
        yield from self._given()
        yield from self._passages.rest()

    def _show(self, frame: Frame, at_ms: int) -> None:
        channel = frame.channel
        if channel in self._mute or (channel not in self._sizes and BINARY.search(frame.payload)):
            return
        terminal = self._terminals.get((channel, frame.type))
        if terminal is None:
            columns, rows = self._sizes.get(channel, PLAIN)
            tell = partial(self._add, Kind.SCREEN, channel)
            terminal = self._terminals[channel, frame.type] = ChannelTerminal(columns, rows, tell)
        # without a terminal, a line feed alone begins a line
        plain = channel not in self._sizes
        terminal.feed(at_ms, frame.payload.replace(b"\n", b"\r\n") if plain else frame.payload)

    def _note(self, frame: Frame, at_ms: int, told: Mapping[str, Any]) -> None:
        channel = frame.channel
        if opens_port(frame):
            self._mute.add(channel)
        elif frame.type is FrameType.REQUEST:
            self._request(channel, at_ms, told)
        elif frame.type is FrameType.RESIZE:
            terminal = self._terminals.get((channel, FrameType.OUTPUT))
            if terminal is not None:
                terminal.resize(_whole(told.get("columns"), 80), _whole(told.get("rows"), 24))
        elif frame.type is FrameType.FILE:
            words = [told.get(name) for name in ("op", "path", "target", "size", "sha256", "result")]
            self._add(Kind.FILE, channel, at_ms, _words(words))
        elif frame.type in _FINDINGS:
            values = [told[name] for name in sorted(told) if name not in {"pty", "environment"}]
            self._add(Kind.FINDING, channel, at_ms, _words([frame.type.name.lower(), *values]))

    def _request(self, channel: int, at_ms: int, told: Mapping[str, Any]) -> None:
        pty = told.get("pty")
        if isinstance(pty, Mapping):
            self._sizes[channel] = _whole(pty.get("columns"), 80), _whole(pty.get("rows"), 24)
        command = told.get("command")
        if isinstance(command, str):
            self._add(Kind.COMMAND, channel, at_ms, command)
            if _TRANSFERS.match(command):
                self._mute.add(channel)  # a protocol's bytes: its files are told of by their operations
        elif told.get("request") == "subsystem":
            self._add(Kind.COMMAND, channel, at_ms, _words(["subsystem", told.get("subsystem")]))
            self._mute.add(channel)

    def _add(self, kind: Kind, channel: int, at_ms: int, text: str) -> None:
        for start in range(0, max(1, min(len(text), 20 * LINE)), LINE):
            self._ready += self._passages.add(kind, channel, at_ms, text[start : start + LINE])

    def _given(self) -> list[Passage]:
        ready, self._ready = self._ready, []
        return ready


def _facts(frame: Frame) -> Mapping[str, Any]:
    try:
        return facts(frame)
    except TraceFormatError:
        return {}


def _whole(value: object, default: int) -> int:
    # zero says nothing of a terminal's size (RFC 4254 §6.2), as who has none sends it: `ssh -tt` from a program
    return value if type(value) is int and value > 0 else default


def _words(values: list[Any]) -> str:
    parts = [
        " ".join(map(str, one)) if isinstance(one, list) else str(one) for one in values if one is not None
    ]
    return " ".join(parts)
