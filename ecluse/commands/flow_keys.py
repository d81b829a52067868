"""``ecluse flows keys``: who may sign the result of a probe, and for which vantage."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.commands.config import ConfigOption, load
from ecluse.commands.flows import group as flows
from ecluse.desk import AsJson, Desk
from ecluse.errors import FileUnusable, MachineError
from ecluse.tables import whole

if TYPE_CHECKING:
    from admin_api.probes import ProbeKeys
    from ecluse.settings import Settings

group = typer.Typer(no_args_is_help=True, help="The keys that sign probes' results, one a vantage.")
flows.add_typer(group, name="keys")
VantageArgument = Annotated[str, typer.Argument(help="The name for where the machine that probes stands.")]
SHOWN = 0o644
ENTERED = 0o755


@group.command("new", epilog="Example: ecluse flows keys new /etc/ecluse-probe/probe.pem")
def new(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="New file; the public half is put beside it, in ….pub.")],
    as_json: AsJson = False,
) -> None:
    """Make a key, on the machine that probes. Bring its public half to the console's machine: 'flows keys add'."""
    from recorder.errors import SignatureInvalid
    from recorder.seal.signing import generate_key

    desk = Desk.of(context, as_json)
    try:
        made = generate_key(path)
    except SignatureInvalid as error:
        raise MachineError("flows.no_key", path=str(path), why=str(error)) from error
    public = f"{path}.pub"
    document = {"key": made.public.key_id, "fingerprint": made.public.fingerprint, "public": public}
    desk.done(document, "flows.key_made", public=public, fingerprint=made.public.fingerprint)


@group.command(
    "add", epilog="Example: ecluse flows keys add imagix-lyon probe.pem.pub --config /etc/ecluse/ecluse.toml"
)
def add(
    context: typer.Context,
    vantage: VantageArgument,
    public: Annotated[Path, typer.Argument(help="Public key that 'flows keys new' made there.")],
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Register the key of a vantage, as root on each console's machine; compare its fingerprint with the one shown there."""
    from recorder.errors import SignatureInvalid
    from recorder.seal.files import write_new
    from recorder.seal.signing import PublicKey

    desk, settings = Desk.of(context, as_json), load(config)
    try:
        key = PublicKey.load(public)
    except SignatureInvalid as error:
        raise FileUnusable("flows.no_public_key", path=str(public), why=str(error)) from error
    place = _place(_keys(settings), vantage)
    try:
        place.parent.mkdir(mode=ENTERED, parents=True, exist_ok=True)
        write_new(place, key.to_pem(), SHOWN)
        place.chmod(SHOWN)  # no secret, whatever the umask: the console's user reads it
        place.parent.chmod(ENTERED)
    except FileExistsError as error:
        raise FileUnusable("flows.key_known", vantage=vantage) from error
    except OSError as error:
        raise FileUnusable("file.unwritable", path=str(place), why=error.strerror) from error
    facts = {"vantage": vantage, "key": key.key_id, "fingerprint": key.fingerprint}
    _journal(settings, "flows.key_added", facts)
    desk.done(facts, "flows.key_added", vantage=vantage, fingerprint=key.fingerprint)


@group.command("list", epilog="Example: ecluse flows keys list --config /etc/ecluse/ecluse.toml")
def list_(context: typer.Context, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """List the registered keys."""
    desk = Desk.of(context, as_json)
    keys = _keys(load(config))
    found = [(vantage, keys.of(vantage)) for vantage in keys.vantages()]
    rows = [(vantage, None if key is None else key.fingerprint) for vantage, key in found]
    documents = [{"vantage": vantage, "fingerprint": fingerprint} for vantage, fingerprint in rows]
    desk.show_table(whole("field.vantage", "field.fingerprint"), rows, documents, empty="flows.no_keys")


@group.command(
    "remove", epilog="Example: ecluse flows keys remove imagix-lyon --config /etc/ecluse/ecluse.toml"
)
def remove(
    context: typer.Context, vantage: VantageArgument, config: ConfigOption = None, as_json: AsJson = False
) -> None:
    """Take a vantage's key away: no result of it is taken any more, and none that came counts as clean."""
    desk, settings = Desk.of(context, as_json), load(config)
    place = _place(_keys(settings), vantage)
    try:
        place.unlink()
    except FileNotFoundError as error:
        raise FileUnusable("flows.key_unknown", vantage=vantage) from error
    except OSError as error:
        raise FileUnusable("file.unwritable", path=str(place), why=error.strerror) from error
    _journal(settings, "flows.key_removed", {"vantage": vantage})
    desk.done({"vantage": vantage}, "flows.key_removed", vantage=vantage)


def _keys(settings: "Settings") -> "ProbeKeys":
    from admin_api.probes import ProbeKeys

    return ProbeKeys(settings.probe_keys)


def _place(keys: "ProbeKeys", vantage: str) -> Path:
    try:
        return keys.place(vantage)
    except ValueError as error:
        raise MachineError("flows.vantage", value=vantage) from error


def _journal(settings: "Settings", name: str, facts: dict[str, str]) -> None:
    from ecluse.local_acts import journalled, system_user

    asyncio.run(journalled(settings, name, facts, actor=system_user(), chain="probe-keys"))
