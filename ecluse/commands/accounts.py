"""``ecluse accounts``: the dedicated accounts of devices, whose secrets only the vault holds (rule T9)."""

from pathlib import Path
from typing import Annotated

import typer

from ecluse import names
from ecluse.client import Json
from ecluse.commands.enrol import first_line
from ecluse.commands.tasks import wait_for
from ecluse.desk import AsJson, Desk
from ecluse.errors import EcluseError, FileUnusable
from ecluse.tables import whole
from policy.vault.secret import Secret

group = typer.Typer(no_args_is_help=True, help="Dedicated accounts of devices.")

Device = Annotated[str, typer.Argument(help="Name of the device.")]
Account = Annotated[str, typer.Argument(help="Name of the account on the device.")]
PasswordFile = Annotated[Path | None, typer.Option(help="File whose first line is the password.")]
Why = Annotated[str, typer.Option("--reason", help="Kept in the journal.")]
Certificate = Annotated[
    bool, typer.Option("--certificate", help="It trusts the hospital's SSH authority, and has no secret.")
]
KeyFile = Annotated[Path | None, typer.Option(help="File that holds the private key, without passphrase.")]


@group.command("add", epilog="Example: ecluse accounts add scan01 maint --password-file secret.txt")
def add(
    context: typer.Context,
    device: Device,
    name: Account,
    password_file: PasswordFile = None,
    key_file: KeyFile = None,
    certificate: Certificate = False,
    as_json: AsJson = False,
) -> None:
    """Put a dedicated account into the vault. Its secret is never shown again."""
    desk = Desk.of(context, as_json)
    found = names.device(desk.client, device)
    body = {"name": name, **_secret(desk, password_file, key_file, certificate)}
    made = desk.client.post(f"/v1/devices/{found['id']}/accounts", body)
    key = "accounts.certified" if certificate else "accounts.added"
    desk.done(made, key, name=made["name"], device=found["name"])


@group.command("secret", epilog="Example: ecluse accounts secret scan01 maint --password-file secret.txt")
def secret(
    context: typer.Context,
    device: Device,
    name: Account,
    password_file: PasswordFile = None,
    key_file: KeyFile = None,
    certificate: Certificate = False,
    as_json: AsJson = False,
) -> None:
    """Replace the secret of an account by the one now set on the device, or by the trust in certificates."""
    desk = Desk.of(context, as_json)
    found = names.device(desk.client, device)
    account = names.account(desk.client, found["id"], name)
    given = _secret(desk, password_file, key_file, certificate)
    if given["method"] != account["method"] and "certificate" not in {given["method"], account["method"]}:
        raise FileUnusable("accounts.method", name=name, method=account["method"])
    changed = desk.client.put(f"/v1/devices/{found['id']}/accounts/{account['id']}/secret", given)
    key = "accounts.certified" if certificate else "accounts.replaced"
    desk.done(changed, key, name=name, device=found["name"])


@group.command("list", epilog="Example: ecluse accounts list scan01")
def list_(context: typer.Context, device: Device, as_json: AsJson = False) -> None:
    """List the dedicated accounts of a device."""
    desk = Desk.of(context, as_json)
    found = names.device(desk.client, device)
    accounts = list(desk.client.items(f"/v1/devices/{found['id']}/accounts"))
    rows = [
        (item["name"], desk.word("method", item["method"]), item["vaulted"], item["active"])
        for item in accounts
    ]
    columns = whole("field.account", "field.method", "field.vaulted", "field.active")
    desk.show_table(columns, rows, accounts)


@group.command(
    "suspend", epilog='Example: ecluse accounts suspend scan01 maint --reason "Secret peut-être connu"'
)
def suspend(
    context: typer.Context, device: Device, name: Account, reason: Why, as_json: AsJson = False
) -> None:
    """Let no session use the account, and cut those that do."""
    _act(context, device, name, "suspend", "accounts.suspended", reason, as_json)


@group.command("resume", epilog='Example: ecluse accounts resume scan01 maint --reason "Secret changé"')
def resume(
    context: typer.Context, device: Device, name: Account, reason: Why, as_json: AsJson = False
) -> None:
    """Let sessions use a suspended account again."""
    _act(context, device, name, "resume", "accounts.resumed", reason, as_json)


@group.command("try", epilog="Example: ecluse accounts try scan01 maint")
def try_(context: typer.Context, device: Device, name: Account, as_json: AsJson = False) -> None:
    """Ask a gateway to log in to the device with the account, and say whether it could."""
    desk = Desk.of(context, as_json)
    found = names.device(desk.client, device)
    account = names.account(desk.client, found["id"], name)
    if not found["host_keys"]:
        raise EcluseError("accounts.no_host_key", device=found["name"])
    body = {"kind": "try-account", "device_id": found["id"], "account_id": account["id"]}
    task = wait_for(desk, desk.client.post("/v1/tasks", body))
    desk.done(task, "accounts.tried", name=name, device=found["name"])


def _act(
    context: typer.Context, device: str, name: str, verb: str, key: str, reason: str, as_json: bool
) -> None:
    desk = Desk.of(context, as_json)
    found = names.device(desk.client, device)
    account = names.account(desk.client, found["id"], name)
    place = f"/v1/devices/{found['id']}/accounts/{account['id']}"
    changed = desk.client.post(f"{place}/{verb}", {"reason": reason})
    desk.done(changed, key, name=account["name"], device=found["name"])


def _secret(desk: Desk, password_file: Path | None, key_file: Path | None, certificate: bool) -> Json:
    if (password_file is not None) + (key_file is not None) + certificate > 1:
        raise typer.BadParameter("give one of them", param_hint="--password-file, --key-file, --certificate")
    if certificate:
        return {"method": "certificate"}
    if key_file is not None:
        try:
            return {"method": "key", "secret": key_file.read_text(encoding="utf-8")}
        except (OSError, UnicodeDecodeError) as broken:
            raise FileUnusable("file.unreadable", path=str(key_file)) from broken
    if password_file is not None:
        password = first_line(password_file)
    else:
        password = Secret(desk.ask("accounts.password", hidden=True))
    return {"method": "password", "secret": password.reveal()}
