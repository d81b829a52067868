"""What a worker is told of the trace that it renders: apart from the worker, which reads what devices sent and is loaded nowhere else."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One trace to render.

    Attributes:
        folder: Where it lies.
        key: Its data key in hexadecimal; None for one that is not sealed.
        cpu_seconds: Processor time that it may use.
        memory_bytes: Address space that it may use.
        text_bytes: Text that it may give.
    """

    folder: str
    key: str | None
    cpu_seconds: int
    memory_bytes: int
    text_bytes: int

    def to_json(self) -> bytes:
        """One line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"
