"""The pages attacked over HTTP: links, cookies, forms, hosts, bodies; what is refused, and that nothing changed."""

import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import httpx
import pyotp
import pytest

from admin_api.console.guard import HEADERS
from ecluse import logs
from policy.domain.people import Role
from policy.services.people import Invited
from tests.support.api_house import House, open_house
from tests.support.waiting import until

pytestmark = pytest.mark.integration

PASSWORD = "trois loutres et un violon"
STEPS = ("welcome", "password", "code", "key", "engagements", "recovery", "connection")
WAYS = ("sign-in", "lost-phone", "lost-password")
VISIT = "__Host-ecluse-visit"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The fixture hospital, whose technicians accept the texts."""
    with open_house(tmp_path_factory.mktemp("house"), engagements=True) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _calm(house: House) -> None:
    """Let the minute of the test before pass: sources are counted by the minute."""
    house.clock.advance(timedelta(minutes=2))


_HIRED: list[int] = []


def hired(house: House) -> tuple[str, Invited]:
    """Invite somebody new."""
    _HIRED.append(1)
    login = f"tech{len(_HIRED)}"
    world = house.world
    people, dsi = world.services.people, world.who("dsi")
    person = house.run(
        people.create(
            dsi,
            world.id,
            login=login,
            full_name=f"Camille {len(_HIRED)}",
            email=f"{login}.x@imagix.example",
            roles=frozenset({Role.TECHNICIAN}),
            supplier_id=world.supplier.id,
        )
    )
    return login, house.run(people.invite(dsi, world.id, person.id))


def browser(house: House) -> httpx.Client:
    """Return a client that keeps cookies, as a browser does, and follows nothing by itself."""
    return house.client(language="fr")


def path_of(invited: Invited) -> str:
    """Return the path of an invitation's link."""
    return f"/i/{invited.token.reveal()}"


def send(client: httpx.Client, path: str, page: httpx.Response, **fields: str) -> httpx.Response:
    """Send the form of *page* as a browser would."""
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', page.text)
    assert found, page.text
    return client.post(path, data={"form_token": found[1], **fields})


def choose(client: httpx.Client) -> str:
    """Choose the password, and return the TOTP secret that is shown."""
    page = client.get("/enrol/password")
    done = send(client, "/enrol/password", page, password=PASSWORD, again=PASSWORD)
    assert done.status_code == 303, done.text
    shown = client.get("/enrol/code").text
    found = re.search(r'class="secret">([A-Z2-7 ]+)<', shown)
    assert found
    return found[1].replace(" ", "")


def enrolled(house: House, client: httpx.Client, invited: Invited) -> str:
    """Go from the link to the proved code, and return the TOTP secret."""
    assert client.get(path_of(invited)).status_code == 200
    secret = choose(client)
    code = pyotp.TOTP(secret).at(house.clock.now())
    done = send(client, "/enrol/code", client.get("/enrol/code"), code=code)
    assert done.headers["location"] == "/enrol/key"
    return secret


def test_a_scanner_that_opens_the_link_uses_nothing_up(house: House) -> None:
    """However often a mail filter asks for the link, by GET or HEAD, the person enrols afterwards."""
    _, invited = hired(house)
    with browser(house) as scanner:
        for _ in range(12):
            assert scanner.get(path_of(invited)).status_code == 200
            scanner.cookies.clear()
            scanner.head(path_of(invited))
    with browser(house) as hers:
        enrolled(house, hers, invited)


def test_a_link_serves_once_and_whoever_opened_it_too_is_out(house: House) -> None:
    """Once a code was proved, the link opens nothing, and a visit begun by the same link goes no further."""
    _, invited = hired(house)
    with browser(house) as hers, browser(house) as his:
        assert his.get(path_of(invited)).status_code == 200
        choose(his)
        enrolled(house, hers, invited)
        assert his.get("/enrol/code").status_code == 401
        assert his.get("/enrol/key").status_code == 401
        again = his.get(path_of(invited))
        assert again.status_code == 404
        assert VISIT not in again.headers.get("set-cookie", "")


def test_a_second_browser_never_sees_the_secret_of_the_first(house: House) -> None:
    """The TOTP secret is shown to the visit that chose the password alone, and choosing again ends it."""
    _, invited = hired(house)
    with browser(house) as hers, browser(house) as his:
        hers.get(path_of(invited))
        his.get(path_of(invited))
        first = choose(hers)
        assert his.get("/enrol/code").headers["location"] == "/enrol/welcome"
        second = choose(his)
        assert second != first
        assert hers.get("/enrol/code").headers["location"] == "/enrol/welcome"


