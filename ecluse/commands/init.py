"""``ecluse init``: a new installation in a new directory."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from ecluse.desk import AsJson, Desk


def register(root: typer.Typer) -> None:
    """Add the command to the tree."""
    root.command("init")(init)


def init(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(help="New or empty directory, such as /var/lib/ecluse.")],
    hospital: Annotated[str, typer.Option("--hospital", help="The hospital's name, as people read it.")],
    administrator: Annotated[
        list[str],
        typer.Option(
            "--administrator",
            metavar="LOGIN:NAME:E-MAIL",
            help="Twice at least: nobody approves their own window.",
        ),
    ],
    contact: Annotated[
        str, typer.Option("--contact", help="Whom to call about security: shown on banners and refusals.")
    ],
    timezone: Annotated[str, typer.Option("--timezone", help="IANA name of the time zone.")] = "Europe/Paris",
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name", help="DNS name or address of the API and the gateway, for their certificates."
        ),
    ] = None,
    gateway_user: Annotated[
        str | None,
        typer.Option("--gateway-user", help="System user of the gateway; with --console-user, as root."),
    ] = None,
    console_user: Annotated[
        str | None,
        typer.Option("--console-user", help="System user of the console, which alone reads traces."),
    ] = None,
    group: Annotated[str, typer.Option("--group", help="System group that both users are in.")] = "ecluse",
    as_json: AsJson = False,
) -> None:
    """Make a data directory, its keys, databases and CA, and invite the first two administrators.

    Example: ecluse init /var/lib/ecluse --hospital "CH de Brive" --contact "RSSI, poste 4242"
    --administrator "dsi:Denise Martin:denise.martin@hospital.example" --administrator "denis:Denis Leroy:denis.leroy@hospital.example"
    """
    from ecluse.installation import Administrator, Users, initialise
    from ecluse.settings import CONFIG_NAME, SYSTEM_CONFIG, load
    from policy.clock import SystemClock

    desk = Desk.of(context, as_json)
    administrators = [Administrator.parse(text) for text in administrator]
    users = Users.named(gateway_user, console_user, group)
    invitations = asyncio.run(
        initialise(
            directory,
            hospital=hospital,
            timezone=timezone,
            security_contact=contact,
            administrators=administrators,
            clock=SystemClock(),
            names=tuple(name or ()),
            users=users,
        )
    )
    tokens = {login: token.reveal() for login, token in invitations.items()}
    if as_json:
        desk.show_json({"data_dir": str(directory.resolve()), "invitations": tokens})
        return
    desk.tell("init.done", directory=str(directory.resolve()))
    for login, token in tokens.items():
        desk.write(desk.say("init.invitation", login=login, token=token))  # copied, so never wrapped
    config = directory.resolve() / CONFIG_NAME
    settings = load(config)
    url = settings.console.url(*(name or ()))
    # the package's units read the settings where the package put its link
    served = Path("/run/systemd/system").is_dir() and SYSTEM_CONFIG.resolve() == config
    following = "init.next.units" if served else "init.next"
    desk.write(desk.say(following, config=str(config), ca=str(settings.authority), url=url))
