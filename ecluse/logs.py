"""The logs: one JSON object a line on standard error, secrets taken out, libraries' lines included.

Ids of hospital, session, person and device come from structlog's context variables, where whoever handles a session
or a request has bound them.
"""

import logging
import os
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from ecluse.redaction import redact

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
# Their chatter holds packets, SQL parameters or addresses with queries; at every level of ours only their warnings pass.
QUIET: Final = (
    "asyncssh",
    "uvicorn.access",
    "sqlalchemy",
    "aiosqlite",
    "alembic",
    "httpx",
    "httpcore",
    "asyncio",
)
SAID_SECONDS: Final = 60.0
MOST_SAID: Final = 256
PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""How syslog counts them: sd-daemon(3)."""


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send every log line of this process, structlog's and the standard library's, as JSON to *stream*.

    The system's journal is told each line's priority in front of it (``<4>``), for ``journalctl --priority``.

    Args:
        level: the least that is written, one of `LEVELS`.
        stream: standard error unless told.

    Raises ValueError for an unknown level.
    """
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is not one of {', '.join(LEVELS)}")
    target = sys.stderr if stream is None else stream
    structlog.configure(
        processors=[*_facts(), Repetitions(), *_rendering(target)],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_facts(), structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(target)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])
    for name in QUIET:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(max(LEVELS[level], logging.WARNING))


class Repetitions:
    """Leaves out warnings that were said in the same words a moment ago (a structlog processor).

    While a database is away, each task that asks it has the same to say at each try. What is left out is counted in
    the next line that is not.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Take seconds from *monotonic*."""
        self._monotonic = monotonic
        self._said: OrderedDict[str, list[float]] = OrderedDict()

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Return *event*, with how many were left out before it; raises DropEvent where it is left out itself."""
        if event["level"] != "warning":
            return event
        words = repr(sorted((key, str(value)) for key, value in event.items() if key != "timestamp"))
        now = self._monotonic()
        before = self._said.get(words)
        if before is not None and now - before[0] < SAID_SECONDS:
            before[1] += 1
            raise structlog.DropEvent
        self._said[words] = [now, 0]
        self._said.move_to_end(words)
        if len(self._said) > MOST_SAID:
            self._said.popitem(last=False)
        return event if before is None or not before[1] else {**event, "repeated": int(before[1])}


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take out of a log event what must not be said (a structlog processor; nothing may run after it but a renderer)."""
    clean: dict[str, Any] = redact(event)
    return clean


def _facts() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _rendering(target: TextIO) -> list[Processor]:
    # ASCII only, so that no control character of a hostile name reaches the terminal of whoever reads.
    renderer = structlog.processors.JSONRenderer(ensure_ascii=True)
    return [
        structlog.processors.StackInfoRenderer(),
        # Without the frames' local variables, which hold what a function was given.
        structlog.processors.format_exc_info,
        redact_event,
        _with_priority(renderer) if _is_journal(target) else renderer,
    ]


def _is_journal(target: TextIO) -> bool:
    """Tell whether *target* is the connection to the system's journal that systemd made for this process."""
    try:
        told = os.fstat(target.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{told.st_dev}:{told.st_ino}"


def _with_priority(renderer: structlog.processors.JSONRenderer) -> Processor:
    def render(logger: WrappedLogger, method: str, event: EventDict) -> str:
        priority = PRIORITIES[event["level"]]
        return f"<{priority}>{renderer(logger, method, event)!s}"

    return render
