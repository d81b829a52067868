"""``ecluse anchors``, ``ecluse login-ca``, ``ecluse people certificates``: whom is believed about certificates."""

import base64
from pathlib import Path
from typing import Annotated

import typer

from ecluse import names
from ecluse.client import Json
from ecluse.commands.people import Login
from ecluse.commands.people import group as people
from ecluse.desk import AsJson, Desk
from ecluse.errors import FileUnusable
from ecluse.tables import Column, whole

anchors = typer.Typer(no_args_is_help=True, help="Authorities that are believed about tokens.")
authorities = typer.Typer(no_args_is_help=True, help="SSH authorities whose certificates let technicians in.")
certificates = typer.Typer(no_args_is_help=True, help="Certificates of a person's token.")
people.add_typer(certificates, name="certificates")

Name = Annotated[str, typer.Argument(help="Its name.")]
Why = Annotated[str, typer.Option("--reason", help="Kept in the journal.")]
Of = Annotated[str | None, typer.Option("--supplier", help="Believed about this supplier's people alone.")]
Urls = Annotated[
    list[str] | None, typer.Option("--crl", metavar="URL", help="Where a list is fetched; repeat.")
]
Responder = Annotated[
    str | None, typer.Option("--ocsp", metavar="URL", help="The responder asked at each log-in.")
]
Stale = Annotated[
    str | None,
    typer.Option("--when-stale", metavar="refuse|accept", help="While nobody can tell; by default refuse."),
]
_ANCHORS = "/v1/trust-anchors"
_AUTHORITIES = "/v1/login-authorities"


def register(root: typer.Typer) -> None:
    """Add the nouns to *root*."""
    root.add_typer(anchors, name="anchors")
    root.add_typer(authorities, name="login-ca")


@anchors.command(
    "add", epilog='Example: ecluse anchors add "IGC Imagix" igc.pem --supplier Imagix --crl http://…'
)
def add_anchor(
    context: typer.Context,
    name: Name,
    file: Annotated[Path, typer.Argument(help="The authority's certificate, PEM.")],
    supplier: Of = None,
    crl: Urls = None,
    responder: Responder = None,
    when_stale: Stale = None,
    as_json: AsJson = False,
) -> None:
    """Believe an authority that certifies keys in tokens only: a token counts as two factors."""
    desk = Desk.of(context, as_json)
    body: Json = {
        "name": name,
        "certificate": _text(file),
        "supplier_id": names.supplier(desk.client, supplier)["id"] if supplier else None,
        "crl_urls": crl or [],
        "ocsp_url": responder,
        "when_stale": when_stale or "refuse",
    }
    made = desk.client.post(_ANCHORS, body)
    desk.done(made, "anchors.added", name=made["name"])


@anchors.command("list", epilog="Example: ecluse anchors list")
def list_anchors(context: typer.Context, as_json: AsJson = False) -> None:
    """List the anchors, and until when their revocation lists are good."""
    desk = Desk.of(context, as_json)
    found = list(desk.client.items(_ANCHORS))
    suppliers = names.suppliers_by_id(desk.client)
    for item in found:
        item["lists"] = list(desk.client.items(f"{_ANCHORS}/{item['id']}/lists"))
    rows = [
        (
            item["name"],
            suppliers.get(item["supplier_id"] or "", None),
            [desk.moment(one["next_update"]) for one in item["lists"]],
            item["ocsp_url"],
            desk.word("stale", item["when_stale"]),
        )
        for item in found
    ]
    columns = (
        *whole("field.name"),
        Column("field.supplier"),
        Column("field.lists_until"),
        Column("field.responder"),
        *whole("field.when_stale"),
    )
    desk.show_table(columns, rows, found)


@anchors.command(
    "update", epilog='Example: ecluse anchors update "IGC Imagix" --ocsp http://ocsp.imagix.example/'
)
def update_anchor(
    context: typer.Context,
    name: Name,
    crl: Urls = None,
    responder: Responder = None,
    when_stale: Stale = None,
    as_json: AsJson = False,
) -> None:
    """Change where revocations are learned; what is left out stays, and --ocsp "" asks nobody any more."""
    desk = Desk.of(context, as_json)
    change = {"crl_urls": crl, "ocsp_url": responder, "when_stale": when_stale}
    wanted = {key: value for key, value in change.items() if value is not None}
    if not wanted:
        raise typer.BadParameter("say what is to change", param_hint="--crl, --ocsp, --when-stale")
    found = names.anchor(desk.client, name)
    changed = desk.client.patch(f"{_ANCHORS}/{found['id']}", wanted)
    desk.done(changed, "anchors.changed", name=changed["name"])


@anchors.command("bring-list", epilog='Example: ecluse anchors bring-list "IGC Imagix" personnes.crl')
def bring_list(
    context: typer.Context,
    name: Name,
    file: Annotated[Path, typer.Argument(help="The list, DER or PEM.")],
    as_json: AsJson = False,
) -> None:
    """Bring a revocation list by hand, where the console cannot fetch it."""
    desk = Desk.of(context, as_json)
    found = names.anchor(desk.client, name)
    taken = desk.client.post(f"{_ANCHORS}/{found['id']}/lists", {"content": _encoded(file)})
    desk.done(taken, "anchors.list_taken", name=found["name"], until=desk.moment(taken["next_update"]))


