"""``ecluse accounts ca…``: the hospital's SSH authority that devices trust to let sessions in."""

import typer

from ecluse.client import Json
from ecluse.commands.accounts import group
from ecluse.desk import AsJson, Desk
from ecluse.errors import EcluseError

_PLACE = "/v1/device-authorities"


@group.command("ca", epilog="Example: ecluse accounts ca")
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Print the public lines for the devices' TrustedUserCAKeys file, one an authority in use."""
    desk = Desk.of(context, as_json)
    found = list(desk.client.items(_PLACE))
    if desk.as_json:
        desk.show_json(found)
        return
    in_use = [item for item in found if item["state"] != "retired"]
    if not in_use:
        raise EcluseError("authorities.none")
    for item in in_use:
        # one line each, however long: it is there to be copied
        desk.write(_line(item))
    desk.note("authorities.install")
    for item in found:
        key = "authorities.retired" if item["state"] == "retired" else f"authorities.{item['state']}"
        desk.note(key, fingerprint=item["fingerprint"])


@group.command("ca-make", epilog="Example: ecluse accounts ca-make")
def make(context: typer.Context, as_json: AsJson = False) -> None:
    """Make the hospital's SSH authority, or the one that will take over from it."""
    desk = Desk.of(context, as_json)
    made = desk.client.post(_PLACE, {})
    if not desk.as_json:
        desk.write(_line(made))
    desk.done(made, f"authorities.made_{made['state']}", fingerprint=made["fingerprint"])


@group.command("ca-switch", epilog="Example: ecluse accounts ca-switch")
def switch(context: typer.Context, as_json: AsJson = False) -> None:
    """Have the waiting authority sign from now on, once the devices trust it. The one before is destroyed."""
    desk = Desk.of(context, as_json)
    waiting = next((item for item in desk.client.items(_PLACE) if item["state"] == "coming"), None)
    if waiting is None:
        raise EcluseError("authorities.none_waits")
    changed = desk.client.post(f"{_PLACE}/{waiting['id']}/switch", {})
    desk.done(changed, "authorities.switched", fingerprint=changed["fingerprint"])


def _line(authority: Json) -> str:
    return f"{authority['public_key']} ecluse-{authority['state']}"
