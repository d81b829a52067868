"""``ecluse extensions``: more time, asked for by one person and answered by another."""

from typing import Annotated

import typer

from ecluse import names
from ecluse.desk import AsJson, Desk
from ecluse.tables import Column, whole

group = typer.Typer(no_args_is_help=True, help="More time, asked for in an open window.")

Id = Annotated[str, typer.Argument(help="Identifier of the extension, or its first digits.")]


@group.command("list", epilog="Example: ecluse extensions list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the extensions that wait for an answer, with why each is asked for."""
    desk = Desk.of(context, as_json)
    found = list(desk.client.items("/v1/extensions"))
    people = names.people_by_id(desk.client)
    rows = [
        (
            item["id"][:8],
            item["window_id"][:8],
            desk.moment(item["end"]),
            people.get(item["requested_by"], item["requested_by"]),
            item["reason"] or None,
        )
        for item in found
    ]
    columns = whole("field.digits", "field.window", "field.ended", "field.requested_by")
    desk.show_table((*columns, Column("field.why")), rows, found)


@group.command("grant", epilog="Example: ecluse extensions grant 77aa")
def grant(
    context: typer.Context,
    extension: Id,
    reason: Annotated[str | None, typer.Option("--reason", help="Who asked reads it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Grant more time that somebody else asked for; she reads it in her terminal."""
    _decide(context, extension, reason, as_json, approve=True)


@group.command("refuse", epilog='Example: ecluse extensions refuse 77aa --reason "Le bloc reprend à 22:00"')
def refuse(
    context: typer.Context,
    extension: Id,
    reason: Annotated[str, typer.Option("--reason", help="Who asked reads it.")],
    as_json: AsJson = False,
) -> None:
    """Refuse more time that somebody else asked for; she reads why in her terminal."""
    _decide(context, extension, reason, as_json, approve=False)


def _decide(
    context: typer.Context, extension: str, reason: str | None, as_json: bool, *, approve: bool
) -> None:
    desk = Desk.of(context, as_json)
    asked = names.extension(desk.client, extension)
    body = {"approve": approve, "reason": reason}
    decided = desk.client.post(f"/v1/extensions/{asked['id']}/decide", body)
    key = "windows.extended" if approve else "windows.not_extended"
    desk.done(decided, key, id=decided["window_id"][:8])
