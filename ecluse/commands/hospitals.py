"""``ecluse hospitals``: the establishment and the contact its screens show."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from ecluse.commands.config import ConfigOption
from ecluse.desk import AsJson, Desk
from ecluse.tables import Column, whole

group = typer.Typer(no_args_is_help=True, help="The establishment, and the contact its screens show.")


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


@group.command(
    "add",
    epilog='Example: ecluse hospitals add "CH de Tulle" /var/lib/tulle --node tulle1 --contact "RSSI, poste 7" '
    '--administrator "dsi:Zoé Roy:zoe.roy@tulle.example" --administrator "max:Max Roy:max.roy@tulle.example" '
    "--config /var/lib/ecluse/ecluse.toml",
)
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The further hospital's name, as people read it.")],
    directory: Annotated[Path, typer.Argument(help="Its data directory, new or empty.")],
    node: Annotated[str, typer.Option("--node", help="Its gateway's name, used by no other gateway.")],
    administrator: Annotated[
        list[str],
        typer.Option("--administrator", metavar="LOGIN:NAME:E-MAIL", help="Its own, twice at least."),
    ],
    contact: Annotated[str, typer.Option("--contact", help="Whom its people call about security.")],
    timezone: Annotated[str, typer.Option("--timezone", help="IANA name of its time zone.")] = "Europe/Paris",
    names: Annotated[
        list[str] | None, typer.Option("--name", help="DNS name or address of its API and its gateway.")
    ] = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Add a hospital to the databases of this installation, while it runs, with a data directory of its own.

    It works on this machine's files, as init does. Neither hospital sees anything of the other.
    """
    from ecluse import settings
    from ecluse.errors import InstallationError
    from ecluse.installation import Administrator
    from ecluse.neighbours import add_hospital
    from policy.clock import SystemClock

    desk = Desk.of(context, as_json)
    found = settings.find(config)
    try:
        made = asyncio.run(
            add_hospital(
                directory,
                node=node,
                config=found,
                settings=settings.load(found),
                hospital=name,
                timezone=timezone,
                security_contact=contact,
                administrators=[Administrator.parse(text) for text in administrator],
                clock=SystemClock(),
                names=tuple(names or ()),
            )
        )
    except OSError as error:
        raise InstallationError("init.unusable", directory=str(directory), why=error.strerror) from error
    tokens = {login: token.reveal() for login, token in made.invitations.items()}
    elsewhere = [str(path) for path in made.elsewhere]
    place = str(directory.resolve())
    if as_json:
        told = {"hospital_id": made.hospital_id, "data_dir": place, "invitations": tokens}
        desk.show_json({**told, "elsewhere": elsewhere})
        return
    desk.tell("hospitals.added", hospital=name, directory=place)
    for login, token in tokens.items():
        desk.write(desk.say("init.invitation", login=login, token=token))  # copied, so never wrapped
    for path in elsewhere:
        desk.tell("nodes.elsewhere", path=path)
    desk.tell("hospitals.next", config=str(directory.resolve() / settings.CONFIG_NAME))


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
