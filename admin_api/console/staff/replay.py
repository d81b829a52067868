"""Replay in the browser: the player, what it plays, the marks and files beside it, the transcript, the download."""

import asyncio
import gzip
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import zstandard
from starlette.concurrency import iterate_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import Response, StreamingResponse

from admin_api.console.caller import text
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.reading import granted
from admin_api.console.staff.recordings import PictureMissing, Prepared, Readers
from admin_api.console.staff.screens import REPLAYERS, Screens
from admin_api.console.staff.sessions import of_catalog
from admin_api.console.staff.trace import cataloged, narrator, open_ones, opened, trace_key
from admin_api.console.staff.view import PLAYER_POLICY, page
from admin_api.deps import Context
from admin_api.evidence import attempted, note_reading
from admin_api.narration import Narrator
from policy.errors import NotFound
from policy.services import inputs
from recorder.errors import TraceFormatError
from recorder.replay import asciicast, transcript
from recorder.replay.cache import ReplayCache
from recorder.replay.outline import Mark, MarkKind, Outline, Transfer
from recorder.replay.picture import Picture
from recorder.replay.pieces import Recording, RecordingTooLong, cut
from recorder.replay.reader import TraceReader
from recorder.store.catalog import CatalogedSession

screens = Screens()
_AT_ONCE_SECONDS: Final = 0.2
"""How long the page waits for marks and files; what takes longer comes after it."""
_LOOK_SECONDS: Final = 1.0
_PICTURE_LOOKS: Final = 25
"""How long a piece's picture is waited for, and how often it is asked meanwhile whether she may still have it."""
_SHOWN: Final = 400
"""Marks and files beside the player; the transcript has them all."""
_DIGEST: Final = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
"""A SHA-256: beside the player its beginning will do, and the whole one stands with the file."""
_AS_TEXT: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A mark beside the player: seconds since the opening; *brief* is its text with a digest by its beginning."""

    at: float
    kind: str
    text: str
    brief: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file beside the player; what it quotes is hostile."""

    at: float
    op: str
    path: str
    size: int | None
    sha256: str | None
    result: str | None


@screens.get("/console/sessions/{session_id}/replay", roles=REPLAYERS)
async def show(caller: StaffCaller) -> Response:
    """Show the player. ``?t=`` is where it begins, in seconds since the session opened."""
    session_id = caller.path("session_id")
    reading = await granted(caller, session_id)
    found = await cataloged(caller, session_id)
    # whether a key opens it is said here, however busy the machine is: a player that fails later can say nothing of it
    await asyncio.to_thread(trace_key, caller.context, found.header)
    work = asyncio.ensure_future(_prepared(caller, found))
    with suppress(TimeoutError, RecordingTooLong):
        async with asyncio.timeout(_AT_ONCE_SECONDS):
            await asyncio.shield(work)
    work.add_done_callback(_looked_at)
    beside = _beside(caller, work.result()) if work.done() and work.exception() is None else None
    return await page(
        caller,
        "staff/replay.html",
        policy=PLAYER_POLICY,
        row=of_catalog(found),
        reading=reading,
        start=_seconds(caller.query("t", longest=16)),
        beside=beside,
        too_long=work.done() and isinstance(work.exception(), RecordingTooLong),
    )


@screens.get("/console/sessions/{session_id}/replay/beside", roles=REPLAYERS)
async def show_beside(caller: StaffCaller) -> Response:
    """Give the marks and files beside the player, once they are known."""
    session_id = caller.path("session_id")
    await granted(caller, session_id)
    found = await cataloged(caller, session_id)
    beside = _beside(caller, await _prepared(caller, found))
    return await page(caller, "staff/replay_beside.html", row=of_catalog(found), beside=beside)


@screens.get("/console/sessions/{session_id}/replay/index.json", roles=REPLAYERS)
async def index(caller: StaffCaller) -> Response:
    """Give the player its index."""
    session_id = caller.path("session_id")
    await granted(caller, session_id)
    made = await _prepared(caller, await cataloged(caller, session_id))
    told = await asyncio.to_thread(made.recording.index, narrator(caller), short=_short(caller))
    return await _packed(caller, json.dumps(told).encode())


