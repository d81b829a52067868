"""The logs: one JSON object a line on standard error, secrets taken out, libraries' lines included.

Ids of hospital, session, person and device come from structlog's context variables, where whoever handles a session
or a request has bound them.
"""

import logging
import sys
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


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send every log line of this process, structlog's and the standard library's, as JSON to *stream*.

    Args:
        level: the least that is written, one of `LEVELS`.
        stream: standard error unless told.

    Raises ValueError for an unknown level.
    """
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is not one of {', '.join(LEVELS)}")
    target = sys.stderr if stream is None else stream
    structlog.configure(
        processors=[*_facts(), *_rendering()],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_facts(), structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering()],
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


def _rendering() -> list[Processor]:
    return [
        structlog.processors.StackInfoRenderer(),
        # Without the frames' local variables, which hold what a function was given.
        structlog.processors.format_exc_info,
        redact_event,
        # ASCII only, so that no control character of a hostile name reaches the terminal of whoever reads.
        structlog.processors.JSONRenderer(ensure_ascii=True),
    ]
