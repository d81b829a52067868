"""``ecluse audit``: the security journal, and the proof that nobody touched it."""

from typing import Annotated

import typer

from ecluse.client import Json
from ecluse.desk import AsJson, Desk, moment

group = typer.Typer(no_args_is_help=True, help="The security journal.")

_BROKEN = 1
_GIST = 160


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
    since: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="With its offset.")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="INSTANT", help="With its offset.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100000, help="At most this many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the journal, the newest first."""
    desk = Desk.of(context, as_json)
    query = {"name": name, "person": person, "device": device, "session": session, "from": since, "to": until}
    found = list(desk.client.items("/v1/journal", at_most=limit, **query))
    rows = [
        (moment(item["at"]), item["name"], item["actor"], item["person"], _gist(item["details"]))
        for item in found
    ]
    desk.show_table(("field.at", "field.event", "field.actor", "field.person", "field.details"), rows, found)


@group.command("verify", epilog="Example: ecluse audit verify")
def verify(context: typer.Context, as_json: AsJson = False) -> None:
    """Verify the journal's chains. Exit code 1: an entry was changed, taken away or put in."""
    desk = Desk.of(context, as_json)
    found = desk.client.post("/v1/journal/verify")
    if found["valid"]:
        desk.done(found, "audit.valid", entries=found["entries"])
        return
    desk.done(found, "audit.broken", why=str(found["why"]))
    raise typer.Exit(_BROKEN)


def _gist(details: Json) -> str:
    """Say in one line what an entry holds: of a change, what became different. The whole is in the JSON."""
    before, after = details.get("before"), details.get("after")
    if isinstance(before, dict) and isinstance(after, dict):
        details = {key: value for key, value in after.items() if before.get(key) != value}
    line = " ".join(f"{key}={value}" for key, value in details.items() if value not in (None, [], {}))
    return line if len(line) <= _GIST else f"{line[:_GIST]}…"
