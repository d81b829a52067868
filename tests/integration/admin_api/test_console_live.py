"""A live session in the browser, and the WebSocket behind it tried by those who may not open it."""

import json
import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from admin_api.console.caller import CONSOLE
from policy.vault.secret import Secret
from tests.support.api_house import House
from tests.support.browser import window
from tests.support.console import give_cookie, session_of, token_of
from tests.support.recorded import Going, beat, leased

pytestmark = pytest.mark.integration

WHY = "Appel du service"


@pytest.fixture
def session(house: House) -> Iterator[Going]:
    """A session under way that policy and the catalogue know."""
    with leased(house) as begun:
        begun.open_terminal()
        begun.show("maint@scan01:~$ ")
        begun.wait_until_shipped()
        yield begun


class Staff:
    """One of the staff, signed in, who has given her reason."""

    def __init__(self, house: House, session: Going, login: str = "rssi", *, reads: bool = True) -> None:
        self.house, self.session = house, session
        self.shown = session_of(house, login)
        self.base = f"/console/sessions/{session.session_id}"
        beat(house)
        if reads:
            service = house.world.services.console_sessions
            visitor = house.run(service.authenticate(self.shown))
            house.run(service.read(visitor, session.session_id, WHY))

    def ticket(self) -> str:
        """Ask for a ticket as the page does."""
        with self.house.client() as client:
            client.cookies.set(CONSOLE, self.shown.reveal(), domain="127.0.0.1", path="/")
            page = client.get(f"{self.base}/live").text
            answer = client.post(f"{self.base}/live/ticket", data={"form_token": token_of(page)})
        return str(answer.json()["ticket"])

    def open(
        self, ticket: str | None, *, origin: str | None = None, cookie: Secret | None = None
    ) -> "Stream":
        """Open the WebSocket as a browser does."""
        shown = self.shown if cookie is None else cookie
        offered = ["v1.alis", *([] if ticket is None else [f"ticket.{ticket}"])]
        return Stream(
            self.house,
            f"{self.base}/live/stream",
            origin=Origin(self.house.url if origin is None else origin),
            additional_headers={"Cookie": f"{CONSOLE}={shown.reveal()}"},
            subprotocols=[Subprotocol(one) for one in offered],
        )


class Stream:
    """A WebSocket's client in the house's own loop.

    One thread both reads and writes: two on one TLS 1.3 socket of Python before 3.13.7 lose what is written while the
    other takes the server's session tickets, so that a handshake now and then never reaches the server.
    """

    def __init__(self, house: House, path: str, **asked: Any) -> None:
        self.house = house
        self.line = house.run(self._connect(path, asked))

    async def _connect(self, path: str, asked: dict[str, Any]) -> ClientConnection:
        trust = ssl.create_default_context(cafile=str(self.house.ca))
        return await connect(self.house.url.replace("https", "wss") + path, ssl=trust, proxy=None, **asked)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.house.run(self.line.close())

    def recv(self) -> str | bytes:
        """Return the next message; raises ConnectionClosed."""
        return self.house.run(self.line.recv())

    def words(self) -> Iterator[dict[str, Any]]:
        """What is said beside the picture, until the stream ends."""
        while True:
            try:
                message = self.recv()
            except ConnectionClosed:
                return
            if isinstance(message, str):
                yield json.loads(message)


@contextmanager
def following(house: House, session: Going) -> Iterator[tuple[Staff, Stream]]:
    """Give somebody who may read, and the stream that she opened."""
    staff = Staff(house, session)
    ticket = staff.ticket()
    beat(house)
    with staff.open(ticket) as stream:
        yield staff, stream


def test_the_stream_is_the_players_and_ends_with_the_session(house: House, session: Going) -> None:
    """Magic, a screen, events, the end and its reason, and words beside them."""
    with following(house, session) as (_, stream):
        assert stream.recv() == b"ALiS\x01"
        told = stream.words()
        assert next(told)["type"] == "channels"
        assert next(told)["type"] == "screen"
        assert next(told) == {"type": "live"}
        session.show("uptime")
        message = next(one for one in iter(stream.recv, None) if isinstance(one, bytes))
        assert message[:1] == b"o"
        assert message.endswith(b"uptime")
        session.end()
        assert next(one for one in told if one["type"] == "end")["why"] == "ended"
        with pytest.raises(ConnectionClosed) as closed:
            stream.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4000


