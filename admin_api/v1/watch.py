"""A live session, followed: lines of JSON as long as it lasts. Watching takes what reading a trace takes, and a fresh code."""

import asyncio
import json
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import StreamingResponse

from admin_api.deps import Context, Ctx, Spoken, Who, source_of
from admin_api.errors import Unauthenticated
from admin_api.live.follow import Follower, Happened, Listed, Noted, Over, Screen, Shown
from admin_api.live.watching import live_session, watch
from admin_api.security.permissions import REPLAYING, GuardedRoute
from admin_api.security.tokens import authenticate
from admin_api.v1.schemas.base import Input, Text, example
from policy.domain.people import Role

router = APIRouter(tags=["sessions"], route_class=GuardedRoute)

_CODES = {"o": "output", "r": "size", "m": "mark"}


class Since(StrEnum):
    """From when a session is followed."""

    NOW = "now"
    START = "start"


class WatchIn(Input):
    """Why a session is watched, a fresh code of one's own, and what is shown of it."""

    model_config = example(reason="Appel du service", code="492039", since="now")

    reason: Annotated[Text, Field(min_length=3)]
    code: Annotated[str, Field(max_length=32)]
    since: Since = Field(
        default=Since.NOW, description="`start`: what came before is played first, faster than it was."
    )
    speed: float = Field(default=8.0, ge=1.0, le=64.0, description="How many times faster.")
    channel: Annotated[int, Field(ge=1, le=2**31)] | None = Field(
        default=None, description="Unset: the newest terminal, and on to the next where that ends."
    )


@router.post("/sessions/{session_id}/watch", openapi_extra=REPLAYING, response_class=StreamingResponse)
async def watch_session(
    request: Request, context: Ctx, who: Who, spoken: Spoken, session_id: str, body: WatchIn
) -> StreamingResponse:
    """Follow a live session as JSON lines, at most two seconds behind. Output is the device's own: never print it as it is.

    The types of lines: `channels`, `screen` (all that is shown now), `output`, `size`, `mark`, `live` (from here on it
    is now), `waiting` and `back` (the trace store), `beat`, and last `end` with its `why`.
    """
    session = await live_session(context, who, session_id)
    await context.readers.prove(who, body.code, source_of(request))
    authorization = request.headers.get("authorization")

    async def may() -> str | None:
        try:
            now = await authenticate(context.services.tokens, authorization, context.settings.hospital_id)
        except Unauthenticated:
            return "signed_out"
        return None if Role.SECURITY in now.roles else "forbidden"

    follower = await watch(
        context,
        who,
        session,
        may,
        reason=body.reason,
        language=spoken,
        channel=body.channel,
        speed=body.speed if body.since is Since.START else None,
    )
    return StreamingResponse(_lines(context, follower), media_type="application/x-ndjson")


async def _lines(context: Context, follower: Follower) -> AsyncIterator[str]:
    with context.viewers.one_more():
        shown = follower.shown()
        try:
            async for one in shown:
                yield json.dumps(_line(one)) + "\n"
                await asyncio.sleep(0)
        finally:
            await shown.aclose()


def _line(one: Shown) -> dict[str, Any]:
    match one:
        case Screen(picture=picture):
            return {
                "type": "screen",
                "columns": picture.columns,
                "rows": picture.rows,
                "output": picture.output,
                "channel": one.channel,
                "skipped": one.skipped,
            }
        case Happened():
            return {"type": _CODES[one.code], "at": one.at_us / 1_000_000, "data": one.data}
        case Listed():
            listed = [
                {
                    "number": each.number,
                    "request": each.request,
                    "command": each.command,
                    "terminal": each.terminal,
                    "open": each.open,
                }
                for each in one.channels
            ]
            return {"type": "channels", "channels": listed, "shown": one.shown}
        case Noted():
            return {"type": one.what}
        case Over():
            return {"type": "end", "why": one.why, "sentence": one.sentence}
