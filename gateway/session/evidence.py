"""Lines typed while the device does not echo them: never kept, but seen to have been hidden.

A trace holds what a device shows, so that a password typed without echo never reaches the disk. The same
makes a hiding place: with echo off, whole commands leave no text behind. One hidden line that answers a
question is a password; hidden lines beyond it are told to ``on_unseen``. What is typed stays in memory, for
one line, only until it is known whether the device showed it.

This is a tripwire, not a wall: who makes the device print every character beside the hidden line is not seen
here (the trace then shows that noise), and full-screen programs, which draw what is typed in their own way,
do not count.
"""

from collections import deque
from collections.abc import Callable

from gateway.session.echo_screen import Screen

MAX_LINE = 4096
"""Bytes of one line that are compared; the rest of a longer line is not kept."""
MAX_WAITING = 64 * 1024
"""Bytes of whole lines that may wait for an echo (a paste comes at once); those beyond are not compared."""
_PATIENCE = 1024
"""Characters shown, none of them the one awaited, after which a line is not echoed."""
_PATIENCE_AHEAD = 64 * 1024
"""The same for a line typed ahead: a shell shows it only after what the lines before it print."""
_ONE_KEY = 4
"""Bytes of input that one key makes, as opposed to a paste."""
_PIECE = 16 * 1024
_KEYSTROKES = 64
"""Pieces of input, with no output at all, after which a finished line is not echoed."""
_QUESTIONS = 8
"""Hidden answers in a row that questions excuse; changing a password, mistyped once, takes seven."""

_ENTER = b"\r\n"
_ERASE = b"\x7f\x08"
_KILL = b"\x03\x04\x15\x1a\x1c"
_WORD = 0x17
_ESCAPE = 0x1B


class _Line:
    """One line as typed, and how much of it was shown."""

    __slots__ = ("age", "ahead", "matched", "prompt", "skipped", "typed")

    def __init__(self, prompt: bytes) -> None:
        self.typed = bytearray()
        self.prompt = prompt
        self.ahead = False
        self.matched = 0
        self.skipped = 0
        self.age = 0

    @property
    def echoed(self) -> bool:
        return self.matched >= len(self.typed)

    @property
    def lost(self) -> bool:
        return self.skipped > (_PATIENCE_AHEAD if self.ahead else _PATIENCE)

    def follow(self, text: bytes, at: int, stop: int) -> int:
        """Look for the characters awaited, in order, in ``text[at:stop]``; return where the search ended."""
        while not self.echoed and at < stop:
            found = text.find(self.typed[self.matched], at, stop)
            self.skipped += (stop if found < 0 else found) - at
            if found < 0 or self.lost:
                return stop
            self.matched += 1
            self.skipped = 0
            at = found + 1
        return at

    def ends(self, shown: bytes) -> bool:
        """Tell whether the line *shown* ends with what was still awaited, blanks of a wrapped line apart."""
        return shown.replace(b" ", b"").endswith(bytes(self.typed[self.matched :]).replace(b" ", b""))

    def cut(self, length: int) -> None:
        for at in range(length, len(self.typed)):
            self.typed[at] = 0
        del self.typed[length:]
        self.matched = min(self.matched, length)
        if not length:
            self.skipped = 0


