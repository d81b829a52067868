"""``ecluse readers``: whose keys open the traces that are recorded from now on."""

from typing import Annotated

import typer

from ecluse.commands.config import ConfigOption, load
from ecluse.desk import AsJson, Desk
from ecluse.errors import EcluseError
from ecluse.tables import Column, whole

app = typer.Typer(help="The keys that open traces. The gateway seals for all of them, and holds none.")


def register(root: typer.Typer) -> None:
    """Add the noun to the command tree."""
    root.add_typer(app, name="readers")


@app.command("new", epilog="Example: ecluse readers new rssi-2027 --config /etc/ecluse/ecluse.toml")
def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A name for the key: small letters, digits, dots and dashes.")],
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Make a reader's key. Sessions recorded once the gateway is restarted are sealed for it too."""
    from ecluse.readers import make_reader
    from policy.domain.ids import is_name
    from recorder.errors import ReaderKeyUnusable

    desk = Desk.of(context, as_json)
    directory = load(config).readers
    if not is_name(name):
        raise EcluseError("readers.name", value=name)
    try:
        made = make_reader(directory, name)
    except (OSError, ReaderKeyUnusable) as error:
        raise EcluseError(
            "readers.unwritable", path=str(directory / f"{name}.pem"), why=str(error)
        ) from error
    path = str(directory / f"{name}.pem")
    desk.done({"name": name, "id": made.public.key_id, "path": path}, "readers.made", path=path)


@app.command("list", epilog="Example: ecluse readers list --json")
def list_(context: typer.Context, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """List the keys that traces are sealed for, and whether their private halves are here."""
    from recorder.errors import ReaderKeyUnusable
    from recorder.seal.wrapping import ReaderPublicKey

    desk = Desk.of(context, as_json)
    settings = load(config)
    rows = []
    for path in settings.reader_public_keys:
        try:
            key_id = ReaderPublicKey.load(path).key_id
        except ReaderKeyUnusable as error:
            raise EcluseError("readers.unusable", path=str(path), why=str(error)) from error
        rows.append({"id": key_id, "path": str(path), "private": path.with_suffix("").exists()})
    here = {True: desk.say("readers.here"), False: desk.say("readers.elsewhere")}
    told = [(row["id"], row["path"], here[bool(row["private"])]) for row in rows]
    desk.show_table((*whole("field.reader_id"), Column("field.file"), *whole("field.private")), told, rows)
