"""``ecluse host-ca``: the CA by which technicians' clients know the gateway and, through it, every device."""

import typer

from ecluse.commands.config import ConfigOption, load
from ecluse.desk import AsJson, Desk
from ecluse.errors import EcluseError


def register(root: typer.Typer) -> None:
    """Add the command to *root*."""
    root.command("host-ca", epilog="Example: ecluse host-ca --config /etc/ecluse/ecluse.toml")(host_ca)


def host_ca(context: typer.Context, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """Make the host CA of an installation that has none yet, and print its public key; does nothing where it has one.

    `init` makes it for a new installation. A running gateway takes it up when it is restarted.
    """
    from ecluse.host_keys import host_authority_line, make_host_authority

    desk = Desk.of(context, as_json)
    path = load(config).host_authority
    try:
        made = make_host_authority(path)
    except OSError as error:
        raise EcluseError("host_ca.unwritable", path=str(path), why=error.strerror) from error
    line = host_authority_line(path)
    if line is None:
        raise EcluseError("host_ca.no_public", path=f"{path}.pub")
    desk.done({"made": made, "public_key": line}, "host_ca.made" if made else "host_ca.there", path=str(path))
    if not desk.as_json:
        desk.write(line)
