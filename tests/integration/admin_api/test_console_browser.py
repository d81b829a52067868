"""The console as a person sees it: a real Chromium, on a desk and on a telephone, in both languages."""

import os
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from recorder.audit.events import SecurityEvent
from recorder.capture.session import Recording
from recorder.errors import StoreUnreachable
from recorder.trace.frames import FrameType, canonical
from tests.support.api_house import House
from tests.support.browser import Browser, window
from tests.support.console import give_cookie, session_of
from tests.support.recorded import pass_time, record, speak

pytestmark = pytest.mark.integration

HOSTILE = (
    "\x1b]0;pris\x07\x1b]2;pris\x07\x1b]52;c;cHJpcw==\x07\x1b]8;;javascript:document.title='pris'\x07lien\x1b]8;;\x07"
    "\x1bP+q544e\x1b\\</script><img src=x onerror=\"document.title='pris'\">\r\n"
)
LONG_LINE = "x" * 3_000_000


@pytest.fixture(scope="module")
def session_id(house: House) -> str:
    """A session of five minutes: hostile output, a line without end, a command, a file, hidden input, a warning."""

    def fill(recording: Recording) -> None:
        speak(recording, "premier écran\r\n", HOSTILE)
        pass_time(recording, 100)
        recording.record(FrameType.REQUEST, 2, canonical({"request": "exec", "command": "reboot tube"}))
        for start in range(0, len(LONG_LINE), 500_000):
            recording.record(FrameType.OUTPUT, 1, LONG_LINE[start : start + 500_000].encode())
        pass_time(recording, 100)
        recording.record(FrameType.RESIZE, 1, canonical({"columns": 120, "rows": 40}))
        recording.record(FrameType.OUTPUT, 1, b"\x1b[H\x1b[2Jdeuxi\xc3\xa8me \xc3\xa9cran\r\n")
        recording.record(FrameType.MARKER, 1, canonical({"kind": "unseen-input", "lines": 1}))
        told = {"op": "upload", "path": "/opt/<b>fw</b>.bin", "phase": "done", "size": 9, "sha256": "ab" * 32}
        recording.record(FrameType.FILE, 3, canonical(told))
        pass_time(recording, 100)
        recording.record(FrameType.OUTPUT, 1, b"fin\r\n")

    made = record(house, fill)
    for name in ("access.denied", "alarm.unseen_input"):
        event = SecurityEvent(
            name=name,
            hospital_id=house.world.id,
            at=house.clock.now(),
            actor="gateway",
            person_id=house.world.who("alice"),
            session_id=made,
            details={"device": "scan01", "lines": 1},
        )
        house.run(house.journal.append(event))
    house.run(house.world.services.access.heartbeat("gw1"))
    exercises = house.world.services.exercises
    house.run(exercises.run(house.world.who("rssi"), house.world.id, "Plan blanc", within=0.1))
    house.ingest_all()
    return made


def look(browser: Browser, what: str) -> None:
    """Find nothing wider than the window, and no fault that axe-core knows."""
    wide, room = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide <= room, what
    assert browser.faults() == [], what
    if "ECLUSE_SCREENSHOTS" in os.environ:
        browser.shoot(
            Path(os.environ["ECLUSE_SCREENSHOTS"]) / f"{what.strip('/').replace('/', '-')}-{room}.png"
        )


def screen(browser: Browser) -> str:
    """Return what the player's terminal shows."""
    return str(browser.run("return document.querySelector('#player .ap-term')?.innerText ?? ''"))


