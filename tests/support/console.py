"""Somebody of the hospital's staff at the console, over HTTP as a browser does it."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import httpx

from admin_api.console.caller import CONSOLE, LANGUAGE
from policy.vault.secret import Secret
from tests.support.api_house import House
from tests.support.browser import Browser, driver, window


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


def look_at(
    house: House,
    paths: Iterable[str],
    shown: Secret,
    folder: Path,
    act: Callable[[Browser], None] | None = None,
) -> None:
    """Open each of *paths* in a real browser as who shows *shown*, and do what *act* does on each.

    In both languages and at both widths nothing may be wider than the page; on a desk in French and on a telephone in
    English axe-core may find nothing. Pictures go to *folder* (see ``Browser.shoot``).
    """
    with driver() as chrome, window(chrome) as browser:
        give_cookie(browser, house, shown)
        for language, looked_at in (("fr", 1280), ("en", 390)):
            cookie = {"name": LANGUAGE, "value": language, "path": "/", "secure": True}
            browser.command("POST", "/cookie", {"cookie": cookie})
            for number, path in enumerate(paths):
                browser.go(f"{house.url}{path}")
                browser.find("h1")
                if act is not None:
                    act(browser)
                for width in (1280, 390):
                    browser.resize(width, 900)
                    assert browser.run("return document.documentElement.scrollWidth") <= width, (
                        path,
                        language,
                    )
                    if width == looked_at:
                        assert browser.faults() == [], (path, language)
                    browser.shoot(folder / f"{number}-{language}-{width}.png")


@contextmanager
def signed_in(house: House, login: str, language: str = "en") -> Iterator[httpx.Client]:
    """Give a client that has signed in; it follows no redirection by itself."""
    with house.client(language=language) as client:
        client.cookies.set(CONSOLE, session_of(house, login).reveal(), domain="127.0.0.1", path="/")
        client.cookies.set(LANGUAGE, language, domain="127.0.0.1", path="/")
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