@screens.get("/console/sessions/{session_id}/replay/pauses.json", roles=REPLAYERS)
async def pauses(caller: StaffCaller) -> Response:
    """Tell where pauses end and how much is cut until there, both in seconds, so that a moment can be found in both times."""
    session_id = caller.path("session_id")
    await granted(caller, session_id)
    made = await _prepared(caller, await cataloged(caller, session_id))
    return await _packed(caller, json.dumps({"cuts": made.recording.outline.cuts()}).encode())


@screens.get("/console/sessions/{session_id}/replay/{number:int}.json", roles=REPLAYERS)
async def piece(caller: StaffCaller) -> Response:
    """Give the player one piece of the recording."""
    session_id, number = caller.path("session_id"), int(caller.path("number"))
    await granted(caller, session_id)
    found = await cataloged(caller, session_id)
    made, picture = await _prepared(caller, found), None
    try:
        for _ in range(_PICTURE_LOOKS):
            with suppress(TimeoutError):
                picture = await made.picture(number, _LOOK_SECONDS)
                break
            # a key that is locked while she waits is told now, and not after what was being drawn
            made = await _prepared(caller, found)
        if picture is None:
            return Response(status_code=503, headers={"Retry-After": "5"})
        body = await asyncio.to_thread(
            made.recording.piece, number, picture, narrator(caller), short=_short(caller)
        )
    except IndexError as missing:
        raise NotFound("piece", str(number)) from missing
    except PictureMissing:
        return Response(status_code=503, headers={"Retry-After": "5"})
    except TraceFormatError:  # what was cut before is damaged: the player asks again, and it is cut anew
        caller.context.recordings.let_go(made)
        if (replays := _replays(caller.context)) is not None:
            await asyncio.to_thread(replays.forget, caller.hospital_id, [session_id])
        return Response(status_code=503, headers={"Retry-After": "1"})
    return await _packed(caller, body)


@screens.get("/console/sessions/{session_id}/transcript", roles=REPLAYERS)
async def read_transcript(caller: StaffCaller) -> Response:
    """Give the trace as plain text, in which no control sequence is left."""
    session_id = caller.path("session_id")
    await granted(caller, session_id)
    found, teller = await cataloged(caller, session_id), narrator(caller)
    lines = await asyncio.to_thread(
        _begun, _lines(caller, found, lambda reader: transcript.render(reader, teller=teller))
    )
    return StreamingResponse(
        iterate_in_threadpool(lines), media_type="text/plain; charset=utf-8", headers=_AS_TEXT
    )


@screens.post("/console/sessions/{session_id}/download", roles=REPLAYERS, fresh=True)
async def download(caller: StaffCaller, form: FormData) -> Response:
    """Give the trace as asciicast v3, for players elsewhere; its own reason is in the journal first."""
    session_id = caller.path("session_id")
    await granted(caller, session_id)
    reason = inputs.line(text(form, "reason"), "reason", longest=500)
    found, teller = await cataloged(caller, session_id), narrator(caller)
    async with attempted(caller.context, caller.principal, found.header, reason, "download"):
        lines = await asyncio.to_thread(
            _begun, _lines(caller, found, lambda reader: asciicast.export(reader, teller=teller))
        )
    await note_reading(caller.context, caller.principal, found.header, reason, "download")
    headers = {"Content-Disposition": f'attachment; filename="{found.header.session_id}.cast"', **_AS_TEXT}
    return StreamingResponse(
        iterate_in_threadpool(lines), media_type="application/x-asciicast", headers=headers
    )


@screens.get("/console/sessions/{session_id}/download", roles=REPLAYERS)
async def ask_to_download(caller: StaffCaller) -> Response:
    """Ask why the trace is to leave the console."""
    session_id = caller.path("session_id")
    reading = await granted(caller, session_id)
    found = await cataloged(caller, session_id)
    caller.kept = caller.kept or {"reason": reading.reason}
    return await page(caller, "staff/download.html", row=of_catalog(found))


