"""``ecluse login``, ``logout`` and ``whoami``: the token of this machine."""

from pathlib import Path
from typing import Annotated

import typer

from ecluse import profile
from ecluse.desk import AsJson, Desk
from policy.vault.secret import Secret


def register(root: typer.Typer) -> None:
    """Add the commands to *root*."""
    root.command(
        "login",
        epilog="Example: ecluse login --url https://127.0.0.1:8443 --ca /var/lib/ecluse/ca.pem --login denis",
    )(login)
    root.command("logout", epilog="Example: ecluse logout")(logout)
    root.command("whoami", epilog="Example: ecluse whoami --json")(whoami)


def login(
    context: typer.Context,
    name: Annotated[str, typer.Option("--login", prompt=True, help="Your login.")],
    url: Annotated[str | None, typer.Option(help="Address of the API, https://host:port.")] = None,
    ca: Annotated[Path | None, typer.Option(help="Certificate of the installation's CA (PEM).")] = None,
    as_json: AsJson = False,
) -> None:
    """Log in with password and code; the token stays on this machine until it is over."""
    desk = Desk.of(context, as_json)
    place = profile.load(desk.environment, url=url, ca=ca)
    password = Secret(desk.ask("login.password", hidden=True))
    code = desk.fresh_code()
    anonymous = profile.Profile(url=place.url, ca=place.ca, token=None)
    answer = desk.client_for(anonymous).post(
        "/v1/login", {"login": name, "password": password.reveal(), "code": code}
    )
    fresh = profile.Profile(url=place.url, ca=place.ca, token=Secret(str(answer["token"])))
    kept = profile.save(desk.environment, fresh)
    document = {"login": answer["person"]["login"], "expires": answer["expires"], "file": str(kept)}
    desk.done(document, "login.done", name=answer["person"]["full_name"], path=str(kept))
    if overruling := profile.overruling(desk.environment, fresh):
        desk.note("login.overruled", names=" ".join(overruling), name=answer["person"]["full_name"])


def logout(context: typer.Context, as_json: AsJson = False) -> None:
    """End the token of this machine."""
    desk = Desk.of(context, as_json)
    try:
        desk.client.post("/v1/logout")
    finally:
        if not desk.environment.get("ECLUSE_API_TOKEN_FILE"):  # else the token that ended is the script's
            profile.forget(desk.environment)
    desk.done({"logged_out": True}, "logout.done")


def whoami(context: typer.Context, as_json: AsJson = False) -> None:
    """Show whose token this machine holds, and what it may do."""
    desk = Desk.of(context, as_json)
    me = desk.client.get("/v1/me")
    person = me["person"]
    fields = [
        ("field.login", person["login"]),
        ("field.name", person["full_name"]),
        ("field.roles", [desk.say(f"role.{role}") for role in person["roles"]]),
        ("field.hospital", me["hospital"]["name"]),
    ]
    desk.show_record(fields, me)
