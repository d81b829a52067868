"""The console over HTTP: who gets in, what each role opens, and what forms and addresses cannot do."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from admin_api.console.caller import CONSOLE
from admin_api.console.staff.app import all_screens
from admin_api.console.staff.screens import Screen
from tests.support.alarm_rows import furnish_alarms
from tests.support.api_house import House
from tests.support.console import field, signed_in, token_of
from tests.support.recorded import record, speak

pytestmark = pytest.mark.integration

HOSTILE = "</script><script>alert(1)</script>\x1b]0;titre\x07"


@pytest.fixture(autouse=True)
def _calm(house: House) -> None:
    """Let the minute of the test before pass: sources are counted by the minute."""
    house.clock.advance(timedelta(minutes=2))


@pytest.fixture(scope="module")
def session_id(house: House) -> str:
    """A recorded session of alice's; there is an alarm of the same identifier."""
    recorded = record(house, lambda recording: speak(recording, "bonjour\r\n"))

    async def alarm() -> None:
        async with house.world.services.database.unit_of_work(None, house.clock) as work:
            await furnish_alarms(work, house.world.id, house.clock.now(), recorded)

    house.run(alarm())
    return recorded


def filled(screen: Screen, session_id: str) -> str:
    """Return a path of that screen that something stands behind."""
    return re.sub(r"\{[^}]*\}", session_id, re.sub(r"\{[^}]*:int\}", "0", screen.path))


def guarded() -> Iterator[Screen]:
    """Every screen that is not for anyone."""
    return (screen for screen in all_screens() if not screen.public)


def test_nobody_sees_anything_before_signing_in(house: House, session_id: str) -> None:
    """Each screen leads to the door, each form is refused, and neither says what is behind it."""
    with house.client() as client:
        for screen in guarded():
            answer = client.request(screen.method, filled(screen, session_id))
            if screen.method == "GET":
                assert answer.status_code == 303, screen.path
                assert answer.headers["location"].startswith("/console/sign-in?next=%2Fconsole"), screen.path
            else:
                assert answer.status_code == 401, screen.path
            assert "scan01" not in answer.text
        partly = client.get("/console/sessions/live", headers={"HX-Request": "true"})
        assert (partly.status_code, partly.headers["hx-refresh"]) == (401, "true")


@pytest.mark.parametrize("login", ["dsi", "rssi"])
def test_each_role_opens_its_own_screens_and_no_other(house: House, session_id: str, login: str) -> None:
    """What a screen declares is what it does, for every screen and every role of that person."""
    with signed_in(house, login) as client:
        roles = house.world.people[login].roles
        for screen in guarded():
            if screen.path == "/console/sign-out":
                continue
            answer = client.request(screen.method, filled(screen, session_id))
            if not screen.open_to(roles):
                assert answer.status_code == 403, screen.path
                assert "Not with your role" in answer.text
            elif screen.method == "GET":
                # what is no session's has no such identifier: the role was right, and nothing is there
                other = "{" in screen.path.replace("{session_id}", "").replace("{number:int}", "")
                assert answer.status_code in {200, 303, *({404} if other else ())}, screen.path
            else:  # without its token
                assert answer.status_code == 403, screen.path
                assert "This form was not taken" in answer.text


def test_a_role_that_was_taken_away_opens_nothing_any_more(house: House) -> None:
    """Roles are those of now, not those of the log-in."""
    with signed_in(house, "rssi") as client:
        assert client.get("/console/journal").status_code == 200
        house.run(
            house.world.services.people.suspend(
                house.world.who("dsi"), house.world.id, house.world.who("rssi"), reason="essai"
            )
        )
        try:
            assert client.get("/console/journal").status_code == 303
        finally:
            house.run(
                house.world.services.people.resume(
                    house.world.who("dsi"), house.world.id, house.world.who("rssi"), reason="essai"
                )
            )
        assert client.get("/console/journal").status_code == 303


