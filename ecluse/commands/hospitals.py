"""``ecluse hospitals``: the establishment and the contact its screens show."""

from typing import Annotated

import typer

from ecluse.desk import AsJson, Desk
from ecluse.tables import Column, whole

group = typer.Typer(no_args_is_help=True, help="The establishment, and the contact its screens show.")


def register(root: typer.Typer) -> None:
    """Add the noun to *root*."""
    root.add_typer(group, name="hospitals")


@group.command("list", epilog="Example: ecluse hospitals list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the hospitals that you can see: your own."""
    desk = Desk.of(context, as_json)
    found = list(desk.client.items("/v1/hospitals"))
    rows = [(item["id"][:8], item["name"], item["timezone"], item["security_contact"]) for item in found]
    columns = (
        *whole("field.digits"),
        Column("field.name"),
        *whole("field.timezone"),
        Column("field.contact"),
    )
    desk.show_table(columns, rows, found)


@group.command("contact", epilog='Example: ecluse hospitals contact "RSSI, poste 4242"')
def contact(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="What banners and refusals tell people to call.")],
    as_json: AsJson = False,
) -> None:
    """Change the contact shown on every banner and refusal."""
    desk = Desk.of(context, as_json)
    me = desk.client.get("/v1/me")
    changed = desk.client.patch(f"/v1/hospitals/{me['hospital']['id']}", {"security_contact": text})
    desk.done(changed, "hospitals.changed", contact=changed["security_contact"])


@group.command("continuation", epilog="Example: ecluse hospitals continuation --seconds 60 --connections 4")
def continuation(
    context: typer.Context,
    seconds: Annotated[int, typer.Option(min=0, max=120, help="How long after a log-in; 0 for never.")],
    connections: Annotated[int, typer.Option(min=0, max=8, help="How many further connections; 0 for none.")],
    as_json: AsJson = False,
) -> None:
    """Let programs that open several connections (WinSCP, FileZilla) continue one log-in without another code."""
    desk = Desk.of(context, as_json)
    me = desk.client.get("/v1/me")
    body = {"seconds": seconds, "connections": connections}
    changed = desk.client.put(f"/v1/hospitals/{me['hospital']['id']}/continuation", body)
    key = "hospitals.continued" if seconds and connections else "hospitals.not_continued"
    desk.done(changed, key, seconds=seconds, connections=connections)
