"""A technician with a link, a browser, a telephone and a stock ssh: nothing else, and nobody to call."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.browser import Browser, driver, window
from tests.support.installation import Installation
from tests.support.stranger import Authenticator

pytestmark = pytest.mark.e2e

PASSWORD = "trois loutres et un violon"


def enrol(browser: Browser, link: str) -> Authenticator:
    """Go from the link to the last step; return the telephone."""
    browser.go(link)
    browser.wait_for_path("/enrol/welcome")
    browser.find("main article form button").click()
    browser.wait_for_path("/enrol/password")
    for field in ("#password", "#again"):
        browser.find(field).type(PASSWORD)
    browser.find("main article form button").click()
    browser.wait_for_path("/enrol/code")
    telephone = Authenticator(browser.find(".secret").content.replace(" ", ""))
    browser.find("#code").type(telephone.code())
    browser.find(".guide button").click()
    browser.wait_for_path("/enrol/key")
    browser.find(".actions a.button").click()
    browser.wait_for_path("/enrol/engagements")
    for kind in ("charter", "confidentiality", "action-limit"):
        browser.find(f"[name=accept_{kind}]").click()
    browser.find("main article form button").click()
    browser.wait_for_path("/enrol/recovery")
    browser.find("main article form button").click()
    browser.wait_for(".codes")
    browser.find(".actions a.button").click()
    browser.wait_for_path("/enrol/connection")
    return telephone


async def test_from_the_link_to_the_first_ssh(tmp_path: Path) -> None:
    """The link that the planner's command prints leads to the command that works, and the page sees it happen."""
    made = Installation(tmp_path)
    invitations = await made.init()
    dsi = made.person("dsi")
    async with made.served():
        await dsi.enrol_by_script(invitations["dsi"])
        await dsi.log_in()
        await dsi.done("suppliers", "add", "Imagix", "--site", "Lyon,FR,127.0.0.0/8")
        her = ("--name", "Alice Bernard", "--email", "alice@imagix.example")
        invited = await dsi.json("people", "invite", "alice", "--supplier", "Imagix", *her)
        link = invited["invitation"]["link"]
        assert link.startswith(f"https://127.0.0.1:{made.api_port}/i/eclinv_")
        with ExitStack() as kept:
            browser = kept.enter_context(window(kept.enter_context(driver())))
            telephone = await asyncio.to_thread(enrol, browser, link)
            command = f"ssh -p {made.ssh_port} alice@127.0.0.1 list"
            await asyncio.to_thread(browser.wait_for_text, command)
            assert not browser.has(".box.success")
            ended = await made.ssh().ssh("alice", "list", answers=[PASSWORD, telephone.code()])
            assert ended.rc == 0, ended.said
            await asyncio.to_thread(browser.wait_for, ".box.success")
        assert len(await dsi.json("engagements", "accepted", "alice")) == 3
        journal = await dsi.done("audit", "list", "--limit", "500")
        assert "logged in" in journal
        assert "eclinv_" not in (made.folder / "serve.log").read_text()
