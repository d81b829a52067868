"""``ecluse hostkeys``: compare a device's host keys with what its screen shows, then pin them."""

from typing import Annotated

import typer

from ecluse import names
from ecluse.client import Json
from ecluse.commands.tasks import wait_for
from ecluse.desk import AsJson, Desk
from ecluse.errors import EcluseError
from ecluse.tables import whole

group = typer.Typer(no_args_is_help=True, help="Host keys of devices: fetch, compare, pin.")

Device = Annotated[str, typer.Argument(help="Name of the device.")]
Shown = Annotated[
    str,
    typer.Argument(
        metavar="KEY",
        help="The fingerprint that the last `hostkeys fetch` showed (SHA256:…), or the public key: one OpenSSH line.",
    ),
]

Pinned = Annotated[
    str,
    typer.Argument(metavar="KEY", help="Its fingerprint as `hostkeys list` prints it, or the public key."),
]


@group.command("fetch", epilog="Example: ecluse hostkeys fetch scan01")
def fetch(context: typer.Context, device: Device, as_json: AsJson = False) -> None:
    """Ask a gateway which host keys the device shows. Compare the fingerprints at the device before you pin."""
    desk = Desk.of(context, as_json)
    found = names.device(desk.client, device)
    task = wait_for(
        desk, desk.client.post("/v1/tasks", {"kind": "fetch-host-keys", "device_id": found["id"]})
    )
    result = task.get("result") or {}
    shown = result.get("host_keys", [])
    pinned = [names.host_key(line)[1] for line in found["host_keys"]]
    rows = [(item["algorithm"], item["fingerprint"], item["fingerprint"] in pinned) for item in shown]
    desk.show_table(whole("field.algorithm", "field.fingerprint", "field.pinned"), rows, shown)
    fingerprints = {item["fingerprint"] for item in shown}
    if pinned and not fingerprints & set(pinned):
        # what a session is refused for: told before anything is pinned
        desk.note("hostkeys.changed", device=found["name"], pinned=", ".join(pinned))
    desk.tell("hostkeys.compare", device=found["name"])
    for item in () if desk.as_json else shown:
        # one line each, however long: it is there to be copied
        desk.write(f'ecluse hostkeys pin {found["name"]} "{item["public_key"]}"')


@group.command("pin", epilog="Example: ecluse hostkeys pin scan01 SHA256:…")
def pin(context: typer.Context, device: Device, key: Shown, as_json: AsJson = False) -> None:
    """Pin a host key that you compared at the device."""
    desk = Desk.of(context, as_json)
    found = names.device(desk.client, device)
    line = _fetched(desk, found, key.strip()) if key.strip().startswith("SHA256:") else key
    changed = desk.client.post(f"/v1/devices/{found['id']}/host-keys", {"public_key": line})
    _warn(desk, found, line)
    desk.done(changed, "hostkeys.pinned", device=found["name"], count=len(changed["host_keys"]))


@group.command("unpin", epilog="Example: ecluse hostkeys unpin scan01 SHA256:…")
def unpin(context: typer.Context, device: Device, public_key: Pinned, as_json: AsJson = False) -> None:
    """Take a pinned host key away: the device is not dialled any more where it was the last."""
    desk = Desk.of(context, as_json)
    found = names.device(desk.client, device)
    changed = desk.client.post(f"/v1/devices/{found['id']}/host-keys/unpin", {"public_key": public_key})
    desk.done(changed, "hostkeys.unpinned", device=found["name"], count=len(changed["host_keys"]))


@group.command("list", epilog="Example: ecluse hostkeys list scan01")
def list_(context: typer.Context, device: Device, as_json: AsJson = False) -> None:
    """List the host keys pinned for a device, and whether the last fetch showed them."""
    desk = Desk.of(context, as_json)
    found = names.device(desk.client, device)
    task = None if desk.as_json else _last_fetch(desk, found)
    shown = None if task is None else {item["fingerprint"] for item in task["result"]["host_keys"]}
    keys = [names.host_key(line) for line in found["host_keys"]]
    rows = [(*key, None if shown is None else key[1] in shown) for key in keys]
    columns = whole("field.algorithm", "field.fingerprint", "field.shown")
    desk.show_table(columns, rows, found["host_keys"])


def _warn(desk: Desk, device: Json, line: str) -> None:
    """Say where the last fetch from *device* showed other keys than the one just pinned."""
    task = _last_fetch(desk, device)
    if task is None:
        return
    shown = [item["fingerprint"] for item in task["result"]["host_keys"]]
    if names.host_key(line)[1] not in shown:
        at = desk.moment(task["finished_at"])
        desk.note("hostkeys.not_as_shown", device=device["name"], at=at, shown=", ".join(shown))


def _last_fetch(desk: Desk, device: Json) -> Json | None:
    """Return the last fetch from *device* that brought keys, None where there was none lately."""
    for task in desk.client.items("/v1/tasks"):
        if (task["kind"], task["device_id"], task["state"]) == ("fetch-host-keys", device["id"], "done"):
            return task
    return None


def _fetched(desk: Desk, device: Json, fingerprint: str) -> str:
    """Return the key of that *fingerprint* among those that the last fetch from *device* showed."""
    task = _last_fetch(desk, device)
    for shown in () if task is None else task["result"]["host_keys"]:
        if shown["fingerprint"] == fingerprint:
            return str(shown["public_key"])
    raise EcluseError("hostkeys.not_shown", device=device["name"], fingerprint=fingerprint)
