"""``ecluse factors``: what a technician's log-in takes, and the level that it reaches."""

from typing import Annotated

import typer

from ecluse.client import Json
from ecluse.desk import AsJson, Desk
from ecluse.tables import Column, whole

group = typer.Typer(no_args_is_help=True, help="What a technician's log-in takes, and the level it reaches.")


@group.command("list", epilog="Example: ecluse factors list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List what lets a technician in; anything else lets nobody in."""
    desk = Desk.of(context, as_json)
    _show(desk, desk.client.get("/v1/factors"))


@group.command(
    "set",
    epilog="Example: ecluse factors set --row password+totp=standard --row token-certificate=high",
)
def set_(
    context: typer.Context,
    row: Annotated[
        list[str],
        typer.Option(
            metavar="FACTOR[+totp]=standard|high",
            help="A row of the whole new table; repeat. FACTOR: password, public-key, ssh-certificate, "
            "security-key, security-key-verified, token-certificate.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Replace the table. One factor is never enough, and only hardware reaches the high level."""
    desk = Desk.of(context, as_json)
    desk.options = {"rows": "--row"}
    _show(desk, desk.client.put("/v1/factors", {"rows": [_read(text) for text in row]}))


def _read(text: str) -> Json:
    names, separator, level = text.partition("=")
    factors = [name.strip() for name in names.split("+")]
    if not separator or not all(factors) or not level.strip():
        raise typer.BadParameter(
            "write FACTOR+totp=standard or FACTOR=high, such as password+totp=standard", param_hint="--row"
        )
    return {"factors": factors, "level": level.strip()}


def _show(desk: Desk, table: Json) -> None:
    rows = [
        (
            " + ".join(str(desk.word("factor", factor)) for factor in sorted(row["factors"])),
            desk.word("level", row["level"]),
            "+".join(sorted(row["factors"])),
        )
        for row in table["rows"]
    ]
    columns = (Column("field.factors"), *whole("field.level", "field.written"))
    desk.show_table(columns, rows, table)
