"""``ecluse search``: what was on screen, commands, files and findings, over every trace."""

import sys
import time
from typing import Annotated, Any

import typer

from ecluse.client import Json
from ecluse.desk import AsJson, Desk
from ecluse.tables import Column, whole

POLL_SECONDS = 1.0
REBUILD = "rebuild"
STATE = "state"


def register(root: typer.Typer) -> None:
    """Add the command to *root*."""
    root.command(
        "search", epilog='Example: ecluse search \'"rm -rf"\' --device scan01 --reason "Enquête 2026-17"'
    )(search)


def search(
    context: typer.Context,
    query: Annotated[
        list[str],
        typer.Argument(
            help='Words, "phrases", prefix*, kind:file; or rebuild: make the index anew; or state: how far it has come.'
        ),
    ],
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why it is searched: the journal keeps it.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="Only on this device.")] = None,
    person: Annotated[str | None, typer.Option(help="Only this person's sessions.")] = None,
    supplier: Annotated[str | None, typer.Option(help="Only this supplier's people.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only screen, command, file, finding or session.")] = None,
    since: Annotated[str | None, typer.Option(metavar="INSTANT", help="On the hospital's clock.")] = None,
    until: Annotated[str | None, typer.Option(metavar="INSTANT", help="On the hospital's clock.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10000, help="At most this many hits.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Find what was on screen, commands, files and digests, findings; each hit says where its replay opens.

    All words must stand within one passage of some twenty lines. To look for the words rebuild or state, quote them.
    """
    desk = Desk.of(context, as_json)
    if query == [REBUILD]:
        rebuild(desk)
        return
    if query == [STATE]:
        _show_state(desk, desk.client.get("/v1/search/standing"))
        return
    if reason is None and sys.stdin.isatty():
        reason = desk.ask("search.reason")
    if reason is None:
        raise typer.BadParameter(desk.say("search.why"), param_hint="--reason")
    desk.options = {"q": "QUERY", "from": "--since", "to": "--until", "reason": "--reason", "kind": "--kind"}
    whom = {"device": device, "person": person, "supplier": supplier, "kind": kind}
    asked = {"q": " ".join(query), "reason": reason, **whom, "from": since, "to": until}
    given = {name: value for name, value in asked.items() if value is not None}
    hits, last = _hits(desk, given, limit)
    if as_json:
        desk.show_json({**last, "items": hits, "next": None})
        return
    rows = [
        (
            hit["session_id"][:8],
            desk.moment(hit["at"], seconds=True),
            _offset(hit["at_ms"]),
            hit["person_login"],
            hit["device_name"],
            desk.word("search.kind", hit["kind"]),
            hit["snippet"],
        )
        for hit in hits
    ]
    columns = (
        *whole("field.digits", "field.at", "field.offset", "field.person", "field.device", "field.kind"),
        Column("field.text"),
    )
    desk.show_table(columns, rows, hits, empty="search.nothing")
    if last["next"] is not None:
        desk.note("search.more", shown=len(hits))
    if last["stopped"]:
        desk.note("search.stopped")
    _tell_missing(desk, last["progress"])


def rebuild(desk: Desk) -> None:
    """Have the index made anew, and show how it comes along; Ctrl-C leaves it to the console."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    from ecluse.progress import progress

    begun = desk.client.post("/v1/search/rebuild", {})
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with progress(*columns) as screen:
        bar = screen.add_task(desk.say("search.rebuilding"), total=begun["total"])
        while True:
            found = desk.client.get("/v1/search/standing")
            screen.update(bar, completed=_taken(found["progress"]), total=found["progress"]["total"])
            if _taken(found["progress"]) >= found["progress"]["total"]:
                break
            time.sleep(POLL_SECONDS)
    _show_state(desk, found)


def _hits(desk: Desk, given: Json, limit: int) -> tuple[list[Json], Json]:
    hits: list[Json] = []
    after: dict[str, Any] = {}
    while True:
        part = min(200, limit - len(hits))
        page = desk.client.get("/v1/search", limit=str(part), **given, **after)
        hits += page["items"]
        if page["next"] is None or len(hits) >= limit:
            return hits, page
        after = {"after": page["next"]}


def _show_state(desk: Desk, found: Json) -> None:
    if desk.as_json:
        desk.show_json(found)
        return
    desk.tell("search.state", **found["progress"])
    rows = [
        (
            one["session_id"][:8],
            desk.moment(one["started"]),
            one["person_login"],
            one["device_name"],
            desk.word("search.state", one["state"]),
            desk.word("search.why", one["why"]),
        )
        for one in found["troubled"]
    ]
    if rows:
        columns = whole("field.digits", "field.started", "field.person", "field.device", "field.state")
        desk.show_table((*columns, Column("field.reason")), rows, found)


def _tell_missing(desk: Desk, progress: Json) -> None:
    missing = progress["total"] - progress["indexed"]
    if missing > 0:
        desk.note("search.missing", missing=missing, total=progress["total"])


def _taken(progress: Json) -> int:
    return sum(int(progress[state]) for state in ("indexed", "truncated", "failed", "waiting"))


def _offset(at_ms: int) -> str:
    seconds = at_ms // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
