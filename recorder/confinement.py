"""A process that reads what devices sent, bounded for good."""

from __future__ import annotations

import os
import resource
from typing import Final

FILES: Final = 64


def confine(*, nice: int, cpu_seconds: int, memory_bytes: int, file_bytes: int = 0) -> None:
    """Let this process use so much and no more; what is over ends it, but for memory, which it is told is not there.

    Args:
        nice: How far it stands back.
        cpu_seconds: Processor time.
        memory_bytes: Address space.
        file_bytes: How large a file may become by it.
    """
    os.nice(nice)
    for what, most in (
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
