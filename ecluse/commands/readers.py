"""``ecluse readers``: whose keys open traces: made, retired, unlocked, and old traces wrapped for those of today."""

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.client import Json
from ecluse.commands.config import ConfigOption, load
from ecluse.desk import AsJson, Desk
from ecluse.errors import EcluseError, RecordingUnusable
from ecluse.proving import meter
from ecluse.tables import Column, whole

if TYPE_CHECKING:
    from ecluse.settings import Settings

group = typer.Typer(
    no_args_is_help=True, help="The keys that open traces. The gateway seals for all of them, and holds none."
)

Key = Annotated[str, typer.Argument(metavar="KEY", help="The key's name, as 'readers status' shows it.")]
_LASTING = re.compile(r"(\d{1,3})\s*(m|min|h)")
_MOST_MINUTES = 12 * 60
_UNREADABLE = 1
_NOT_LOCKABLE = {"file": "unguarded", "elsewhere": "absent"}
"""What is said, by what stands before it, of a key that nobody unlocks."""


@group.command(
    "new", epilog="Example: ecluse readers new rssi-2027 --passphrase --config /etc/ecluse/ecluse.toml"
)
def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A name for the key: small letters, digits, dots and dashes.")],
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Keep it behind a passphrase, which is asked for.")
    ] = False,
    token: Annotated[
        Path | None,
        typer.Option(help="Make it in a PKCS#11 token instead, by this library of the token's maker."),
    ] = None,
    label: Annotated[str, typer.Option(help="Label of that token.")] = "ecluse",
    public_key: Annotated[
        Path | None, typer.Option(help="Make none: take this public key, whose private half is elsewhere.")
    ] = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Make a reader's key. Sessions that open from now on are sealed for it; old ones after 'readers rewrap'."""
    from ecluse.readers import make_reader
    from policy.domain.ids import is_name
    from recorder.errors import RecorderError
    from recorder.seal.places import PRIVATE, PUBLIC, TOKEN
    from recorder.seal.token import TokenPlace

    desk = Desk.of(context, as_json)
    settings = load(config)
    directory = settings.readers
    if not is_name(name):
        raise EcluseError("readers.name", value=name)
    if sum((passphrase, token is not None, public_key is not None)) > 1:
        raise EcluseError("readers.one_way")
    secret = None
    if passphrase:
        secret = _new_passphrase(desk)
    elif token is not None:
        secret = desk.ask("readers.pin", hidden=True)
    place = TokenPlace(str(token), label, name) if token is not None else None
    try:
        made = make_reader(directory, name, secret, place, public_key)
    except (OSError, RecorderError) as error:
        raise EcluseError(
            "readers.unwritable", path=str(directory / f"{name}.pem"), why=str(error)
        ) from error
    _tell(desk, settings, "readers.made", {"name": name, "key": made.key_id})
    suffix = PUBLIC if public_key is not None else PRIVATE if token is None else TOKEN
    path = str(directory / f"{name}{suffix}")
    key = "readers.made_here" if secret is None and public_key is None else "readers.made"
    if settings.named_reader_public_keys:
        key = "readers.made_unnamed"
    public = str(directory / f"{name}{PUBLIC}")
    desk.done({"name": name, "id": made.key_id, "path": path}, key, name=name, path=path, public=public)


