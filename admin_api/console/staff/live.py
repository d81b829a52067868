"""A live session in the browser: the page, its tickets, and the WebSocket that the player reads.

The WebSocket is opened by the console's cookie, from the console's own page (Origin), with a ticket of that page that is
good once; it is offered as a subprotocol, since addresses are written into logs. It is asked again every second whether it
may go on.
"""

import asyncio
import json
import time
from dataclasses import asdict
from typing import Any, Final

import structlog
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.reading import granted
from admin_api.console.staff.screens import REPLAYERS, STOPPERS, Screens
from admin_api.console.staff.sessions import of_catalog
from admin_api.console.staff.view import PLAYER_POLICY, go, page
from admin_api.console.staff.words import say
from admin_api.deps import Context
from admin_api.live import alis
from admin_api.live.follow import Follower, Happened, Listed, Over, Screen, Shown
from admin_api.live.watching import live_session, watch
from policy.domain.console_sessions import Reading
from policy.errors import AuthenticationFailed, Conflict, PolicyError
from recorder.errors import JournalBroken, TraceSealed

screens = Screens()
PATH: Final = "/console/sessions/{session_id}/live/stream"
SPEED: Final = 8.0
_TICKET: Final = "ticket."
_SENDING_SECONDS: Final = 10.0
"""How long a viewer may take for one message before she counts as gone."""
_OVER: Final = 4000
_REFUSED: Final = 4003
_POLICY_VIOLATION: Final = 1008
_LONGEST_WORD: Final = 120

log = structlog.get_logger()


@screens.get("/console/sessions/{session_id}/live", roles=REPLAYERS)
async def show(caller: StaffCaller) -> Response:
    """Show the page on which a session is followed while it lasts."""
    session_id = caller.path("session_id")
    reading = await granted(caller, session_id)
    try:
        found = await live_session(caller.context, caller.principal, session_id)
    except Conflict:
        return go(f"/console/sessions/{session_id}/replay")
    return await page(
        caller,
        "staff/live.html",
        policy=PLAYER_POLICY,
        row=of_catalog(found),
        reading=reading,
        start=caller.query("from") == "start",
        may_stop=not STOPPERS.isdisjoint(caller.roles),
    )


@screens.post("/console/sessions/{session_id}/live/ticket", roles=REPLAYERS)
async def give_ticket(caller: StaffCaller, _form: FormData) -> Response:
    """Give the page a ticket, good once within a short time."""
    session_id = caller.path("session_id")
    await granted(caller, session_id)
    given = caller.context.tickets.give(caller.who.session.id, session_id, caller.context.clock.now())
    return JSONResponse({"ticket": given})


def stream_route(context: Context) -> WebSocketRoute:
    """Return the route of the WebSocket."""

    async def served(websocket: WebSocket) -> None:
        try:
            await _serve(websocket, context)
        except WebSocketDisconnect:
            return

    return WebSocketRoute(PATH, served)


async def _serve(websocket: WebSocket, context: Context) -> None:
    session_id = str(websocket.path_params["session_id"])
    # a WebSocket begins as a request like any other, and its caller is judged as one
    request = Request({**websocket.scope, "type": "http", "method": "GET"})
    caller = await StaffCaller.arrive(request, context)
    reading = await _reading(websocket, caller, session_id)
    if reading is None:
        await websocket.close(_POLICY_VIOLATION)
        return
    await websocket.accept(subprotocol=alis.PROTOCOL)
    now = context.clock.now()
    if not context.tickets.take(_ticket(websocket), caller.who.session.id, session_id, now):
        await _close(websocket, _REFUSED, say("live.ticket", caller.language))
        return
    try:
        follower = await _follower(caller, session_id, reading)
        with context.viewers.one_more():
            await _until_gone(websocket, caller, follower)
    except Conflict:
        await _close(websocket, _REFUSED, say("live.full", caller.language))
    except TraceSealed:
        await _close(websocket, _REFUSED, say("live.end.locked", caller.language))
    except (PolicyError, JournalBroken) as refused:
        log.warning("live.refused", error=type(refused).__name__)
        await _close(websocket, _REFUSED, say("live.end.unavailable", caller.language))