def test_a_ticket_is_good_once_and_for_one_session(
    house: House, session: Going, caplog: pytest.LogCaptureFixture
) -> None:
    """Shown twice, made up, or another person's, it opens nothing that shows anything; no log line has it."""
    caplog.set_level(logging.INFO)
    staff, other = Staff(house, session), Staff(house, session)
    ticket, others = staff.ticket(), other.ticket()
    beat(house)
    with staff.open(ticket) as stream:
        assert stream.recv() == b"ALiS\x01"
    for wrong in (ticket, others, "x" * 43, "", None):
        with staff.open(wrong) as stream, pytest.raises(ConnectionClosed) as closed:
            stream.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4003
    assert f"{staff.base}/live/stream" in caplog.text
    assert ticket not in caplog.text


def test_nobody_else_opens_the_stream(house: House, session: Going) -> None:
    """Another page's origin, no session, another role, and no reason given: each is refused before it is open."""
    staff = Staff(house, session)
    ticket = staff.ticket()
    beat(house)
    unread = Staff(house, session, reads=False)
    elsewhere = partial(staff.open, ticket, origin="https://evil.example")
    nobody = partial(staff.open, ticket, cookie=Secret("made-up"))
    another = partial(staff.open, ticket, cookie=session_of(house, "dsi"))
    for opened in (elsewhere, nobody, another, partial(unread.open, ticket)):
        with pytest.raises(InvalidStatus) as refused:
            opened()
        assert refused.value.response.status_code == 403
    with pytest.raises(InvalidStatus):
        Stream(house, "/v1/anything")


def test_signing_out_closes_the_stream(house: House, session: Going) -> None:
    """The watch ends with the session of the console, within seconds."""
    with following(house, session) as (staff, stream):
        told = stream.words()
        assert next(one for one in told if one["type"] == "live")
        house.run(house.world.services.console_sessions.sign_out(staff.shown))
        assert next(one for one in told if one["type"] == "end")["why"] == "signed_out"


def test_a_person_follows_a_session_in_her_browser(
    house: House, chrome: httpx.Client, session: Going, tmp_path: Path
) -> None:
    """From the session's page by reason and code to the live picture: drawn, going on, over; sound for axe-core, nothing wider."""
    page = f"/console/sessions/{session.session_id}"
    session.show("\x1b]0;pris\x07\x1b[32mavant\x1b[0m")
    shots = Path(os.environ.get("ECLUSE_SCREENSHOTS", tmp_path))
    with window(chrome, language="fr") as browser:
        browser.resize(1280, 900)
        shown = session_of(house, "rssi")
        beat(house)
        give_cookie(browser, house, shown)
        browser.go(f"{house.url}/console/language/fr?back=/console")
        browser.go(f"{house.url}{page}")
        browser.wait_for_text("Suivre en direct")
        browser.go(f"{house.url}{page}/live")
        browser.wait_for_path(f"{page}/read")
        browser.find("#reason").type(WHY)
        browser.find("main form button").click()
        browser.wait_for_path(f"{page}/live")
        browser.wait_for("#player .ap-term")
        browser.wait_for_text("En direct")
        session.show(" et maintenant")

        def screen() -> str:
            shown = browser.run("return document.querySelector('#player .ap-term')?.innerText ?? ''")
            return " ".join(str(shown).split())

        browser.wait_until(lambda: "avant et maintenant" in screen(), "what came is shown")
        assert "pris" not in browser.run("return document.title")
        channels = browser.run("return document.getElementById('channel').textContent")
        assert "1 · terminal" in channels, "a shell is named as everywhere else"
        for width in (1280, 390):
            browser.resize(width, 900)
            wide, room = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
            assert wide <= room
            assert browser.faults() == []
            browser.shoot(shots / f"live-{width}.png")
        session.end()
        browser.wait_for_text("Fin de la session")
        assert browser.run("return document.querySelector('main a[data-dialog=cut]').hidden")
        browser.shoot(shots / "live-over.png")
