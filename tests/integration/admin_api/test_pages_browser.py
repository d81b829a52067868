"""The pages as a person sees them: a real Chromium, on a desk and on a telephone, with scripts and without."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pyotp
import pytest

from policy.services.people import Invited
from policy.vault.secret import Secret
from tests.support.api_house import House, open_house
from tests.support.browser import Browser, window
from tests.support.http_server import Answer, answering
from tests.support.pki import Authority, curve_key
from tests.support.policy_world import host_key_line

pytestmark = pytest.mark.integration

PASSWORD = "trois loutres et un violon"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The fixture hospital, whose technicians accept the texts."""
    with open_house(tmp_path_factory.mktemp("house"), engagements=True) as opened:
        yield opened


@dataclass(frozen=True)
class Seen:
    """A window in which every page is looked at: nothing wider than it, and no fault that axe-core knows."""

    browser: Browser
    scripts: bool

    def page(self, path: str, says: str) -> None:
        """Wait for the page of *path* that *says* something, and look at it."""
        self.browser.wait_for_path(path)
        self.browser.wait_for_text(says)
        if self.scripts:
            wide, room = self.browser.run("return [document.documentElement.scrollWidth, innerWidth]")
            assert wide <= room, path
            assert self.browser.faults() == [], path


def hired(house: House, login: str, name: str, language: str = "fr") -> Invited:
    """Invite somebody new."""
    world = house.world
    people, dsi = world.services.people, world.who("dsi")
    with house.client("dsi") as client:
        body = {
            "login": login,
            "full_name": name,
            "email": f"{login}.x@imagix.example",
            "language": language,
            "roles": ["technician"],
            "supplier_id": world.supplier.id,
        }
        made = client.post("/v1/people", json=body)
        assert made.status_code == 201, made.text
    return house.run(people.invite(dsi, world.id, made.json()["id"]))


def link(house: House, invited: Invited) -> str:
    """Return the address that goes to the person."""
    assert invited.link is not None
    assert invited.link.reveal() == f"{house.url}/i/{invited.token.reveal()}"
    return invited.link.reveal()


@pytest.mark.parametrize(
    ("login", "width", "language", "scripts"),
    [("fleur", 1280, "fr", True), ("erik", 390, "en", True), ("nora", 390, "fr", False)],
)
def test_from_the_invitation_to_the_first_connection(
    house: House, chrome: httpx.Client, login: str, width: int, language: str, scripts: bool
) -> None:
    """A technician goes the whole way alone, and every page on it is sound."""
    french = language == "fr"
    invited = hired(house, login, "Camille Petit", language)
    with window(chrome, language=language, javascript=scripts) as browser:
        seen = Seen(browser, scripts)
        browser.resize(width, 900)
        browser.go(link(house, invited))
        seen.page("/enrol/welcome", "Bonjour Camille Petit" if french else "Hello Camille Petit")
        assert "Dominique Roux" in browser.text
        assert "RSSI, poste 4242" in browser.text
        browser.find("main form button").click()
        seen.page("/enrol/password", "12 ")
        choose(browser, "azertyuiop123456")
        browser.wait_for_text("mots courants" if french else "common words")
        seen.page("/enrol/password", "12 ")
        if scripts:
            browser.find("#password").type(PASSWORD)
            assert ("Bon" if french else "Good") in browser.find("#meter").text
            browser.command("POST", "/refresh", {})
        choose(browser, PASSWORD)
        seen.page("/enrol/code", "excellente" if french else "excellent")
        secret = browser.find(".secret").content.replace(" ", "")
        browser.find("#code").type("000000")
        browser.find(".guide button").click()
        browser.wait_for("[role=alert]")
        assert browser.find(".secret").content.replace(" ", "") == secret
        browser.find("#code").type(pyotp.TOTP(secret).at(house.clock.now()))
        browser.find(".guide button").click()
        seen.page("/enrol/key", "SSH")
        browser.find("#public_key").type(f"{host_key_line()} {login}@poste")
        browser.find("button.second").click()
        seen.page("/enrol/key", f"{login}@poste")
        if not french:
            browser.resize(width, 1600)  # the whole form in sight
            browser.find("#public_key").type(certificate(house, "Camille Petit"))
            browser.find("button.second").click()
            browser.wait_for("[role=alert]")
            seen.page("/enrol/key", "a name that is yours alone")  # fleur bears it too
            browser.find("#public_key").type(certificate(house, "Erik", f"{login}.x@imagix.example"))
            browser.find("button.second").click()
            seen.page("/enrol/key", "Token, certificate good until")
        browser.find(".actions a.button").click()
        seen.page("/enrol/engagements", "Charte" if french else "charter")
        for kind in ("charter", "confidentiality", "action-limit"):
            browser.find(f"[name=accept_{kind}]").click()
        browser.find("main article form button").click()
        seen.page("/enrol/recovery", "téléphone" if french else "telephone")
        browser.find("main article form button").click()
        browser.wait_for(".codes")
        codes = re.findall(r"\b(?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}\b", browser.text)
        assert len(set(codes)) == 8
        seen.page("/enrol/recovery", codes[0])
        browser.find(".actions a.button").click()
        seen.page("/enrol/connection", f"ssh -p 2222 {login}@bastion.example list")
        assert "@cert-authority [bastion.example]:2222 ssh-ed25519 AAAAhouse" in browser.text
        assert "SHA256:house" in browser.text
        assert not browser.has(".box.success")
        log_in(house, login, secret)
        if not scripts:
            browser.find(".actions a.button").click()
        browser.wait_for(".box.success")
        seen.page("/enrol/connection", "Première connexion" if french else "First connection")
        browser.find(".leave button").click()
        seen.page("/account/leave", "déconnecté" if french else "signed out")
        assert "__Host-ecluse-visit" not in {cookie["name"] for cookie in browser.cookies()}


