"""The last of what one channel showed: enough to draw its screen for who comes late, bounded whatever it was."""

import json
from collections import deque
from typing import Any, Final

from recorder.replay.picture import Picture

MOST: Final = 1 << 20
"""Characters kept. A screen is drawn out of these: what stands on it from before is missing from the picture."""
_EVENT: Final = 16


class Tape:
    """Output and sizes, the oldest let go of first. It begins with a picture, or with an empty screen."""

    def __init__(self, columns: int, rows: int) -> None:
        """Begin with an empty screen of that size."""
        self.columns = columns
        self.rows = rows
        self._first = (columns, rows)
        self._kept: deque[tuple[str, Any]] = deque()
        self._size = 0

    def add(self, code: str, data: str) -> None:
        """Take ``o`` with output, or ``r`` with ``COLUMNSxROWS``."""
        if code == "r":
            columns, _, rows = data.partition("x")
            self.columns, self.rows = int(columns), int(rows)
            self._keep("r", data, _EVENT)
        elif code == "o":
            for start in range(0, len(data), MOST // 4):
                part = data[start : start + MOST // 4]
                self._keep("o", part, len(part) + _EVENT)

    def restart(self, picture: Picture) -> None:
        """Begin again with what was drawn."""
        self._kept.clear()
        self._size = 0
        self.columns, self.rows = self._first = (picture.columns, picture.rows)
        self.add("o", picture.output)

    @property
    def first(self) -> tuple[int, int]:
        """Columns and rows of the screen that it begins on."""
        return self._first

    def happened(self) -> bytes:
        """What is on it, as the artist takes it."""
        return json.dumps([[0, code, data] for code, data in self._kept]).encode()

    def _keep(self, code: str, data: Any, size: int) -> None:
        self._kept.append((code, data))
        self._size += size
        while self._size > MOST:
            gone, what = self._kept.popleft()
            if gone == "r":
                columns, _, rows = what.partition("x")
                self._first = (int(columns), int(rows))
                self._size -= _EVENT
            else:
                self._size -= len(what) + _EVENT
