"""``ecluse people``: technicians and staff, their invitations and their keys."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ecluse import names
from ecluse.client import Json
from ecluse.desk import AsJson, Desk
from ecluse.errors import FileUnusable
from ecluse.tables import Column, whole

group = typer.Typer(no_args_is_help=True, help="Technicians and staff.")
keys = typer.Typer(no_args_is_help=True, help="Public keys of a person.")
group.add_typer(keys, name="keys")


class OneOrMany(StrEnum):
    """Whether something is on."""

    ON = "on"
    OFF = "off"


Login = Annotated[str, typer.Argument(help="Login of the person.")]
Why = Annotated[str, typer.Option("--reason", help="Kept in the journal.")]


@group.command(
    "invite",
    epilog='Example: ecluse people invite alice --supplier Imagix --name "Alice Martin" --email alice@imagix.example',
)
def invite(
    context: typer.Context,
    login: Login,
    name: Annotated[str | None, typer.Option("--name", help="Full name, for somebody new.")] = None,
    email: Annotated[str | None, typer.Option(help="Mail address, for somebody new.")] = None,
    supplier: Annotated[
        str | None, typer.Option(help="Her supplier; none for the hospital's own staff.")
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option(
            "--role", metavar="technician|planner|security|administrator", help="Repeat for several."
        ),
    ] = None,
    language: Annotated[str, typer.Option(metavar="fr|en", help="Language of her screens.")] = "fr",
    as_json: AsJson = False,
) -> None:
    """Add a person if she is new, and print her invitation, once: hand it over in person."""
    desk = Desk.of(context, as_json)
    known = list(desk.client.items("/v1/people", at_most=1, login=login))
    if known and (name or email or supplier or role):
        raise FileUnusable("people.exists", login=login)
    if known:
        person = known[0]
    else:
        person = _create(desk, login, name, email, supplier, role, language)
    invitation = desk.client.post(f"/v1/people/{person['id']}/invitation")
    _show_invitation(desk, person, invitation)


@group.command("renew", epilog='Example: ecluse people renew alice --reason "Téléphone perdu"')
def renew(context: typer.Context, login: Login, reason: Why, as_json: AsJson = False) -> None:
    """Invite again somebody who lost a factor: her password, code, keys and tokens are forgotten at once."""
    desk = Desk.of(context, as_json)
    person = names.person(desk.client, login)
    invitation = desk.client.post(f"/v1/people/{person['id']}/renewal", {"reason": reason})
    _show_invitation(desk, person, invitation)


def _create(
    desk: Desk,
    login: str,
    name: str | None,
    email: str | None,
    supplier: str | None,
    role: list[str] | None,
    language: str,
) -> Json:
    if name is None or email is None:
        raise typer.BadParameter("somebody new needs --name and --email", param_hint="--name, --email")
    supplier_id = names.supplier(desk.client, supplier)["id"] if supplier else None
    body = {
        "login": login,
        "full_name": name,
        "email": email,
        "language": language,
        "roles": role or (["technician"] if supplier else []),
        "supplier_id": supplier_id,
    }
    return desk.client.post("/v1/people", body)


@group.command("list", epilog="Example: ecluse people list --supplier Imagix")
def list_(
    context: typer.Context,
    supplier: Annotated[str | None, typer.Option(help="Only those of this supplier.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the people."""
    desk = Desk.of(context, as_json)
    supplier_id = names.supplier(desk.client, supplier)["id"] if supplier else None
    found = list(desk.client.items("/v1/people", supplier_id=supplier_id))
    suppliers = names.suppliers_by_id(desk.client)
    rows = [
        (
            item["login"],
            item["full_name"],
            [desk.say(f"role.{role}") for role in item["roles"]],
            suppliers.get(item["supplier_id"] or "", None),
            item["active"],
        )
        for item in found
    ]
    columns = (
        *whole("field.login"),
        *(Column(f"field.{noun}") for noun in ("name", "roles", "supplier")),
        *whole("field.active"),
    )
    desk.show_table(columns, rows, found)


@group.command("show", epilog="Example: ecluse people show alice")
def show(context: typer.Context, login: Login, as_json: AsJson = False) -> None:
    """Show one person and her public keys."""
    desk = Desk.of(context, as_json)
    found = desk.client.get(f"/v1/people/{names.person(desk.client, login)['id']}")
    supplier = None
    if found["supplier_id"] is not None:
        supplier = desk.client.get(f"/v1/suppliers/{found['supplier_id']}")["name"]
    held = list(desk.client.items(f"/v1/people/{found['id']}/keys"))
    fields = [
        ("field.login", found["login"]),
        ("field.name", found["full_name"]),
        ("field.email", found["email"]),
        ("field.roles", [desk.say(f"role.{role}") for role in found["roles"]]),
        ("field.supplier", supplier),
        ("field.active", found["active"]),
        ("field.one_post", found["one_post"]),
        ("field.enrolled", found.get("enrolled")),
        ("field.keys", [f"{key['algorithm']} {key['fingerprint']}" for key in held]),
        ("field.id", found["id"]),
    ]
    desk.show_record(fields, {**found, "keys": held})