def test_links_that_never_were_are_over_or_are_cut_read_alike(house: House) -> None:
    """Guessed, expired, cut and foreign links get one answer, byte for byte."""
    _, expired = hired(house)
    _, cut = hired(house)
    token = cut.token.reveal()
    guessed = f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}"
    house.clock.advance(timedelta(days=8))
    with browser(house) as client:
        pages = [
            client.get(path)
            for path in (path_of(expired), f"/i/{guessed}", f"/i/{token[:40]}", "/i/x", f"/i/{'A' * 290}")
        ]
        assert {page.status_code for page in pages} == {404}
        assert len({re.sub(r"[0-9a-f]{64}", "", page.text) for page in pages}) == 1
        assert all(VISIT not in page.headers.get("set-cookie", "") for page in pages)


def test_the_token_is_in_no_page_no_address_and_no_log(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the link itself, nothing that is answered, set, redirected to or logged holds the token."""
    _, invited = hired(house)
    token = invited.token.reveal()
    written = StringIO()
    logs.configure("debug", written)
    with browser(house) as client:
        answers = [client.get(path_of(invited)), client.get("/enrol")]
        answers += [client.get(f"/enrol/{step}") for step in STEPS]
        # a fault of ours, planted where the token is at hand
        monkeypatch.setattr(house.world.services.visits, "open", _broken)
        answers.append(client.get(path_of(invited)))
    assert answers[-1].status_code == 500
    for answer in answers:
        assert token not in answer.text
        assert token not in str(answer.headers)
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
    # the answer leaves before its line is written, by the server's own thread
    until(lambda: "api.internal_error" in written.getvalue(), "the line of the fault")
    assert token not in written.getvalue()
    assert "eclinv_" not in written.getvalue()


async def _broken(*_arguments: object) -> None:
    raise RuntimeError("planted")


def test_a_form_without_its_token_or_from_elsewhere_changes_nothing(house: House) -> None:
    """No token, another visit's token, another site, another origin, another kind of body: refused, unchanged."""
    _, invited = hired(house)
    with browser(house) as client, browser(house) as other:
        client.get(path_of(invited))
        other.get("/account/sign-in")
        page = client.get("/enrol/password")
        good = re.search(r'value="([0-9a-f]{64})"', page.text)
        foreign = re.search(r'value="([0-9a-f]{64})"', other.get("/account/sign-in").text)
        assert good
        assert foreign
        fields = {"password": PASSWORD, "again": PASSWORD}
        whole = {"form_token": good[1], **fields}
        tried = [
            client.post("/enrol/password", data=fields),
            client.post("/enrol/password", data={"form_token": foreign[1], **fields}),
            client.post("/enrol/password", data={"form_token": "é" * 64, **fields}),
            client.post("/enrol/password", data=whole, headers={"Sec-Fetch-Site": "cross-site"}),
            client.post("/enrol/password", data=whole, headers={"Sec-Fetch-Site": "same-site"}),
            client.post("/enrol/password", data=whole, headers={"Origin": "https://evil.example"}),
            client.post("/enrol/password", json=whole),
            client.post("/enrol/password", content=b"--", headers={"Content-Type": "multipart/form-data"}),
        ]
        assert [one.status_code for one in tried] == [403] * len(tried)
        assert client.get("/enrol/code").headers["location"] == "/enrol/welcome"
        assert client.post("/enrol/password", data=whole).status_code == 303


def test_every_answer_carries_its_walls(house: House) -> None:
    """No frame, no inline script, no cache, no guess at types: on pages, assets, refusals and redirections."""
    _, invited = hired(house)
    with browser(house) as client:
        answers = [
            client.get(path)
            for path in ("/", "/i/x", path_of(invited), "/enrol", "/static/pages.css", "/account/nowhere")
        ]
        answers.append(client.post("/account/sign-in", data={}))
        for answer in answers:
            for name, value in HEADERS.items():
                assert answer.headers[name] == value, answer.url
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["strict-transport-security"].startswith("max-age=")
            assert "no-store" in answer.headers["cache-control"]
            assert not re.search(r"<script(?! src=\"/static/)|<style|style=|\son[a-z]+=", answer.text), (
                answer.url
            )
            assert not re.search(r"(?:src|href)=\"(?:https?:)?//", answer.text), answer.url
        policy = HEADERS["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


def test_somebody_without_a_visit_reads_nothing_anywhere(house: House) -> None:
    """Crawled by nobody, every page of a visit says that it is over, and names nobody."""
    hired(house)
    with browser(house) as client:
        for step in STEPS:
            page = client.get(f"/enrol/{step}")
            assert page.status_code == 401, step
            assert "Camille" not in page.text
            assert client.post(f"/enrol/{step}", data={}).status_code == 403
        assert client.get("/enrol").status_code == 401
        assert client.get("/enrol/connection/state").status_code == 401
        for path in (
            "/enrol/",
            "/enrol/admin",
            "/static/",
            "/static/../app.py",
            "/static/%2e%2e/app.py",
            "/i/",
        ):
            assert client.get(path).status_code in {401, 404}, path
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            assert client.request(method, "/account/sign-in").status_code == 405
        assert client.get("/").headers["location"] == "/account/sign-in"
        assert client.get("/v1/people").status_code == 401


def test_steps_are_taken_in_their_order(house: House) -> None:
    """A visit that proved nothing reaches no step that counts on it, by address or by form."""
    _, invited = hired(house)
    with browser(house) as client:
        client.get(path_of(invited))
        page = client.get("/enrol/welcome")
        for step in STEPS[2:]:
            assert client.get(f"/enrol/{step}").headers["location"] == "/enrol/welcome"
            assert send(client, f"/enrol/{step}", page).headers["location"] == "/enrol/welcome"
        secret = choose(client)
        page = client.get("/enrol/code")
        for step in STEPS[3:]:
            assert send(client, f"/enrol/{step}", page).headers["location"] == "/enrol/code"
        code = pyotp.TOTP(secret).at(house.clock.now())
        before = client.cookies[VISIT]
        assert send(client, "/enrol/code", page, code=code).status_code == 303
        assert client.cookies[VISIT] != before
        with browser(house) as thief:
            thief.cookies.set(VISIT, before, domain="127.0.0.1", path="/")
            assert thief.get("/enrol/key").status_code == 401
        assert client.get("/enrol/password").headers["location"].startswith("/enrol/")
        assert client.get("/enrol/code").headers["location"] != "/enrol/code"


def test_a_cookie_made_up_or_of_another_kind_opens_nothing(house: House) -> None:
    """Invitations, API tokens, other shapes and long texts are no visits."""
    _, invited = hired(house)
    values = (
        invited.token.reveal(),
        house.token("dsi").reveal(),
        f"eclvis_{house.world.id}_{'A' * 43}",
        "x" * 5000,
        "\x7f",
    )
    for value in values:
        with browser(house) as client:
            answer = client.get("/enrol/welcome", headers={"Cookie": f"{VISIT}={value}"})
            assert answer.status_code == 401


def test_an_unknown_host_is_not_answered(house: House) -> None:
    """Whatever name is claimed, no address is built from it, and a foreign one gets no page."""
    with browser(house) as client:
        for host in (
            "evil.example",
            "127.0.0.1.evil.example",
            "evil.example:443",
            "[::1",
            "",
            "a@127.0.0.1.x",
        ):
            answer = client.get("/account/sign-in", headers={"Host": host})
            assert answer.status_code in {400, 421}, host
            assert "evil" not in answer.text
        shown = client.get("/account/sign-in", headers={"X-Forwarded-Host": "evil.example"})
        assert "evil" not in shown.text


def test_bodies_are_bounded(house: House) -> None:
    """A form of many megabytes, of many fields or of many files is refused before it is looked at."""
    with browser(house) as client:
        large = client.post("/account/sign-in", data={"login": "x" * 60_000})
        assert large.status_code == 413
        fields = {f"field{number}": "x" for number in range(100)}
        assert client.post("/account/sign-in", data=fields).status_code == 403
        files = [("file", (f"{number}.pub", b"x")) for number in range(5)]
        assert client.post("/account/sign-in", files=files).status_code == 403
        assert client.get(f"/account/{'a' * 400}").status_code == 414


def test_a_source_that_knocks_too_often_waits(house: House) -> None:
    """Beyond a pace that no person reaches, the answer is to wait; a minute later it is as before."""
    with browser(house) as client:
        answers = [client.get(f"/i/eclinv_{house.world.id}_{'A' * 43}").status_code for _ in range(310)]
        assert answers[:250] == [404] * 250
        assert answers[-1] == 429
        assert int(client.get("/account/sign-in").headers["retry-after"]) <= 61
        house.clock.advance(timedelta(seconds=61))
        assert client.get("/account/sign-in").status_code == 200


def test_an_open_redirection_is_none(house: House) -> None:
    """The way back after choosing a language leads to our own pages only."""
    with browser(house) as client:
        for back in (
            "https://evil.example",
            "//evil.example/account",
            "/i/x",
            "javascript:alert(1)",
            "/v1/me",
        ):
            answer = client.get("/account/language/en", params={"back": back})
            assert answer.headers["location"] == "/account", back
        answer = client.get("/account/language/en", params={"back": "/account/lost-phone"})
        assert answer.headers["location"] == "/account/lost-phone"
        assert client.get("/account/language/xx").status_code == 303
        assert "Lost telephone" in client.get("/account/lost-phone").text


def test_log_lines_of_a_library_hold_no_invitation_either() -> None:
    """Wherever it stands, in an address or beside another word, the token of an invitation leaves no line."""
    written = StringIO()
    logs.configure("debug", written)
    token = f"eclinv_{'0' * 32}_{'A' * 43}"
    logging.getLogger("somebody").warning("GET /i/%s HTTP/1.1", token)
    assert token not in written.getvalue()
    assert "GET /i/" in written.getvalue()
