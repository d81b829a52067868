"""The keys of whoever watches, one at a time, where there is a terminal to press them in."""

import os
import select
import termios
import time
import tty
from types import TracebackType
from typing import Any, Self, TextIO

_ARROWS = {b"\x1b[C": "right", b"\x1bOC": "right"}
_LONGEST = 32


class Keyboard:
    """Reads single keys without echo while its block lasts; without a terminal no key ever comes."""

    def __init__(self, stream: TextIO) -> None:
        """Read from *stream*, where it is a terminal."""
        self._descriptor = stream.fileno() if _is_terminal(stream) else None
        self._before: list[Any] | None = None

    @property
    def there(self) -> bool:
        """Whether there is a terminal whose keys can be pressed."""
        return self._descriptor is not None

    def __enter__(self) -> Self:
        """Hand over each key as it is pressed; Ctrl-C stays Ctrl-C."""
        if self._descriptor is not None:
            self._before = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the terminal back as it was, and drop keys nobody read: they were not meant for the shell."""
        if self._descriptor is not None and self._before is not None:
            termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, self._before)

    def read(self, seconds: float | None) -> str | None:
        """Wait at most *seconds* (None: for ever) and return the key pressed: a character, ``right``, or None."""
        if self._descriptor is None:
            time.sleep(seconds or 0.0)
            return None
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        if not ready:
            return None
        # an arrow comes as one burst of bytes
        pressed = os.read(self._descriptor, _LONGEST)
        if not pressed:
            self._descriptor = None
            return "q"
        return _ARROWS.get(pressed, pressed[:1].decode("ascii", "replace"))


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False
