"""``ecluse airlock``: the two-tier lock, a front outside and a relay inside that dials out to it."""

from pathlib import Path
from typing import Annotated

import typer

from ecluse.desk import AsJson, Desk
from ecluse.errors import EcluseError
from ecluse.tables import whole

group = typer.Typer(
    no_args_is_help=True,
    help="Two machines between technicians and the gateway: the front outside, the relay inside that dials out to it.",
)

SideConfig = Annotated[
    Path,
    typer.Option("--config", help="The side's own settings, as 'airlock keys' made them.", metavar="FILE"),
]
DEFAULT = Path("/etc/ecluse-airlock/airlock.toml")


@group.command("keys", epilog="Example: ecluse airlock keys ./lock --front bastion.hospital.example:7022")
def keys(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Where the two sides' folders are made.")],
    front: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where the relay will find the front, from inside.")
    ],
    as_json: AsJson = False,
) -> None:
    """Make both sides' keys and settings: a folder to copy to each machine. Each side knows the other's certificate."""
    from ecluse import airlock
    from policy.clock import SystemClock

    desk = Desk.of(context, as_json)
    if not airlock.PLACE.fullmatch(front):
        raise typer.BadParameter("HOST:PORT", param_hint="--front")
    try:
        outer, inner = airlock.make_keys(folder, front, SystemClock().now())
    except FileExistsError as error:
        raise EcluseError("airlock.keys_there", path=str(error.filename)) from error
    except OSError as error:
        raise EcluseError("airlock.keys_unwritable", path=str(error.filename), why=error.strerror) from error
    desk.done(
        {"front": str(outer), "relay": str(inner)}, "airlock.keys_made", front=str(outer), relay=str(inner)
    )


@group.command("check", epilog="Example: ecluse airlock check --config /etc/ecluse-airlock/airlock.toml")
def check(context: typer.Context, config: SideConfig = DEFAULT, as_json: AsJson = False) -> None:
    """Read a side's settings, keys and certificates as the programs will, and show when the certificates end."""
    from ecluse import airlock
    from ecluse.processes.start import check_secrets
    from policy.clock import SystemClock

    desk = Desk.of(context, as_json)
    chosen, folder = airlock.load(config), config.resolve().parent
    check_secrets(airlock.secrets(chosen, folder))
    side = "front" if chosen.front is not None else "relay"
    if chosen.front is not None:
        airlock.front_settings(chosen.front, folder)
    elif chosen.relay is not None:
        airlock.relay_settings(chosen.relay, folder)
    now = SystemClock().now()
    found = [(folder / path, airlock.ends(folder / path)) for path in airlock.certificate_files(chosen)]
    told = [{"path": str(path), "ends": end.isoformat(), "over": end <= now} for path, end in found]
    if not desk.as_json:
        desk.tell("airlock.checked", path=str(config), side=side)
    desk.show_table(
        whole("column.certificate_file", "column.certificate_end"),
        [(str(path), f"{end:%Y-%m-%d}") for path, end in found],
        {"side": side, "certificates": told},
    )
    if any(item["over"] for item in told):
        raise typer.Exit(1)


@group.command("front", epilog="Example: ecluse airlock front --config /etc/ecluse-airlock/airlock.toml")
def front(config: SideConfig = DEFAULT) -> None:
    """Run the front, before the hospital's network: it takes technicians' connections. SIGTERM drains it."""
    from ecluse.processes import airlock

    airlock.run_front(config)


@group.command("relay", epilog="Example: ecluse airlock relay --config /etc/ecluse-airlock/airlock.toml")
def relay(config: SideConfig = DEFAULT) -> None:
    """Run the relay, inside: it dials out to the front, and brings what comes to the gateway. SIGTERM drains it."""
    from ecluse.processes import airlock

    airlock.run_relay(config)
