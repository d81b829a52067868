"""``ecluse devices``: what suppliers intervene on."""

from typing import Annotated

import typer

from ecluse import names
from ecluse.client import Json
from ecluse.desk import AsJson, Desk
from ecluse.tables import Column, whole

group = typer.Typer(no_args_is_help=True, help="Devices that suppliers intervene on.")

Name = Annotated[str, typer.Argument(help="Name of the device.")]
Why = Annotated[str, typer.Option("--reason", help="Kept in the journal.")]
Groups = Annotated[
    list[str] | None, typer.Option("--group", help="A group it belongs to; repeat for several.")
]
Legacy = Annotated[
    list[str] | None,
    typer.Option(
        "--legacy",
        metavar="kex|host_key|encryption|mac|quirks=NAME",
        help="An old algorithm or a quirk (no-ignore, plain-principal, slow), for this device only.",
    ),
]
Wanted = Annotated[
    str | None, typer.Option(metavar="standard|high", help="What a log-in must reach (`factors list`).")
]


@group.command(
    "add", epilog="Example: ecluse devices add scan01 --zone admin --address 127.0.0.1 --port 2222"
)
def add(
    context: typer.Context,
    name: Name,
    zone: Annotated[str, typer.Option(help="Its zone.")],
    address: Annotated[str, typer.Option(help="Its IP address; a name is refused.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Its SSH port.")] = 22,
    description: Annotated[str, typer.Option(help="What it is.")] = "",
    in_group: Groups = None,
    legacy: Legacy = None,
    level: Wanted = None,
    as_json: AsJson = False,
) -> None:
    """Add a device. Nothing is dialled before its host key is compared and pinned."""
    desk = Desk.of(context, as_json)
    body = {
        "name": name,
        "zone_id": names.zone(desk.client, zone)["id"],
        "address": address,
        "port": port,
        "description": description,
        "groups": in_group or [],
        "algorithms": _algorithms(legacy or []),
        "level": level or "standard",
    }
    made = desk.client.post("/v1/devices", body)
    desk.done(made, "devices.added", name=made["name"])
    _tell_of_derogation(desk, made, legacy)


@group.command("list", epilog="Example: ecluse devices list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the devices."""
    desk = Desk.of(context, as_json)
    found = list(desk.client.items("/v1/devices"))
    zones = {item["id"]: item["name"] for item in desk.client.items("/v1/zones")}
    rows = [
        (
            item["name"],
            f"{item['address']}:{item['port']}",
            zones.get(item["zone_id"], item["zone_id"]),
            item["groups"],
            len(item["host_keys"]),
            item["active"],
        )
        for item in found
    ]
    columns = (
        *whole("field.name", "field.address", "field.zone"),
        Column("field.groups"),
        *whole("field.host_keys", "field.active"),
    )
    desk.show_table(columns, rows, found)


@group.command("show", epilog="Example: ecluse devices show scan01")
def show(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show one device, its pinned host keys and its dedicated accounts."""
    desk = Desk.of(context, as_json)
    found = names.device(desk.client, name)
    zone = desk.client.get(f"/v1/zones/{found['zone_id']}")
    accounts = list(desk.client.items(f"/v1/devices/{found['id']}/accounts"))
    fields = [
        ("field.name", found["name"]),
        ("field.description", found["description"]),
        ("field.address", f"{found['address']}:{found['port']}"),
        ("field.zone", zone["name"]),
        ("field.groups", found["groups"]),
        ("field.host_keys", [" ".join(names.host_key(line)) for line in found["host_keys"]]),
        ("field.accounts", [f"{item['name']} ({desk.word('method', item['method'])})" for item in accounts]),
        ("field.algorithms", [name for names_ in found["algorithms"].values() for name in names_]),
        ("field.level", desk.word("level", found["level"])),
        ("field.active", found["active"]),
        ("field.id", found["id"]),
    ]
    desk.show_record(fields, {**found, "accounts": accounts})


@group.command("update", epilog="Example: ecluse devices update scan01 --address 192.0.2.21 --port 2222")
def update(
    context: typer.Context,
    name: Name,
    address: Annotated[str | None, typer.Option(help="Its new address or host name.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Its new SSH port.")] = None,
    zone: Annotated[str | None, typer.Option(help="Its new zone.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is.")] = None,
    in_group: Groups = None,
    no_group: Annotated[bool, typer.Option("--no-group", help="It belongs to no group any more.")] = False,
    legacy: Legacy = None,
    no_legacy: Annotated[
        bool, typer.Option("--no-legacy", help="It needs no old algorithm any more.")
    ] = False,
    level: Wanted = None,
    as_json: AsJson = False,
) -> None:
    """Change a device; what is left out stays. Another address or port forgets its host keys and secrets."""
    desk = Desk.of(context, as_json)
    if in_group and no_group:
        raise typer.BadParameter("give one of them", param_hint="--group, --no-group")
    if legacy and no_legacy:
        raise typer.BadParameter("give one of them", param_hint="--legacy, --no-legacy")
    change: Json = {"address": address, "port": port, "description": description, "level": level}
    change["groups"] = [] if no_group else in_group or None
    change["algorithms"] = _algorithms(legacy or []) if legacy or no_legacy else None
    change = {key: value for key, value in change.items() if value is not None}
    if not change and zone is None:
        raise typer.BadParameter(
            "say what is to change", param_hint="--address, --port, --zone, --description…"
        )
    found = names.device(desk.client, name)
    if zone is not None:
        change["zone_id"] = names.zone(desk.client, zone)["id"]
    changed = desk.client.patch(f"/v1/devices/{found['id']}", change)
    moved = any(found[key] != changed[key] for key in ("address", "port"))
    desk.done(changed, "devices.moved" if moved else "devices.changed", name=found["name"])
    _tell_of_derogation(desk, changed, legacy)


@group.command("suspend", epilog='Example: ecluse devices suspend scan01 --reason "Panne en cours"')
def suspend(context: typer.Context, name: Name, reason: Why, as_json: AsJson = False) -> None:
    """Isolate a device: nobody reaches it, and its sessions are cut. It is not powered off."""
    _act(context, name, "suspend", "devices.suspended", reason, as_json)


@group.command("resume", epilog='Example: ecluse devices resume scan01 --reason "Réparé"')
def resume(context: typer.Context, name: Name, reason: Why, as_json: AsJson = False) -> None:
    """Let a device be reached again."""
    _act(context, name, "resume", "devices.resumed", reason, as_json)


def _tell_of_derogation(desk: Desk, device: Json, legacy: list[str] | None) -> None:
    if legacy and not desk.as_json:
        desk.note("devices.to_derogate", name=device["name"])


def _act(context: typer.Context, name: str, verb: str, key: str, reason: str, as_json: bool) -> None:
    desk = Desk.of(context, as_json)
    found = names.device(desk.client, name)
    changed = desk.client.post(f"/v1/devices/{found['id']}/{verb}", {"reason": reason})
    desk.done(changed, key, name=found["name"])


def _algorithms(wishes: list[str]) -> Json:
    found: dict[str, list[str]] = {"kex": [], "host_key": [], "encryption": [], "mac": [], "quirks": []}
    for wish in wishes:
        kind, separator, algorithm = wish.partition("=")
        if kind not in found or not separator or not algorithm:
            raise typer.BadParameter(
                "write kex=NAME, host_key=NAME, encryption=NAME, mac=NAME or quirks=NAME",
                param_hint="--legacy",
            )
        found[kind].append(algorithm)
    return dict(found)
