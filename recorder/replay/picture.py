"""What a screen showed at a moment: made where it is drawn, given to a player."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Picture:
    """What the screen showed when a piece begins: its size, and the output that draws it on an empty one."""

    columns: int
    rows: int
    output: str

    def to_json(self) -> bytes:
        """It as one line, without the line's end."""
        return json.dumps({"columns": self.columns, "rows": self.rows, "output": self.output}).encode()

    @classmethod
    def from_json(cls, line: bytes) -> Self:
        """The picture that `to_json` told. Raises ValueError where it is none."""
        told = json.loads(line)
        try:
            return cls(int(told["columns"]), int(told["rows"]), str(told["output"]))
        except (KeyError, TypeError) as error:
            raise ValueError("this is no picture") from error