def test_the_door_answers_alike_whatever_is_wrong(house: House) -> None:
    """An unknown login, a wrong password and a wrong code read alike; the cookie is nobody else's to see."""
    texts = set()
    for login, password, code in (
        ("nobody", "x", "000000"),
        ("rssi", "x", house.next_code("rssi")),
        ("rssi", house.world.passwords["rssi"].reveal(), "000000"),
    ):
        with house.client() as client:
            page = client.get("/console/sign-in")
            form = {"form_token": token_of(page.text), "login": login, "password": password, "code": code}
            answer = client.post("/console/sign-in", data=form)
            assert answer.status_code == 401
            assert CONSOLE not in answer.cookies
            texts.add(re.sub(r'value="[^"]*"', "", answer.text))
    assert len(texts) == 1
    house.clock.advance(timedelta(hours=2))
    with house.client() as client:
        page = client.get("/console/sign-in?next=%2Fconsole%2Fsessions")
        form = {
            "form_token": token_of(page.text),
            "next": field(page.text, "next"),
            "login": "rssi",
            "password": house.world.passwords["rssi"].reveal(),
            "code": house.next_code("rssi"),
        }
        answer = client.post("/console/sign-in", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/sessions")
        told = [line for line in answer.headers.get_list("set-cookie") if line.startswith(CONSOLE)]
        assert len(told) == 1
        for part in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"):
            assert part.lower() in told[0].lower()
        assert "Domain" not in told[0]


def test_a_technician_stays_outside(house: House) -> None:
    """Right factors of somebody who is none of the staff open no session."""
    with house.client() as client:
        form = {
            "form_token": token_of(client.get("/console/sign-in").text),
            "login": "alice",
            "password": house.world.passwords["alice"].reveal(),
            "code": house.next_code("alice"),
        }
        answer = client.post("/console/sign-in", data=form)
        assert answer.status_code == 403
        assert CONSOLE not in answer.cookies


def test_a_form_from_elsewhere_is_refused(house: House) -> None:
    """Without the token of this very browser, or with another site's origin, nothing is taken."""
    with signed_in(house, "rssi") as client, signed_in(house, "dsi") as other:
        foreign = token_of(other.get("/console").text)
        own = token_of(client.get("/console").text)
        for headers, token in (
            ({}, foreign),
            ({}, ""),
            ({"Origin": "https://evil.example"}, own),
            ({"Sec-Fetch-Site": "cross-site"}, own),
        ):
            answer = client.post("/console/sign-out", data={"form_token": token}, headers=headers)
            assert answer.status_code == 403
        assert client.get("/console").status_code == 200
        assert client.post("/console/sign-out", data={"form_token": own}).status_code == 200
        assert client.get("/console").status_code == 303


def test_a_link_from_a_mail_is_asked_once_more_from_here(house: House) -> None:
    """The strict cookie does not come from another site: the browser asks again, then goes to the door."""
    with house.client() as client:
        first = client.get("/console/sessions?person=1", headers={"Sec-Fetch-Site": "cross-site"})
        assert first.status_code == 200
        assert 'content="0; url=/console/sessions?person=1&amp;again=1"' in first.text
        again = client.get("/console/sessions?person=1&again=1", headers={"Sec-Fetch-Site": "cross-site"})
        assert again.status_code == 303


def test_the_list_that_refreshes_itself_keeps_nobody_in(house: House) -> None:
    """A browser left on the list of sessions is signed out by rest like any other."""
    with signed_in(house, "rssi") as client:
        for _ in range(4):
            house.clock.advance(timedelta(minutes=8))
            last = client.get("/console/sessions/live", headers={"HX-Request": "true"})
        assert (last.status_code, last.headers["hx-refresh"]) == (401, "true")
        assert client.get("/console").status_code == 303


def test_every_answer_keeps_scripts_and_frames_out(house: House, session_id: str) -> None:
    """Each screen has a policy without inline script or style, and is kept by no cache."""
    with signed_in(house, "rssi") as client:
        for path in ("/console", "/console/sessions", f"/console/sessions/{session_id}", "/console/nothing"):
            answer = client.get(path)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe-inline" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["cache-control"] == "no-store"
            assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|style=", answer.text)


def test_lists_narrow_by_what_is_asked(house: House, session_id: str) -> None:
    """A session is found by its person, supplier, device and day, and by no other; a made-up cursor starts anew."""
    world, day = house.world, f"{house.clock.now():%Y-%m-%d}"
    with signed_in(house, "rssi") as client:
        for query in ("", f"person={world.who('alice')}", f"device={world.device.id}", "state=ended"):
            assert session_id in client.get(f"/console/sessions?{query}").text, query
        assert session_id in client.get(f"/console/sessions?from=2026-11-01&to={day}").text
        for query in (f"person={world.who('bob')}", "supplier=none", "to=2020-01-01", "state=live"):
            assert session_id not in client.get(f"/console/sessions?{query}").text, query
        assert client.get("/console/sessions?after=made-up").status_code == 303
        assert client.get("/console/journal?after=made-up").status_code == 303


def test_a_cut_needs_a_reason_and_ends_the_session(house: House) -> None:
    """The page without scripts asks for the reason; with one the cut is policy's, and who and why are journalled."""
    world = house.world
    house.run(world.add_window())
    grant = house.run(world.grant())
    house.run(world.services.access.session_opened(grant, "gw1"))
    path = f"/console/sessions/{grant.session_id}"
    with signed_in(house, "rssi") as client:
        assert "Cut this session?" in client.get(f"{path}/cut").text
        token = token_of(client.get(f"{path}/cut").text)
        assert client.post(f"{path}/cut", data={"form_token": token, "reason": " "}).status_code == 422
        since = house.clock.now() - timedelta(minutes=1)
        cuts = world.services.revocations.list(world.who("dsi"), world.id, since)
        assert house.run(cuts) == []
        answer = client.post(f"{path}/cut", data={"form_token": token, "reason": "Écran figé"})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?cut=1")
        made = house.run(world.services.revocations.list(world.who("dsi"), world.id, since))
        assert [(one.target, one.reason, one.by) for one in made] == [
            (grant.session_id, "Écran figé", world.who("rssi"))
        ]
        asked_for = client.get(f"{path}?cut=1").text
        assert "The cut is asked for" in asked_for
        assert f'href="{path}/cut"' not in asked_for
        house.run(world.services.access.session_closed(grant.hospital_id, grant.session_id, "cut"))
        over = client.get(f"{path}?cut=1").text
        assert "Its window stays open" in over
        assert "The cut is asked for" not in over


def test_a_slash_too_many_leads_to_the_console(house: House) -> None:
    """Whoever types the address with a slash at its end is not told that nothing is there."""
    with house.client() as client:
        answer = client.get("/console/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")


def test_missing_files_are_told(house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where set-up fetched nothing, the door says so and how to mend it; it serves all the same."""
    monkeypatch.setattr("admin_api.console.staff.assets.VENDOR", ("bootstrap.css", "absent.js"))
    with house.client() as client:
        answer = client.get("/console/sign-in")
    assert answer.status_code == 200
    assert "absent.js" in answer.text
    assert "make setup-run" in answer.text


def test_files_are_kept_as_long_as_their_address(house: House) -> None:
    """A file asked for by its digest may be kept for ever, by any other never."""
    with house.client() as client:
        page = client.get("/console/sign-in").text
        found = re.findall(r'(?:href|src)="(/static/[^"]+\?v=[0-9a-f]{16})"', page)
        assert len(found) >= 5
        for address in found:
            answer = client.get(address)
            assert answer.status_code == 200, address
            assert "immutable" in answer.headers["cache-control"]
        stale = client.get(f"{found[0].partition('?')[0]}?v=0")
        assert stale.headers["cache-control"] == "no-store"


def test_a_hostile_purpose_is_text(house: House) -> None:
    """What a person wrote is shown as it is written, in the list and on the session's own page."""
    session = record(house, lambda recording: speak(recording, "x"), purpose=HOSTILE)
    with signed_in(house, "rssi") as client:
        for path in ("/console/sessions", f"/console/sessions/{session}"):
            text = client.get(path).text
            assert "<script>alert" not in text
            assert "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;\\x1b]0;titre\\x07" in text


def test_the_console_s_languages_say_the_same(house: House) -> None:
    """The language is the person's, until she chooses another; her choice leads back to where she was."""
    with signed_in(house, "rssi") as client:
        del client.headers["Accept-Language"]
        assert 'lang="fr"' in client.get("/console").text
        answer = client.get("/console/language/en?back=/console/sessions")
        assert answer.headers["location"] == "/console/sessions"
        assert 'lang="en"' in client.get("/console").text
        assert client.get("/console/language/en?back=https://evil.example").headers["location"] == "/console"


def test_a_trace_is_verified_and_what_was_found_stays_on_its_page(house: House) -> None:
    """Intact first, then altered: each time the page says what was found, when, and the journal has it."""
    session = record(house, lambda recording: speak(recording, "bonjour\r\n" * 40))
    path = f"/console/sessions/{session}"
    with signed_in(house, "rssi") as client:
        assert "Nobody has verified" in client.get(path).text
        form = {"form_token": token_of(client.get(path).text)}
        assert client.post(f"{path}/verify", data=form).headers["location"] == f"{path}#proof"
        assert "Intact: not one byte" in client.get(path).text
        trace = house.store.open(house.world.id, session) / "trace-000001.ecl"
        stored = bytearray(trace.read_bytes())
        stored[-3] ^= 1
        trace.chmod(0o640)
        trace.write_bytes(stored)
        house.clock.advance(timedelta(seconds=5))
        client.post(f"{path}/verify", data=form)
        assert "Altered: the trace is not" in client.get(path).text


def test_a_decision_is_told_rule_by_rule_in_the_reader_s_words(house: House) -> None:
    """What the gateway kept of a grant is said again in either language, instants and factors as people write them."""
    house.run(house.world.add_window())
    grant = house.run(house.world.grant())
    findings = [finding.described() for finding in grant.findings]
    session = record(
        house, lambda recording: speak(recording, "x"), decision={"level": "standard", "findings": findings}
    )
    for language, says in (("en", "Proved: "), ("fr", "Prouvé")):
        with signed_in(house, "rssi", language) as client:
            text = client.get(f"/console/sessions/{session}").text
            assert says in text
            assert "PGSSIS-E3" in text
            assert text.count('<li class="held">') == len(findings)
            assert "password, totp" not in text
