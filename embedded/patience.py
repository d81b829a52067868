"""How long an answer is waited for, counted while somebody listens for it.

A loop that ends a thousand sessions at once, or whose machine gives it no turn, hears nothing meanwhile: a database that
answered in a millisecond would count as one that does not, and raise an alarm that sends people to the wrong machine.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy.exc import (
    CompileError,
    DataError,
    DBAPIError,
    IntegrityError,
    ProgrammingError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as NoneFree

_STEPS: Final = 20
_LONGEST: Final = 5
"""However busy the loop is, nobody waits longer than this many times what she would."""


@asynccontextmanager
async def patience(seconds: float) -> AsyncIterator[None]:
    """Run the block for *seconds* at most, of which no more than a twentieth is counted at a time.

    What passes while the loop does something else, or is stopped, is not counted; five times *seconds* end it all the
    same. Raises TimeoutError where the block was not done by then.
    """
    loop = asyncio.get_running_loop()
    step = seconds / _STEPS
    end = loop.time() + _LONGEST * seconds
    steps = 0
    turn: asyncio.TimerHandle

    def count() -> None:
        nonlocal steps, turn
        steps += 1
        now = loop.time()
        if steps < _STEPS and now < end:
            turn = loop.call_at(now + step, count)
        else:
            limit.reschedule(now)

    turn = loop.call_later(step, count)
    try:
        async with asyncio.timeout(None) as limit:
            yield
    finally:
        turn.cancel()


_REFUSALS: Final = ("22", "23", "42")
"""Classes of SQLSTATE: a value that is none, a constraint, a statement or a right."""


def refuses(error: BaseException) -> bool:
    """Tell whether a database that is there refused a question: the question, the rights or the schema are wrong.

    What may be over by itself is none: a connection that broke, a lock, a full disk, a server that only reads for now.
    """
    if not isinstance(error, DBAPIError):
        return isinstance(error, (StatementError, CompileError))
    if error.connection_invalidated:
        return False
    if isinstance(error, (ProgrammingError, IntegrityError, DataError)):
        return True
    state = getattr(error.orig, "sqlstate", None) or ""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return (
        state[:2] in _REFUSALS or code == sqlite3.SQLITE_ERROR
    )  # "no such table" is an operational error there


def failure(error: Exception, since: float) -> str:
    """Return what a database did that failed with *error* a question begun *since* (of ``time.monotonic``), and what to check.

    A predicate, for whoever names the database. One that is silent is told apart: nothing says that it cannot be used; and
    one that answers, and refuses: nobody need look at its server, nor at the network.
    """
    cause = getattr(error, "orig", None) or error
    if refuses(error):
        return f"answers, and refuses what this program asks of it: {type(cause.__cause__ or cause).__name__}"
    if not isinstance(cause, (TimeoutError, NoneFree)):
        return f"cannot be used: {type(cause).__name__}"
    waited = max(1, round(time.monotonic() - since))
    return (
        f"did not answer within {waited} s: check that its server runs, that the network leads there, "
        "and that nothing keeps it locked"
    )
