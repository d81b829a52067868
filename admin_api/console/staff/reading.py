"""Reading a trace: a reason and a fresh code, in the journal before anything is shown."""

import asyncio
from urllib.parse import quote

from starlette.datastructures import FormData
from starlette.responses import Response

from admin_api.console.caller import text
from admin_api.console.errors import ReasonWanted
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.screens import REPLAYERS, Screens
from admin_api.console.staff.sessions import of_catalog
from admin_api.console.staff.trace import recorded, trace_key
from admin_api.console.staff.view import go, page
from admin_api.evidence import attempted, note_reading
from admin_api.live.watching import open_live
from policy.domain.console_sessions import Reading
from policy.errors import NotFound
from policy.services import inputs
from recorder.errors import ReaderKeyLocked, RecorderError
from recorder.store.catalog import CatalogedSession

screens = Screens()


@screens.get("/console/sessions/{session_id}/read", roles=REPLAYERS)
async def ask(caller: StaffCaller) -> Response:
    """Ask why the trace is to be read."""
    found = await recorded(caller, caller.path("session_id"))
    moment = caller.kept.get("t") or caller.query("t", longest=16)
    locked: tuple[str, ...] = ()
    try:
        await _try_key(caller, found)
    except ReaderKeyLocked as error:
        locked = error.names
    except (RecorderError, NotFound):  # it is told, and journalled, once she has said why
        pass
    return await page(caller, "staff/read.html", row=of_catalog(found), moment=moment, locked=locked)


@screens.post("/console/sessions/{session_id}/read", roles=REPLAYERS, fresh=True)
async def begin(caller: StaffCaller, form: FormData) -> Response:
    """Let the trace be read in this session of the console, and say so in the journal first.

    Where no key opens it nobody reads it: the journal says that, and there is nothing to be let into.
    """
    session_id = caller.path("session_id")
    reason = inputs.line(text(form, "reason"), "reason", longest=500)
    found = await recorded(caller, session_id)
    shown = "replay" if found.closing is not None else "live"
    async with attempted(caller.context, caller.principal, found.header, reason, shown):
        await _try_key(caller, found)
    await note_reading(caller.context, caller.principal, found.header, reason, shown)
    await caller.context.services.console_sessions.read(caller.who, session_id, reason)
    if found.closing is None:
        return go(f"/console/sessions/{session_id}/live")
    moment = text(form, "t", longest=16)
    return go(f"/console/sessions/{session_id}/replay{f'?t={quote(moment)}' if moment else ''}")


async def _try_key(caller: StaffCaller, session: CatalogedSession) -> None:
    await asyncio.to_thread(
        open_live if session.closing is None else trace_key, caller.context, session.header
    )


async def granted(caller: StaffCaller, session_id: str) -> Reading:
    """Return why the caller may read that trace; raises ReasonWanted where she has not said so in this session."""
    found = await caller.context.services.console_sessions.reading(caller.who, session_id)
    if found is None:
        raise ReasonWanted(session_id, caller.query("t", longest=16))
    return found