@pytest.mark.parametrize(("width", "language"), [(1280, "fr"), (390, "en")])
def test_every_screen_is_sound(
    house: House, chrome: httpx.Client, session_id: str, width: int, language: str
) -> None:
    """From the door through every screen to a replay: signed in by the form, each looked at, signed out."""
    french = language == "fr"
    house.clock.advance(timedelta(minutes=2))
    with window(chrome, language=language) as browser:
        browser.resize(width, 900)
        browser.go(f"{house.url}/console/sessions/{session_id}/replay")
        browser.wait_for_path("/console/sign-in")
        browser.go(f"{house.url}/console/language/{language}?back=/console/sign-in")
        look(browser, "door")
        browser.go(f"{house.url}/console/sessions/{session_id}/replay?t=1")
        browser.find("#login").type("rssi")
        browser.find("#password").type(house.world.passwords["rssi"].reveal())
        browser.find("#code").type(house.next_code("rssi"))
        browser.find("main form button").click()
        browser.wait_for_path(f"/console/sessions/{session_id}/read")
        assert ("Lire la trace" if french else "Read the trace") in browser.text
        look(browser, "read")
        browser.find("#reason").type("Plainte du service")
        browser.find("main form button").click()
        browser.wait_for_path(f"/console/sessions/{session_id}/replay")
        browser.wait_for("#player .ap-term")
        look(browser, "replay")
        for path, says in (
            ("/console", "Bonjour Renée Vert" if french else "Hello Renée Vert"),
            ("/console/sessions", "Passées" if french else "Past"),
            (f"/console/sessions/{session_id}", "Preuve" if french else "Proof"),
            (f"/console/sessions/{session_id}/download", "asciicast"),
            ("/console/presence?now=1", "Personne" if french else "Nobody"),
            ("/console/general-cut", "Plan blanc"),
            ("/console/journal", "accès refusé" if french else "access refused"),
            ("/console/nothing", "Rien" if french else "Nothing"),
        ):
            browser.go(f"{house.url}{path}")
            browser.wait_for_text(says)
            look(browser, path)
        revocations, rssi = house.world.services.revocations, house.world.who("rssi")
        house.run(revocations.cut_everything(rssi, house.world.id, "Attaque en cours"))
        browser.go(f"{house.url}/console/general-cut")
        browser.wait_for_text("Attaque en cours")
        house.run(revocations.reopen(rssi, house.world.id, "Fin"))
        look(browser, "closed")
        if width > 600:  # an arrow key chooses, and sends nothing away yet
            browser.go(f"{house.url}/console/sessions")
            browser.find("#f_state").type("\ue015\ue015")
            assert browser.run("return document.querySelector('#f_state').value") == "ended"
            browser.find(".filters button").click()
            browser.wait_until(lambda: "state=ended" in browser.url, "the list that was asked for")
        if width < 600:
            browser.find("#drawer summary").click()
            browser.wait_for_text("Se déconnecter" if french else "Sign out")
            look(browser, "drawer")
        browser.find("#drawer form button").click()
        browser.wait_for_text("déconnecté" if french else "signed out")
        look(browser, "left")
        assert "__Host-ecluse-console" not in {cookie["name"] for cookie in browser.cookies()}


def test_a_replay_begins_where_it_is_asked_and_nothing_hostile_acts(
    house: House, chrome: httpx.Client, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address tells the moment, marks lead to theirs, pauses shorten it; titles, links and scripts stay text.

    Where the store is away it is that which is told, and nothing is said to be prepared.
    """
    house.clock.advance(timedelta(minutes=2))
    shown = session_of(house, "rssi")
    visitor = house.run(house.world.services.console_sessions.authenticate(shown))
    house.run(house.world.services.console_sessions.read(visitor, session_id, "essai"))
    with window(chrome) as browser:
        give_cookie(browser, house, shown)
        browser.go(f"{house.url}/console/sessions/{session_id}/replay?t=50")
        browser._wait(lambda: "premier écran" in screen(browser), "first screen")
        assert "</script><img" in screen(browser)
        assert "lien" in screen(browser)
        assert not browser.has("#player img")
        assert not browser.has("#player a[href]")
        title = browser.run("return document.title")
        assert "pris" not in title
        browser.find(".moments li.unseen a").click()
        browser._wait(lambda: "deuxième écran" in screen(browser), "second screen")
        assert float(browser.url.partition("t=")[2]) == pytest.approx(200, abs=5)
        browser.find("#pauses").click()
        browser._wait(lambda: "deuxième écran" in screen(browser), "second screen, pauses cut")
        browser.go(f"{house.url}/console/sessions/{session_id}/replay?t=150")
        browser._wait(lambda: "x" * 60 in screen(browser), "the line without end")
        assert browser.run("return document.title") == title

        def away(*_: object) -> bytes:
            raise StoreUnreachable("away")

        monkeypatch.setattr("admin_api.console.staff.replay.trace_key", away)
        house.context.recordings._kept.clear()
        browser.find("#pauses").click()
        told = "const told = document.querySelector('#player'); return told.innerText === told.dataset.away"
        browser.wait_until(lambda: browser.run(told), "what is away")


def test_a_cut_is_confirmed_over_the_screen_and_the_list_follows(house: House, chrome: httpx.Client) -> None:
    """The live list shows a session that opens without being loaded again; its cut asks for the reason in a dialogue."""
    house.clock.advance(timedelta(minutes=2))
    world, shown = house.world, session_of(house, "rssi")
    with window(chrome, language="en") as browser:
        give_cookie(browser, house, shown)
        browser.go(f"{house.url}/console/language/en?back=/console/sessions")
        browser.wait_for_text("No session is going on")
        house.run(world.add_window())
        grant = house.run(world.grant())
        house.run(world.services.access.session_opened(grant, "gw1"))
        browser.wait_for("#live_list tbody tr")
        browser.find("#live_list tbody a").click()
        browser.find("a[data-dialog=cut]").click()
        browser.wait_for("dialog[open]")
        look(browser, "dialog")
        assert browser.run("return document.activeElement.name") == "reason"
        browser.find("dialog #reason").type("Écran figé")
        browser.find("dialog .btn-danger").click()
        browser.wait_for_text("The cut is asked for")
        since = house.clock.now() - timedelta(minutes=5)
        made = house.run(world.services.revocations.list(world.who("dsi"), world.id, since))
        assert made[-1].reason == "Écran figé"
    house.run(world.services.access.session_closed(grant.hospital_id, grant.session_id, "cut"))