def _ticket(websocket: WebSocket) -> str:
    """Return the ticket that the page shows, or nothing."""
    offered = websocket.scope.get("subprotocols", [])
    return next((one.removeprefix(_TICKET) for one in offered if one.startswith(_TICKET)), "")


async def _reading(websocket: WebSocket, caller: StaffCaller, session_id: str) -> Reading | None:
    """Return why the caller may read the trace; None where she may not, or another page than ours asks."""
    headers = websocket.headers
    ours = headers.get("origin") == f"https://{headers.get('host')}"
    offered = websocket.scope.get("subprotocols", [])
    if not ours or alis.PROTOCOL not in offered or caller.visitor is None:
        return None
    if REPLAYERS.isdisjoint(caller.roles):
        return None
    return await caller.context.services.console_sessions.reading(caller.visitor, session_id)


async def _follower(caller: StaffCaller, session_id: str, reading: Reading) -> Follower:
    context, shown = caller.context, caller.visit
    session = await live_session(context, caller.principal, session_id)

    async def may() -> str | None:
        service = context.services.console_sessions
        try:
            if shown is None:
                return "signed_out"
            visitor = await service.authenticate(shown)
        except AuthenticationFailed:
            return "signed_out"
        return None if await service.reading(visitor, session_id) is not None else "forbidden"

    channel = caller.query("channel", longest=10)
    return await watch(
        context,
        caller.principal,
        session,
        may,
        reason=reading.reason,
        language=caller.language,
        channel=int(channel) if channel.isascii() and channel.isdigit() else None,
        speed=SPEED if caller.query("from") == "start" else None,
    )


async def _until_gone(websocket: WebSocket, caller: StaffCaller, follower: Follower) -> None:
    """Send until the session, the viewer's right or her connection ends."""
    gone = asyncio.ensure_future(_gone(websocket))
    sent = asyncio.ensure_future(_send(websocket, caller, follower))
    try:
        await asyncio.wait({gone, sent}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (gone, sent):
            task.cancel()
        await asyncio.gather(gone, sent, return_exceptions=True)
    if sent.done() and not sent.cancelled() and (error := sent.exception()) is not None:
        if not isinstance(error, (TimeoutError, WebSocketDisconnect)):
            raise error
        log.info("live.viewer_gone", error=type(error).__name__)


async def _gone(websocket: WebSocket) -> None:
    """Return once the viewer has left; whatever she says is passed over."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


async def _send(websocket: WebSocket, caller: StaffCaller, follower: Follower) -> None:
    stream, begun = alis.Stream(), time.monotonic()
    await websocket.send_bytes(alis.MAGIC)
    shown = follower.shown()
    try:
        async for one in shown:
            at_us = int((time.monotonic() - begun) * 1_000_000)
            async with asyncio.timeout(_SENDING_SECONDS):
                if isinstance(one, Over):
                    await websocket.send_bytes(alis.END)
                    why = one.sentence or say(f"live.end.{one.why}", caller.language)
                    await websocket.send_text(json.dumps({"type": "end", "why": one.why, "sentence": why}))
                    # the player writes this over the picture in capitals; the page has the whole sentence below it
                    await _close(websocket, _OVER, say("live.ended", caller.language))
                    return
                if isinstance(one, Happened):
                    await websocket.send_bytes(stream.happened(one, at_us))
                    continue
                if isinstance(one, Screen):
                    await websocket.send_bytes(stream.screen(one, at_us))
                await websocket.send_text(json.dumps(_told(one)))
    finally:
        await shown.aclose()


def _told(one: Shown) -> dict[str, Any]:
    """What the page is told beside the player."""
    match one:
        case Screen():
            return {"type": "screen", "skipped": one.skipped, "channel": one.channel}
        case Listed():
            return {
                "type": "channels",
                "channels": [asdict(each) for each in one.channels],
                "shown": one.shown,
            }
        case Happened() | Over():
            raise TypeError("this is the player's")
        case _:
            return {"type": one.what}


async def _close(websocket: WebSocket, code: int, why: str) -> None:
    """Close with a reason that fits into a close frame (123 bytes)."""
    await websocket.close(code, why.encode()[:_LONGEST_WORD].decode(errors="ignore"))
