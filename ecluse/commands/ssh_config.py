"""``ecluse ssh-config``: what a technician's client needs to know the gateway and to jump to her devices."""

from typing import Annotated

import typer

from ecluse import names
from ecluse.desk import AsJson, Desk
from ecluse.errors import EcluseError


def register(root: typer.Typer) -> None:
    """Add the command to *root*."""
    root.command("ssh-config", epilog="Example: ecluse ssh-config --person alice > alice.conf")(ssh_config)


def ssh_config(
    context: typer.Context,
    person: Annotated[
        str | None, typer.Option(help="Login of the technician; without it, the one line and no device.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the one known_hosts line of the host CA, and a ready ~/.ssh/config for somebody's devices (ssh -J)."""
    from gateway.server.ssh_config import ssh_config as written
    from policy.domain.people import Language
    from policy.domain.ways import Place, Way
    from policy.i18n import load

    desk = Desk.of(context, as_json)
    found = desk.client.get("/v1/ssh")
    place = Place(names=tuple(found["names"]), port=found["port"], authority=found["host_authority"])
    if person is None:
        line = place.known_hosts()
        if desk.as_json:
            desk.show_json({**found, "known_hosts": line})
        elif line is None:
            raise EcluseError("ssh_config.no_authority")
        else:
            desk.write(line)
        return
    hers = desk.client.get(f"/v1/people/{names.person(desk.client, person)['id']}/ways")
    ways = [Way(device_name=way["device"], account_names=tuple(way["accounts"])) for way in hers["ways"]]
    text = written(hers["login"], place, ways, Language(hers["language"]), load("gateway"))
    if desk.as_json:
        desk.show_json({**found, **hers, "known_hosts": place.known_hosts(ways), "config": text})
    else:
        for line in text.splitlines():
            desk.write(line)