@group.command("list", epilog="Example: ecluse readers list --json")
def list_(context: typer.Context, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """List the keys of this machine's files: what traces are sealed for, what was retired, what stands before each."""
    from recorder.errors import ReaderKeyUnusable
    from recorder.seal.places import name_of
    from recorder.seal.ring import guard_of
    from recorder.seal.wrapping import ReaderPublicKey

    desk = Desk.of(context, as_json)
    places = load(config).reader_places
    rows: list[Json] = []
    try:
        guards = {name_of(path): guard_of(path).value for path in places.held()}
        for retired, paths in ((False, places.active()), (True, places.retired())):
            for path in paths:
                name = name_of(path)
                row = {"name": name, "id": ReaderPublicKey.load(path).key_id, "path": str(path)}
                guard = guards.get(name, "elsewhere")
                rows.append({**row, "private": name in guards, "guard": guard, "retired": retired})
    except ReaderKeyUnusable as error:
        raise EcluseError("readers.unusable", path=str(places.folder), why=str(error)) from error
    told = [
        (
            row["name"],
            row["id"],
            desk.word("guard", row["guard"]),
            desk.word("retired", row["retired"]),
            row["path"],
        )
        for row in rows
    ]
    columns = (
        *whole("field.name", "field.reader_id", "field.private", "field.sealed_for"),
        Column("field.file"),
    )
    desk.show_table(columns, told, rows)


@group.command("status", epilog="Example: ecluse readers status")
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show which keys open traces in the console now, and who unlocked them until when."""
    desk = Desk.of(context, as_json)
    rows = desk.client.get("/v1/readers")["items"]
    told = [
        (
            row["name"],
            row["key"],
            desk.word("guard", row["guard"]),
            desk.word("retired", not row["active"]),
            desk.word("opened", row["opened"]),
            _login(desk, row["unlocked_by"]),
            desk.moment(row["until"]),
        )
        for row in rows
    ]
    columns = whole(
        "field.name",
        "field.reader_id",
        "field.private",
        "field.sealed_for",
        "field.opens",
        "field.unlocked_by",
        "field.until",
    )
    desk.show_table(columns, told, rows)


@group.command("unlock", epilog="Example: ecluse readers unlock rssi-2027 --for 30m")
def unlock(
    context: typer.Context,
    key: Key,
    lasting: Annotated[
        str, typer.Option("--for", metavar="30m|2h", help="For how long, at most 12h.")
    ] = "30m",
    as_json: AsJson = False,
) -> None:
    """Unlock a key by its passphrase or its token's PIN, for a time; the journal says who did until when."""
    desk = Desk.of(context, as_json)
    found = _LASTING.fullmatch(lasting.strip().lower())
    minutes = 0 if found is None else int(found[1]) * (60 if found[2] == "h" else 1)
    if not 0 < minutes <= _MOST_MINUTES:
        raise typer.BadParameter(
            "write a number of minutes or hours, 12h at most: 30m, 2h", param_hint="--for"
        )
    guards = {str(item["name"]): str(item["guard"]) for item in desk.client.get("/v1/readers")["items"]}
    guard = guards.get(key, "")
    if guard not in {"passphrase", "token"}:
        raise EcluseError(f"readers.{_NOT_LOCKABLE.get(guard, 'unlisted')}", name=key)
    secret = desk.ask("readers.secret", hidden=True, name=key)
    body = {"secret": secret, "code": desk.fresh_code(), "minutes": minutes}
    done = desk.client.post(f"/v1/readers/{key}/unlock", body)
    desk.done(done, "readers.unlocked", name=key, until=desk.moment(done["until"]))


@group.command("lock", epilog="Example: ecluse readers lock rssi-2027")
def lock(context: typer.Context, key: Key, as_json: AsJson = False) -> None:
    """Lock a key at once."""
    desk = Desk.of(context, as_json)
    desk.done(desk.client.post(f"/v1/readers/{key}/lock"), "readers.locked", name=key)


@group.command("retire", epilog="Example: ecluse readers retire rssi-2026 --config /etc/ecluse/ecluse.toml")
def retire(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The key's name, as 'readers list' shows it.")],
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Seal for a key no longer, from the next session on. It still opens what was sealed for it: see 'readers rewrap'."""
    from ecluse.readers import retire_reader
    from recorder.seal.wrapping import ReaderPublicKey

    desk = Desk.of(context, as_json)
    settings = load(config)
    if settings.named_reader_public_keys:
        raise EcluseError("readers.named", name=name)
    try:
        path = retire_reader(settings.reader_places, name)
    except LookupError as error:
        raise EcluseError("readers.unknown", name=name) from error
    except ValueError as error:
        raise EcluseError("readers.last", name=name) from error
    except OSError as error:
        raise EcluseError("readers.unwritable", path=str(settings.readers), why=str(error)) from error
    _tell(desk, settings, "readers.retired", {"name": name, "key": ReaderPublicKey.load(path).key_id})
    desk.done({"name": name, "path": str(path)}, "readers.retired", name=name)


def _tell(desk: Desk, settings: "Settings", name: str, facts: dict[str, object]) -> None:
    """Write into the journal who did it; where that fails the keys are as they are, and it is said."""
    from sqlalchemy.exc import SQLAlchemyError

    from ecluse.local_acts import journalled, system_user
    from recorder.errors import RecorderError

    try:
        asyncio.run(journalled(settings, name, facts, actor=system_user(), chain="command"))
    except (OSError, SQLAlchemyError, EcluseError, RecorderError) as error:
        desk.note("readers.not_told", why=str(error) or type(error).__name__)


@group.command("rewrap", epilog='Example: ecluse readers rewrap --reason "Key of 2027"')
def rewrap(
    context: typer.Context,
    reason: Annotated[str | None, typer.Option(help="Why: the journal keeps it.")] = None,
    remove_retired: Annotated[
        bool, typer.Option("--remove-retired", help="Take the old traces away from retired keys too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Open all old traces to the keys of today. May be stopped; begun again, it passes over what is done."""
    desk = Desk.of(context, as_json)
    why = reason if reason is not None else desk.ask("readers.reason")
    body = {"code": desk.fresh_code(), "reason": why, "remove_retired": remove_retired}
    tally: Json | None = None
    with meter(desk) as show, desk.client.lines("/v1/readers/rewrap", body) as lines:
        for line in lines:
            tally = line.get("tally", tally)
            if "part" in line:
                show(line["part"], line["done"], line["of"])
    if tally is None:
        raise RecordingUnusable("readers.stopped")
    key = "readers.rewrapped_but" if tally["unreadable"] else "readers.rewrapped"
    desk.done(tally, key, **{name: value for name, value in tally.items() if isinstance(value, int)})
    if tally["locked"] and not desk.as_json:
        desk.tell("readers.rewrap_locked", names=", ".join(tally["locked"]), name=tally["locked"][0])
    if tally["unreadable"]:
        raise typer.Exit(_UNREADABLE)


def _login(desk: Desk, person_id: str | None) -> str | None:
    return None if person_id is None else str(desk.client.get(f"/v1/people/{person_id}")["login"])


def _new_passphrase(desk: Desk) -> str:
    from ecluse.readers import SHORTEST_PASSPHRASE

    secret = desk.ask("readers.new_passphrase", hidden=True, again="readers.again", least=SHORTEST_PASSPHRASE)
    if len(secret) < SHORTEST_PASSPHRASE:
        raise EcluseError("readers.short_passphrase", least=SHORTEST_PASSPHRASE)
    return secret
