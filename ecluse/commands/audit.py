"""``ecluse audit``: the security journal, and the proof that nobody touched it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ecluse.chronicle import doer, gist, lines, object_of
from ecluse.client import Json
from ecluse.desk import AsJson, Desk
from ecluse.errors import FileUnusable
from ecluse.moments import Since, Until
from ecluse.tables import Column, whole

group = typer.Typer(no_args_is_help=True, help="The security journal.")

_BROKEN = 1


def register(root: typer.Typer) -> None:
    """Add the noun to *root*."""
    root.add_typer(group, name="audit")


@group.command("list", epilog="Example: ecluse audit list --name access.denied --limit 20")
def list_(
    context: typer.Context,
    name: Annotated[str | None, typer.Option(help="Only events of this name.")] = None,
    person: Annotated[str | None, typer.Option(help="Only events of this person's login.")] = None,
    device: Annotated[str | None, typer.Option(help="Only events on this device.")] = None,
    session: Annotated[str | None, typer.Option(help="Only events of this session.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=100000, help="At most this many, the newest.")] = 100,
    details: Annotated[bool, typer.Option("--details", help="All that each entry holds, below it.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the journal, one line an entry, the newest last."""
    desk = Desk.of(context, as_json)
    query = {
        "name": name,
        "person": person,
        "device": device,
        "session": session,
        "from": desk.instant(since, "--from"),
        "to": desk.instant(until, "--to"),
    }
    found = list(desk.client.items("/v1/journal", at_most=limit, **query))
    found.reverse()
    if details and not desk.as_json:
        for item in found:
            head = (item["name"], doer(item), object_of(item), item["source"])
            desk.write(
                "  ".join([desk.moment(item["at"], seconds=True) or "", *(str(one or "–") for one in head)])
            )
            for line in lines(item):
                desk.write(f"    {line}")
        return
    rows = [
        (
            desk.moment(item["at"]),
            desk.word("event", item["name"]),
            doer(item),
            object_of(item),
            item["source"],
            gist(item, desk.word),
        )
        for item in found
    ]
    columns = (
        *whole("field.at", "field.event", "field.actor", "field.object"),
        *whole("field.source"),
        Column("field.details", cut=True),
    )
    desk.show_table(columns, rows, found)


@group.command("verify", epilog="Example: ecluse audit verify --known last-week.json")
def verify(
    context: typer.Context,
    known: Annotated[
        Path | None,
        typer.Option(help="An earlier proof, kept elsewhere: what --json printed. Shows an end cut off."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify the journal's chains. Exit code 1: an entry was changed, taken away or put in."""
    desk = Desk.of(context, as_json)
    body = {"known": _heads(known)} if known is not None else None
    found = desk.client.post("/v1/journal/verify", body)
    if found["valid"]:
        desk.done(found, "audit.valid", entries=found["entries"])
        return
    told = desk.word("entry", found["what"], entry=found["entry"]) or str(found["why"])
    desk.done(found, "audit.broken", why=told)
    raise typer.Exit(_BROKEN)


def _heads(path: Path) -> list[Json]:
    """Return the heads of an earlier proof; raises FileUnusable where the file holds none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as broken:
        raise FileUnusable("file.unreadable", path=str(path)) from broken
    except ValueError as broken:
        raise FileUnusable("audit.no_proof", path=str(path)) from broken
    heads = found.get("heads") if isinstance(found, dict) else None
    if not isinstance(heads, list) or not all(isinstance(head, dict) for head in heads):
        raise FileUnusable("audit.no_proof", path=str(path))
    return heads