@anchors.command("remove", epilog='Example: ecluse anchors remove "IGC Imagix" --reason "Contrat fini"')
def remove_anchor(context: typer.Context, name: Name, reason: Why, as_json: AsJson = False) -> None:
    """Believe an authority no longer: tokens that lead to it alone let nobody in."""
    desk = Desk.of(context, as_json)
    found = names.anchor(desk.client, name)
    desk.client.post(f"{_ANCHORS}/{found['id']}/remove", {"reason": reason})
    desk.done({"removed": found["id"]}, "anchors.removed", name=found["name"])


@authorities.command("add", epilog='Example: ecluse login-ca add "CA Imagix" ca.pub --supplier Imagix')
def add_authority(
    context: typer.Context,
    name: Name,
    file: Annotated[Path, typer.Argument(help="Its public key, one OpenSSH line.")],
    supplier: Of = None,
    as_json: AsJson = False,
) -> None:
    """Believe an SSH authority about technicians; a code is needed besides its certificates."""
    desk = Desk.of(context, as_json)
    body = {
        "name": name,
        "public_key": _text(file).strip(),
        "supplier_id": names.supplier(desk.client, supplier)["id"] if supplier else None,
    }
    made = desk.client.post(_AUTHORITIES, body)
    desk.done(made, "login_ca.added", name=made["name"], fingerprint=made["fingerprint"])


@authorities.command("list", epilog="Example: ecluse login-ca list")
def list_authorities(context: typer.Context, as_json: AsJson = False) -> None:
    """List the SSH authorities, and since when their revocation list is at hand."""
    desk = Desk.of(context, as_json)
    found = list(desk.client.items(_AUTHORITIES))
    suppliers = names.suppliers_by_id(desk.client)
    rows = [
        (
            item["name"],
            suppliers.get(item["supplier_id"] or "", None),
            item["fingerprint"],
            desk.moment(item["krl_at"]),
        )
        for item in found
    ]
    columns = (
        *whole("field.name"),
        Column("field.supplier"),
        Column("field.fingerprint"),
        *whole("field.krl_at"),
    )
    desk.show_table(columns, rows, found)


@authorities.command("krl", epilog='Example: ecluse login-ca krl "CA Imagix" revoked.krl')
def bring_krl(
    context: typer.Context,
    name: Name,
    file: Annotated[Path, typer.Argument(help="What ssh-keygen -k made.")],
    as_json: AsJson = False,
) -> None:
    """Revoke what a key revocation list of OpenSSH names, from now on."""
    desk = Desk.of(context, as_json)
    found = names.login_authority(desk.client, name)
    taken = desk.client.post(f"{_AUTHORITIES}/{found['id']}/krl", {"content": _encoded(file)})
    desk.done(taken, "login_ca.krl_taken", name=found["name"])


@authorities.command("remove", epilog='Example: ecluse login-ca remove "CA Imagix" --reason "Contrat fini"')
def remove_authority(context: typer.Context, name: Name, reason: Why, as_json: AsJson = False) -> None:
    """Believe an SSH authority no longer: its certificates let nobody in."""
    desk = Desk.of(context, as_json)
    found = names.login_authority(desk.client, name)
    desk.client.post(f"{_AUTHORITIES}/{found['id']}/remove", {"reason": reason})
    desk.done({"removed": found["id"]}, "login_ca.removed", name=found["name"])


@certificates.command("add", epilog="Example: ecluse people certificates add alice alice-et-chaine.pem")
def add_certificate(
    context: typer.Context,
    login: Login,
    file: Annotated[Path, typer.Argument(help="The certificate, then its intermediates, PEM.")],
    as_json: AsJson = False,
) -> None:
    """Bind the certificate of a token to a person. You vouch that its key is in the token."""
    desk = Desk.of(context, as_json)
    found = names.person(desk.client, login)
    body = {"certificate": _text(file)}
    made = desk.client.post(f"/v1/people/{found['id']}/certificates", body)
    desk.done(made, "people.certificate_added", login=found["login"], until=desk.moment(made["not_after"]))


@certificates.command("list", epilog="Example: ecluse people certificates list alice")
def list_certificates(context: typer.Context, login: Login, as_json: AsJson = False) -> None:
    """List the certificates of a person's token; `people keys remove` takes them away with their key."""
    desk = Desk.of(context, as_json)
    person = names.person(desk.client, login)
    found = list(desk.client.items(f"/v1/people/{person['id']}/certificates"))
    rows = [(item["subject"], desk.moment(item["not_after"]), item["key_fingerprint"]) for item in found]
    columns = (Column("field.subject"), *whole("field.not_after"), Column("field.fingerprint"))
    desk.show_table(columns, rows, found)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as broken:
        raise FileUnusable("file.unreadable", path=str(file)) from broken


def _encoded(file: Path) -> str:
    try:
        return base64.b64encode(file.read_bytes()).decode()
    except OSError as broken:
        raise FileUnusable("file.unreadable", path=str(file)) from broken