@group.command("suspend", epilog='Example: ecluse people suspend alice --reason "Départ"')
def suspend(context: typer.Context, login: Login, reason: Why, as_json: AsJson = False) -> None:
    """Suspend a person: she comes in no more, and her sessions are cut."""
    _act(context, login, "suspend", "people.suspended", {"reason": reason}, as_json)


@group.command("resume", epilog='Example: ecluse people resume alice --reason "Retour"')
def resume(context: typer.Context, login: Login, reason: Why, as_json: AsJson = False) -> None:
    """Let a suspended person come in again."""
    _act(context, login, "resume", "people.resumed", {"reason": reason}, as_json)


@group.command("unlock", epilog="Example: ecluse people unlock alice")
def unlock(context: typer.Context, login: Login, as_json: AsJson = False) -> None:
    """Lift a lock-out that wrong codes brought about."""
    _act(context, login, "unlock", "people.unlocked", None, as_json)


@group.command("one-post", epilog="Example: ecluse people one-post alice on")
def one_post(
    context: typer.Context,
    login: Login,
    choice: Annotated[
        OneOrMany, typer.Argument(metavar="on|off", help="One source at a time, or any number.")
    ],
    as_json: AsJson = False,
) -> None:
    """Let a person's sessions come from one source at a time: a second post is refused, and both are told."""
    desk = Desk.of(context, as_json)
    found = names.person(desk.client, login)
    on = choice is OneOrMany.ON
    changed = desk.client.post(f"/v1/people/{found['id']}/post", {"one_post": on})
    desk.done(changed, "people.one_post" if on else "people.any_post", login=found["login"])


@keys.command("add", epilog="Example: ecluse people keys add alice alice.pub")
def add_key(
    context: typer.Context,
    login: Login,
    file: Annotated[Path, typer.Argument(help="Public key, one OpenSSH line.")],
    as_json: AsJson = False,
) -> None:
    """Add a public key: with it a code is still needed."""
    desk = Desk.of(context, as_json)
    try:
        line = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as broken:
        raise FileUnusable("file.unreadable", path=str(file)) from broken
    found = names.person(desk.client, login)
    made = desk.client.post(f"/v1/people/{found['id']}/keys", {"public_key": line})
    desk.done(made, "people.key_added", login=found["login"], fingerprint=made["fingerprint"])


@keys.command("remove", epilog="Example: ecluse people keys remove alice SHA256:…")
def remove_key(
    context: typer.Context,
    login: Login,
    fingerprint: Annotated[str, typer.Argument(help="Fingerprint, as `people show` prints it.")],
    as_json: AsJson = False,
) -> None:
    """Take a public key away."""
    desk = Desk.of(context, as_json)
    found = names.person(desk.client, login)
    desk.client.post(f"/v1/people/{found['id']}/keys/remove", {"fingerprint": fingerprint})
    desk.done({"removed": fingerprint}, "people.key_removed", login=found["login"], fingerprint=fingerprint)


def _act(context: typer.Context, login: str, verb: str, key: str, body: Json | None, as_json: bool) -> None:
    desk = Desk.of(context, as_json)
    found = names.person(desk.client, login)
    changed = desk.client.post(f"/v1/people/{found['id']}/{verb}", body)
    desk.done(changed, key, login=found["login"])


def _show_invitation(desk: Desk, person: Json, invitation: Json) -> None:
    if desk.as_json:
        desk.show_json({"person": person, "invitation": invitation})
        return
    desk.tell("people.invited", login=person["login"], expires=desk.moment(invitation["expires"]))
    desk.write(invitation["token"])
    if invitation["link"] is not None:
        desk.tell("people.link")
        desk.write(invitation["link"])
    if invitation["mail"] != "off":
        fault = invitation["fault"] or "…"
        desk.note(f"people.mail_{invitation['mail']}", email=person["email"], fault=fault)
    if invitation["spoken_code"] is not None:
        code = str(invitation["spoken_code"])
        desk.tell("people.spoken", code=f"{code[:4]} {code[4:]}")
