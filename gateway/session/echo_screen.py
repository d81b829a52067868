"""A terminal's output, reduced to what the echo watch needs: its characters, its prompt, its screen."""

import re

_TAIL = 512
_SEQUENCE = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]+[0-~]|[0-Z\\^-~])"
)
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[PX^_][^\x1b]*\x1b?|[ -/]*)?\Z")
_MODE = re.compile(rb"\x1b\[\?([0-9;]{1,32})([hl])")
_MODE_START = re.compile(rb"\x1b(?:\[(?:\?[0-9;]{0,32})?)?\Z")
_ALTERNATE = {b"47", b"1047", b"1049"}
_CONTROLS = bytes(byte for byte in range(0x20) if byte != 0x0A) + b"\x7f"
_SHELL_ENDS = b"$#%>"


class Screen:
    """Follows output without keeping it: at most a few hundred bytes of the last line."""

    def __init__(self) -> None:
        """Start on an empty normal screen."""
        self._tail = b""
        self._mode_carry = b""
        self._text_carry = b""
        self.alternate = False

    def show(self, data: bytes) -> None:
        """Follow *data* for its prompt and its screen; cheap, whatever its length."""
        self._tail = (self._tail + data)[-_TAIL:] if len(data) < _TAIL else data[-_TAIL:]
        if self._mode_carry or b"\x1b" in data:
            seen = self._mode_carry + data
            for modes, switch in _MODE.findall(seen):
                if _ALTERNATE & set(modes.split(b";")):
                    self.alternate = switch == b"h"
            unfinished = _MODE_START.search(seen[-40:])
            self._mode_carry = unfinished[0] if unfinished else b""

    def text(self, data: bytes) -> bytes:
        """Return *data* without its control sequences (one may be split over calls), newlines kept."""
        whole = _SEQUENCE.sub(b"", self._text_carry + data)
        unfinished = _UNFINISHED.search(whole)
        self._text_carry = b""
        if unfinished is not None and len(unfinished[0]) <= _TAIL:
            self._text_carry = unfinished[0]
            whole = whole[: unfinished.start()]
        return whole.translate(None, _CONTROLS)

    def forget_prompt(self) -> None:
        """Begin a new answer: what stands before the cursor now is no longer a question."""
        self._tail = b""

    def prompt(self) -> bytes:
        """Return the visible text before the cursor, on its line, without the blanks after it."""
        line = self._tail.rpartition(b"\n")[2].rpartition(b"\r")[2]
        return _SEQUENCE.sub(b"", line).translate(None, _CONTROLS).rstrip()

    @staticmethod
    def is_shell_prompt(prompt: bytes) -> bool:
        """Tell whether *prompt* ends as those that wait for commands do, rather than for a secret."""
        return prompt[-1:] != b"" and prompt[-1:] in _SHELL_ENDS
