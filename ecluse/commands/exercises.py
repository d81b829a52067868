"""``ecluse exercises``: the general cut rehearsed, and what came of it."""

from typing import Annotated

import typer

from ecluse.client import Json
from ecluse.desk import AsJson, Desk
from ecluse.tables import Column, whole

group = typer.Typer(no_args_is_help=True, help="Rehearsals of the general cut.")


@group.command("run", epilog='Example: ecluse exercises run --reason "Exercice plan blanc"')
def run(
    context: typer.Context,
    reason: Annotated[str, typer.Option("--reason", help="What the exercise is for; it is kept.")],
    as_json: AsJson = False,
) -> None:
    """Rehearse the general cut: each gateway answers as it would obey, and nothing is cut."""
    desk = Desk.of(context, as_json)
    done = desk.client.post("/v1/exercises", {"reason": reason})
    _show(desk, [done], done)
    if any(one["seconds"] is None for one in done["gateways"]):
        desk.note("exercises.unheard")
        raise typer.Exit(1)
    desk.tell("exercises.done")


@group.command("list", epilog="Example: ecluse exercises list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the exercises that there were, and say whether another one is due."""
    desk = Desk.of(context, as_json)
    found = desk.client.get("/v1/exercises")
    _show(desk, found["items"], found)
    if found["due"]:
        desk.tell("exercises.due")


def _show(desk: Desk, items: list[Json], document: object) -> None:
    rows = [
        (
            desk.moment(one["begun_at"], seconds=True),
            each["node"],
            each["seconds"],
            each["sessions"],
            one["reason"],
        )
        for one in items
        for each in one["gateways"] or [{"node": None, "seconds": None, "sessions": None}]
    ]
    headings = whole("field.started", "field.gateway", "field.seconds", "field.sessions")
    columns: list[Column | str] = [*headings, "field.reason"]
    desk.show_table(columns, rows, document)
