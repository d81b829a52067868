"""Somebody of the hospital's staff at the console, over HTTP as a browser does it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape

import httpx

from admin_api.console.caller import CONSOLE
from policy.vault.secret import Secret
from tests.support.api_house import House
from tests.support.browser import Browser


def session_of(house: House, login: str) -> Secret:
    """Begin a session of the console for somebody, and return what her browser would show."""
    world = house.world
    code = house.next_code(login)
    signing = world.services.console_sessions.sign_in(
        world.id, login, world.passwords[login], code, "127.0.0.1"
    )
    return house.run(signing)


def give_cookie(browser: Browser, house: House, shown: Secret) -> None:
    """Let *browser* show that session, as if it had signed in."""
    browser.go(f"{house.url}/static/mark.svg")
    cookie = {
        "name": CONSOLE,
        "value": shown.reveal(),
        "path": "/",
        "secure": True,
        "httpOnly": True,
        "sameSite": "Strict",
    }
    browser.command("POST", "/cookie", {"cookie": cookie})


@contextmanager
def signed_in(house: House, login: str, language: str = "en") -> Iterator[httpx.Client]:
    """Give a client that has signed in; it follows no redirection by itself."""
    with house.client(language=language) as client:
        client.cookies.set(CONSOLE, session_of(house, login).reveal(), domain="127.0.0.1", path="/")
        client.cookies.set("__Host-ecluse-language", language, domain="127.0.0.1", path="/")
        yield client


def token_of(page: str) -> str:
    """Return the token that the forms of *page* carry."""
    return field(page, "form_token")


def field(page: str, name: str) -> str:
    """Return the value of a hidden field of *page*."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    if found is None:
        raise LookupError(f"no field {name} in {page[:500]}")
    return unescape(found[1])