class EchoWatch:
    """Watches one terminal. ``on_unseen(lines)`` is told how many hidden lines no question excuses so far,
    each time there is one more; the count starts again after a line that was shown.
    """  # noqa: D205 - one sentence, too long for one line

    def __init__(self, on_unseen: Callable[[int], None]) -> None:
        """Tell *on_unseen*."""
        self._on_unseen = on_unseen
        self._screen = Screen()
        self._line = _Line(b"")
        self._waiting: deque[_Line] = deque()
        self._waiting_bytes = 0
        self._escape = b""
        self._shown = b""
        self._answered = True
        self._allowance = 1
        self._questions = 0
        self._unseen = 0

    def typed(self, data: bytes) -> None:
        """Take *data* from the keyboard, before it passes."""
        for line in self._waiting:
            line.age += 1
        while self._waiting and self._waiting[0].age > _KEYSTROKES:
            self._decide(echoed=False)
        if self._screen.alternate:
            self._forget()
            return
        if self._answered and len(data) <= _ONE_KEY and self._screen.prompt():
            self._all_unseen()  # the device asks again, so that it has taken all that was typed ahead
        for byte in data:
            self._key(byte)

    def shown(self, data: bytes) -> None:
        """Take *data* from the device, after the input before it."""
        self._screen.show(data)
        self._answered = True
        if self._screen.alternate:
            self._forget()
            return
        for at in range(0, len(data), _PIECE):
            if not self._awaiting():  # a flood is not looked at
                return
            self._follow(self._screen.text(data[at : at + _PIECE]))

    def end(self) -> None:
        """Judge what still waits; to be called once, when the terminal closes."""
        self._all_unseen()
        self._forget()

    def _awaiting(self) -> bool:
        return bool(self._waiting) or not (self._line.echoed or self._line.lost)

    def _follow(self, text: bytes) -> None:
        at = 0
        while at < len(text) and self._awaiting():
            if not self._waiting:
                at = self._line.follow(text, at, len(text))
                continue
            end = text.find(b"\n", at)
            self._shown = (self._shown + text[at : len(text) if end < 0 else end])[-2 * MAX_LINE :]
            self._waiting[0].skipped += (len(text) if end < 0 else end + 1) - at
            if end < 0:
                at = len(text)
            else:
                at = end + 1
                self._line_shown()
            if self._waiting and self._waiting[0].lost:
                self._decide(echoed=False)

    def _line_shown(self) -> None:
        """Judge the first line that waits by a whole line of output; one that Enter was not alone with may wait.

        Output of the very command that was hidden must not pass for its echo: the echo of a finished line is a
        line that ends with it.
        """
        line = self._waiting[0]
        echoed = line.ends(self._shown)
        self._shown = b""
        if echoed or not line.ahead:
            self._decide(echoed=echoed)

    def _key(self, byte: int) -> None:
        if self._escape or byte == _ESCAPE:
            self._in_escape(byte)
        elif byte in _ENTER:
            self._enter()
        elif byte in _ERASE:
            self._line.cut(max(0, len(self._line.typed) - 1))
        elif byte in _KILL:
            self._line.cut(0)
        elif byte == _WORD:
            kept = bytes(self._line.typed).rstrip().rpartition(b" ")
            self._line.cut(len(kept[0]) + len(kept[1]))
        elif byte >= 0x20:
            if not self._line.typed:
                self._line = _Line(self._screen.prompt())
                self._line.ahead = not self._answered
            if len(self._line.typed) < MAX_LINE:
                self._line.typed.append(byte)

    def _in_escape(self, byte: int) -> None:
        """Skip an arrow, a function key, the marks around a paste: ``ESC [ … letter`` or ``ESC letter``."""
        self._escape += bytes([byte])
        introduced = len(self._escape) == 2 and byte in b"[O"
        parameter = len(self._escape) > 2 and byte in b"0123456789;?" and len(self._escape) < 16
        if len(self._escape) > 1 and not introduced and not parameter:
            self._escape = b""

    def _enter(self) -> None:
        line, self._line = self._line, _Line(b"")
        if not line.typed:
            return
        line.prompt = line.prompt or self._screen.prompt()
        line.ahead = line.ahead or bool(self._waiting)
        self._screen.forget_prompt()
        self._answered = False
        if not self._waiting and (line.echoed or line.lost):
            self._judge(line, echoed=line.echoed)
        elif self._waiting_bytes + len(line.typed) > MAX_WAITING:
            line.cut(0)
        else:
            self._waiting.append(line)
            self._waiting_bytes += len(line.typed)

    def _decide(self, *, echoed: bool) -> None:
        line = self._waiting.popleft()
        self._waiting_bytes -= len(line.typed)
        self._judge(line, echoed=echoed)

    def _all_unseen(self) -> None:
        while self._waiting:
            self._decide(echoed=False)

    def _judge(self, line: _Line, *, echoed: bool) -> None:
        line.cut(0)
        if echoed:
            self._allowance, self._questions, self._unseen = 1, 0, 0
            return
        asked = bool(line.prompt) and not Screen.is_shell_prompt(line.prompt)
        if asked and self._questions < _QUESTIONS:
            self._questions += 1
            self._allowance = 0
            return
        if self._allowance:
            self._allowance = 0
            return
        self._unseen += 1
        self._on_unseen(self._unseen)

    def _forget(self) -> None:
        self._line.cut(0)
        self._escape = self._shown = b""
        while self._waiting:
            self._waiting.popleft().cut(0)
        self._waiting_bytes = 0