async def _prepared(caller: StaffCaller, found: CatalogedSession) -> Prepared:
    header, closing = found.header, found.closing
    digest = closing.manifest_sha256 if closing is not None else ""
    context, replays = caller.context, _replays(caller.context)

    def made() -> tuple[Recording, Readers]:
        keys = context.reader_keys
        if replays is not None:
            kept = replays.load(header, digest, trace_key(context, header, keys))
            if kept is not None:
                return kept, open_ones(keys)
        with opened(context, found, keys) as reader:
            return cut(reader), open_ones(keys)

    def drawn(recording: Recording, pictures: Sequence[Picture]) -> None:
        if replays is not None:
            replays.keep(header, digest, trace_key(context, header), recording, pictures)

    def readers() -> Readers:
        return open_ones(context.reader_keys)

    return await context.recordings.get(f"{header.session_id} {digest}", made, readers, drawn)


def _replays(context: Context) -> ReplayCache | None:
    return None if context.search is None else context.search.replays


def _beside(caller: StaffCaller, made: Prepared) -> dict[str, Any]:
    outline, teller = made.recording.outline, narrator(caller)
    return {
        "moments": [_moment(mark, teller) for mark in outline.marks[:_SHOWN]],
        "files": [_file(one) for one in outline.transfers[:_SHOWN]],
        "more": max(0, len(outline.marks) - _SHOWN) + outline.untold,
        "duration": outline.duration_us / 1_000_000,
        "size": outline.size,
        "counts": _counts(outline),
    }


def _counts(outline: Outline) -> dict[str, int]:
    wanted = (MarkKind.COMMAND, MarkKind.FILE, MarkKind.WARNING, MarkKind.REFUSED, MarkKind.UNSEEN)
    found = {kind.value: sum(mark.kind is kind for mark in outline.marks) for kind in wanted}
    return {name: count for name, count in found.items() if count}


def _moment(mark: Mark, teller: Narrator) -> Moment:
    text = mark.told(teller)
    brief = _DIGEST.sub(r"\1…", text)
    return Moment(at=mark.at_us / 1_000_000, kind=mark.kind.value, text=text, brief=brief)


def _file(one: Transfer) -> File:
    size = one.facts.get("size")
    return File(
        at=one.at_us / 1_000_000,
        op=str(one.facts.get("op", "")),
        path=str(one.facts.get("path", "")),
        size=size if isinstance(size, int) else None,
        sha256=_word(one.facts.get("sha256")),
        result=_word(one.facts.get("result")),
    )


def _word(value: object) -> str | None:
    return None if value is None else str(value)


def _short(caller: StaffCaller) -> bool:
    return caller.query("pauses") == "short"


def _seconds(typed: str) -> float:
    try:
        found = float(typed)
    except ValueError:
        return 0.0
    return found if 0 <= found < 10**8 else 0.0


async def _packed(caller: StaffCaller, body: bytes) -> Response:
    """Return JSON as small as the browser reads it: pieces have megabytes."""
    accepted = caller.request.headers.get("accept-encoding", "")
    headers = {"Vary": "Accept-Encoding"}
    if "zstd" in accepted:
        headers["Content-Encoding"] = "zstd"
        body = await asyncio.to_thread(zstandard.ZstdCompressor(level=1).compress, body)
    elif "gzip" in accepted:
        headers["Content-Encoding"] = "gzip"
        body = await asyncio.to_thread(gzip.compress, body, 1)
    return Response(body, media_type="application/json", headers=headers)


def _lines(
    caller: StaffCaller, found: CatalogedSession, render: Callable[[TraceReader], Iterator[str]]
) -> Iterator[str]:
    with opened(caller.context, found) as reader:
        for line in render(reader):
            yield f"{line}\n"


def _begun(lines: Iterator[str]) -> Iterator[str]:
    """Return the lines, the first of which is read already: what cannot be read at all is refused, not cut off."""
    first = next(lines, None)
    return chain([first] if first is not None else [], lines)


def _looked_at(work: "asyncio.Future[Prepared]") -> None:
    """Take note of how the work ended, whoever asked: the next one to ask is told."""
    if not work.cancelled():
        work.exception()