def certificate(house: House, name: str, email: str | None = None) -> str:
    """Return the certificate (PEM) of a token, made in that name by an authority that the hospital believes."""
    world, now = house.world, house.clock.now()
    root = Authority("IGC Imagix", now)
    add = world.services.anchors.add
    house.run(add(world.who("dsi"), world.id, name=f"IGC {name}", certificate=root.pem))
    return root.certify(curve_key().public_key(), now, name=name, email=email).pem


def choose(browser: Browser, password: str) -> None:
    """Type a password twice and send it."""
    for field in ("#password", "#again"):
        browser.find(field).type(password)
    browser.find("main article form button").click()


def log_in(house: House, login: str, secret: str) -> None:
    """Come in by password and a fresh code, elsewhere."""
    house.clock.advance(timedelta(seconds=60))
    world = house.world
    attempt = house.run(world.services.login.begin(login, "127.0.0.1", hospital_id=world.id))
    code = pyotp.TOTP(secret).at(house.clock.now())
    house.run(attempt.check_password_and_code(Secret(PASSWORD), code))


def test_a_link_in_a_webmail_opens_though_its_cookie_is_strict(
    house: House, chrome: httpx.Client, webmail: "Webmail"
) -> None:
    """From another site the link leads in, the next address holds no token, and no referrer told it."""
    invited = hired(house, "gil", "Gil Roy")
    with window(chrome) as browser:
        browser.go(webmail.with_link(link(house, invited)))
        browser.find("a").click()
        browser.wait_for_path("/enrol/welcome")
        assert invited.token.reveal() not in browser.source
        assert browser.run("return document.referrer") == ""
        assert browser.run("return history.length") <= 3
        assert {cookie["sameSite"] for cookie in browser.cookies()} == {"Strict"}
        assert all(cookie["httpOnly"] and cookie["secure"] for cookie in browser.cookies())


def test_a_form_on_another_site_changes_nothing(
    house: House, chrome: httpx.Client, webmail: "Webmail"
) -> None:
    """Another site can neither send our forms with her cookies nor show our pages in a frame."""
    invited = hired(house, "hugo", "Hugo Roy")
    with window(chrome) as browser:
        browser.go(link(house, invited))
        browser.wait_for_path("/enrol/welcome")
        browser.go(webmail.with_form(f"{house.url}/enrol/password"))
        browser.find("button").click()
        browser.wait_for_path("/enrol/password")
        browser.wait_for_text("pas reçu")
        browser.go(webmail.with_frame(f"{house.url}/account/sign-in"))
        browser.command("POST", "/frame", {"id": 0})
        assert "Écluse" not in browser.source


def test_names_are_text_and_never_page(house: House, chrome: httpx.Client) -> None:
    """A name made of markup and script is shown as it is written, and nothing of it runs."""
    hostile = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
    invited = hired(house, "mallory", hostile)
    with window(chrome) as browser:
        browser.go(link(house, invited))
        browser.wait_for_path("/enrol/welcome")
        assert hostile in browser.text
        assert "taken" not in browser.run("return document.title")
        assert not browser.has("main img")
        assert not browser.has("main script")


class Webmail:
    """Another site, on another name: a page that holds whatever an attacker or a mail puts there."""

    def __init__(self) -> None:
        """Listen nowhere yet."""
        self.port = 0
        self.page = ""

    @property
    def _url(self) -> str:
        # another site: the hospital's pages are asked for by address
        return f"http://localhost:{self.port}"

    def with_link(self, address: str) -> str:
        """Show a link."""
        self.page = f'<!doctype html><title>Courrier</title><a href="{address}">ouvrir</a>'
        return f"{self._url}/mail?secret=in-the-address"

    def with_form(self, action: str) -> str:
        """Show a form that is sent elsewhere."""
        fields = "".join(f'<input name="{name}" value="{PASSWORD}">' for name in ("password", "again"))
        self.page = f'<!doctype html><form method="post" action="{action}">{fields}<button>ok</button></form>'
        return f"{self._url}/form"

    def with_frame(self, address: str) -> str:
        """Show another page within one's own."""
        self.page = f'<!doctype html><iframe src="{address}" width="600" height="600"></iframe>'
        return f"{self._url}/frame"


@pytest.fixture(scope="module")
def webmail() -> Iterator[Webmail]:
    """Another site."""
    site = Webmail()
    html = {"Content-Type": "text/html; charset=utf-8"}
    with answering(lambda _asked: Answer(site.page.encode(), headers=html)) as port:
        site.port = port
        yield site
