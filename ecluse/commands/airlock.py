"""``ecluse airlock``: the two-tier lock, a front outside and a relay inside that dials out to it."""

from pathlib import Path
from typing import Annotated

import typer

from ecluse.desk import AsJson, Desk
from ecluse.errors import EcluseError, FileUnusable, MachineError, StartError
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


@group.command(
    "audit",
    epilog="Example: ecluse airlock audit --out /var/lib/ecluse-airlock/self-audit.json\n\n"
    "Exit status: 0 clean, 1 something must be mended, 3 nothing must but not all is as it should be, or could be looked at.",
)
def audit(
    context: typer.Context,
    config: SideConfig = DEFAULT,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Keep the signed report here, in place of the one before, which it names."
        ),
    ] = None,
    nightly: Annotated[bool, typer.Option("--nightly", help="Say in the report that a timer asked.")] = False,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Only make the key that signs, for a front that has none.")
    ] = False,
    all_: Annotated[bool, typer.Option("--all", help="Show as well what is as it should be.")] = False,
    as_json: AsJson = False,
) -> None:
    """Audit the front's machine, as root there: what comes through it, its TLS, what listens, permissions, certificates.

    Fetch the report from inside, within six hours, and put it into the journal: 'self-audit report'.
    """
    import asyncio

    from ecluse import airlock
    from ecluse.commands.self_audit import exit_status, parts_told, show_report
    from ecluse.registry import make
    from ecluse.selfaudit import front as fronts
    from policy.clock import SystemClock
    from recorder.seal.signing import SigningKey

    desk = Desk.of(context, as_json)
    chosen, folder = airlock.load(config), config.resolve().parent
    if chosen.front is None:
        raise StartError("airlock.no_side", path=str(config), side="front")
    place = folder / chosen.front.audit_key
    if new_key:
        make(desk, "self_audit", place)
        return
    if not place.exists():
        raise MachineError("airlock.no_audit_key", path=str(place))
    key = SigningKey.load(place)
    previous = None if out is None else fronts.last(out, key.public)
    occasion = "nightly" if nightly else "asked"
    with parts_told(desk) as tell:
        report = asyncio.run(
            fronts.audit(
                *(chosen, chosen.front, folder, SystemClock()),
                occasion=occasion,
                previous=previous,
                tell=tell,
            )
        )
    document = report.signed(key)
    show_report(desk, report, document, all_)
    if out is not None:
        try:
            fronts.keep(out, document)
        except OSError as error:
            raise FileUnusable("file.unwritable", path=str(out), why=error.strerror) from error
    raise typer.Exit(exit_status(report))


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
