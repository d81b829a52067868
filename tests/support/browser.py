"""A real Chromium without a screen, spoken to by the WebDriver protocol (W3C), for pages as people see them."""

import base64
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from ecluse.demo.ports import free_port

_PATIENCE: Final = 60.0
_ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"
"""The name under which the protocol hands over an element (WebDriver §11)."""
AXE: Final = Path(__file__).parents[1] / "browser/node_modules/axe-core/axe.min.js"


class BrowserError(Exception):
    """The browser did not do what was asked; says what it answered."""


@dataclass(frozen=True, slots=True)
class Element:
    """Something on the page."""

    browser: "Browser"
    id: str

    def click(self) -> None:
        """Click on it."""
        self.browser.command("POST", f"/element/{self.id}/click", {})

    def type(self, text: str) -> None:
        """Type into it; a file field takes a path."""
        self.browser.command("POST", f"/element/{self.id}/value", {"text": text})

    @property
    def text(self) -> str:
        """What it shows."""
        return str(self.browser.command("GET", f"/element/{self.id}/text"))

    @property
    def content(self) -> str:
        """What it holds, shown or folded away."""
        return str(self.browser.command("GET", f"/element/{self.id}/property/textContent"))

    def attribute(self, name: str) -> str | None:
        """Return an attribute of it."""
        found = self.browser.command("GET", f"/element/{self.id}/attribute/{name}")
        return None if found is None else str(found)


class Browser:
    """One window of its own, with no history and no cookies."""

    def __init__(self, client: httpx.Client, session: str) -> None:
        """Drive *session* through *client*."""
        self._client = client
        self._session = session

    def command(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send one command; raises BrowserError with the browser's own words."""
        answer = self._client.request(method, f"/session/{self._session}{path}", json=body)
        value = answer.json().get("value")
        if answer.status_code != 200:
            raise BrowserError(f"{path}: {value.get('error')}: {value.get('message', '')[:300]}")
        return value

    def go(self, url: str) -> None:
        """Open *url*, and wait until it is loaded."""
        self.command("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        """Where the window is."""
        return str(self.command("GET", "/url"))

    @property
    def path(self) -> str:
        """The path of where the window is."""
        return httpx.URL(self.url).path

    @property
    def text(self) -> str:
        """What the page shows."""
        found = self.command("POST", "/element", {"using": "css selector", "value": "body"})
        return Element(self, found[_ELEMENT]).text

    @property
    def source(self) -> str:
        """The page's source, as it stands."""
        return str(self.command("GET", "/source"))

    def find(self, css: str) -> Element:
        """Return the first element that *css* selects, once there is one; raises BrowserError where none ever is."""
        self.wait_for(css)
        found = self.command("POST", "/element", {"using": "css selector", "value": css})
        return Element(self, found[_ELEMENT])

    def has(self, css: str) -> bool:
        """Tell whether *css* selects anything now."""
        return bool(self.command("POST", "/elements", {"using": "css selector", "value": css}))

    def wait_for_path(self, path: str) -> None:
        """Wait until the window is at *path*; raises BrowserError where it never comes."""
        self._wait(lambda: self.path == path, path)

    def wait_for(self, css: str) -> None:
        """Wait until *css* selects something; raises BrowserError where it never does."""
        self._wait(lambda: self.has(css), css)

    def wait_for_text(self, says: str) -> None:
        """Wait until the page shows *says*; raises BrowserError where it never does."""
        self._wait(lambda: says in self.text, says)

    def wait_until(self, there: Callable[[], bool], what: str) -> None:
        """Wait until *there* holds; raises BrowserError naming *what* where it never does."""
        self._wait(there, what)

    def _wait(self, there: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                if there():
                    return
            except BrowserError:
                pass  # the page was replaced while it was looked at
            if time.monotonic() > end:
                raise BrowserError(f"no {what} at {self.url}: {self.source[:1500]}")
            time.sleep(0.05)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run *script* in the page and return what it returns."""
        return self.command("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def resize(self, width: int, height: int) -> None:
        """Make the page *width* pixels wide, as a telephone of that width does."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.command(
            "POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics}
        )

    def cookies(self) -> list[dict[str, Any]]:
        """Return the cookies of the page's host, those that scripts cannot see too."""
        return list(self.command("GET", "/cookie"))

    def shoot(self, path: Path) -> None:
        """Write a picture of the whole page to *path* (PNG) where ``ECLUSE_SCREENSHOTS`` is set: for people."""
        if "ECLUSE_SCREENSHOTS" not in os.environ:
            return
        shot = self.command(
            "POST",
            "/goog/cdp/execute",
            {"cmd": "Page.captureScreenshot", "params": {"captureBeyondViewport": True}},
        )
        path.write_bytes(base64.b64decode(shot["data"]))

    def faults(self) -> list[str]:
        """Return what axe-core finds against WCAG 2.1 A and AA, one line each."""
        if not self.run("return 'axe' in window"):
            self.run(f"{AXE.read_text(encoding='utf-8')}\nwindow.axe = axe;")
        found = self.command(
            "POST",
            "/execute/async",
            {
                "script": """
                    const done = arguments[arguments.length - 1];
                    const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];
                    axe.run(document, {runOnly: rules, resultTypes: ["violations"]})
                       .then((found) => done(found.violations), (error) => done([{id: String(error), nodes: []}]));
                """,
                "args": [],
            },
        )
        return [
            f"{one['id']}: {'; '.join(str(node['target']) + ' ' + node.get('failureSummary', '') for node in one['nodes'])}"
            for one in found
        ]


@contextmanager
def driver() -> Iterator[httpx.Client]:
    """Run chromedriver until the block ends, and give a client of it."""
    port = free_port()
    with subprocess.Popen(
        ["chromedriver", f"--port={port}", "--log-level=SEVERE"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
                _wait_until_ready(client)
                yield client
        finally:
            process.terminate()
            process.wait(_PATIENCE)


@contextmanager
def window(client: httpx.Client, *, language: str = "fr", javascript: bool = True) -> Iterator[Browser]:
    """Open a window that speaks *language*, with scripts or without, and close it when the block ends.

    The house's certificate is made for the test, so the browser is told to take it; that it is judged by clients is
    tested with clients that judge it.
    """
    with tempfile.TemporaryDirectory() as profile:
        preferences: dict[str, Any] = {"intl.accept_languages": language}
        if not javascript:
            preferences["profile.managed_default_content_settings.javascript"] = 2
        arguments = [
            "--headless=new",
            "--no-sandbox",  # tests run as root, where Chromium's sandbox does not
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--proxy-server=direct://",
            f"--user-data-dir={profile}",
            f"--lang={language}",
            "--window-size=1280,900",
        ]
        wanted = {
            "browserName": "chrome",
            "acceptInsecureCerts": True,
            "timeouts": {"implicit": 0, "pageLoad": 30000, "script": 30000},
            "goog:chromeOptions": {"args": arguments, "prefs": preferences},
        }
        answer = client.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
        value = answer.json()["value"]
        if answer.status_code != 200:
            raise BrowserError(value.get("message", "no session")[:500])
        session = value["sessionId"]
        try:
            yield Browser(client, session)
        finally:
            client.delete(f"/session/{session}")


def _wait_until_ready(client: httpx.Client) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        try:
            if client.get("/status").json()["value"]["ready"]:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise BrowserError("chromedriver does not answer")
