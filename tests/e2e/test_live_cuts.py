"""A real session, followed live and cut: real ssh, gateway, sshd, console and browser over one policy and one store."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ecluse.demo.ports import free_port
from policy.domain.access import RevocationScope
from recorder.store.folder import FolderStore
from tests.support.api_house import House, console_of
from tests.support.bastion import NODE, Bastion
from tests.support.browser import driver, window
from tests.support.console import give_cookie, session_of
from tests.support.device_service import Service, bastion_with_port
from tests.support.jump import Laptop
from tests.support.ssh_client import Terminal
from tests.support.stranger import PROGRAM
from tests.support.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.asyncio(loop_scope="module")]

SECONDS = 2.0
PROMPT = b"maint@scan01"
WHY = "Écran figé"


@dataclass(kw_only=True)
class Site:
    """A bastion, its console, a service of the device's own, and a technician's machine."""

    bastion: Bastion
    house: House
    service: Service
    laptop: Laptop

    async def post(self, path: str, **body: Any) -> Any:
        """Ask the API for something, as the security officer."""

        def asked() -> Any:
            with self.house.client("rssi", language="fr") as client:
                answer = client.post(path, json=body)
            assert answer.status_code < 300, answer.text
            return answer.json()

        return await asyncio.to_thread(asked)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """All of it, in this loop."""
    folder = tmp_path_factory.mktemp("live")
    async with bastion_with_port(folder / "bastion") as (bastion, service):
        console, store = folder / "console", bastion.recorder.store
        console.mkdir()
        assert isinstance(store, FolderStore)
        async with console_of(
            bastion.world,
            bastion.clock,
            bastion.recorder.database,
            store,
            bastion.directory / "traces" / "signing.pem",
            directory=console,
        ) as house:
            yield Site(bastion=bastion, house=house, service=service, laptop=Laptop(bastion))


@dataclass(kw_only=True)
class Channels:
    """Every kind of channel, open: five on one connection, and a shell by a jump (``-J`` is ``-W`` through the bastion)."""

    shell: Terminal
    jump: Terminal
    exec: asyncio.subprocess.Process
    sftp: asyncio.subprocess.Process
    scp: asyncio.subprocess.Process
    port: asyncio.StreamReader

    async def over(self) -> None:
        """Return once each is."""
        await asyncio.gather(
            *(one.wait() for one in (self.shell, self.jump, self.exec, self.sftp, self.scp)), self.port.read()
        )


@asynccontextmanager
async def every_channel(site: Site, folder: Path) -> AsyncIterator[Channels]:
    """Open a shell, a command, transfers by sftp and scp and a port on one connection, and a shell by ``-J``."""
    client, local, path = site.bastion.client, free_port(), folder / "mux"
    mux = ["-o", f"ControlPath={path}"]
    forward = ["-L", f"127.0.0.1:{local}:localhost:{site.service.port}"]
    big = folder / "big"
    with big.open("wb") as file:
        file.truncate(2_000_000_000)
    async with AsyncExitStack() as stack:
        shell, jump = [
            await stack.enter_async_context(client.terminal(command, answers=site.bastion.answers()))
            for command in (
                client.command("alice+scan01", options=["-tt", "-M", *mux, *forward]),
                site.laptop.ssh("maint@scan01", options=["-tt"]),
            )
        ]
        await asyncio.gather(shell.expect(PROMPT), jump.expect(PROMPT))
        run = await client.start(client.command("alice+scan01", "echo in; cat", options=mux))
        put = await client.start(["sftp", "-l", "80000", *mux, *client.options(), "alice+scan01@127.0.0.1"])
        copied = site.bastion.device.home / f"copied-{folder.name}"
        there = f"alice+scan01@127.0.0.1:{copied}"
        copy = await client.start(["scp", "-O", "-l", "80000", *mux, *client.options(), str(big), there])
        assert run.stdout is not None
        assert put.stdin is not None
        target = site.bastion.device.home / f"big-{folder.name}"
        put.stdin.write(f"put {big} {target}\n".encode())
        reader, writer = await asyncio.open_connection("127.0.0.1", local)
        stack.callback(writer.close)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        assert await run.stdout.readline() == b"in\n"
        await eventually(lambda: all(one.exists() and one.stat().st_size > 0 for one in (target, copied)))
        yield Channels(shell=shell, jump=jump, exec=run, sftp=put, scp=copy, port=reader)
        await site.bastion.closed()
        target.unlink()
        copied.unlink()


async def test_a_reader_follows_a_real_session_by_terminal_and_browser(site: Site, tmp_path: Path) -> None:
    """What a technician types is in both within two seconds; a cut from the page reaches her, and both say why."""
    bastion, house = site.bastion, site.house
    url = house.url
    with driver() as chrome, window(chrome, language="fr") as browser:
        shown = await asyncio.to_thread(session_of, house, "rssi")
        token = tmp_path / "token"
        token.write_text((await asyncio.to_thread(house.token, "rssi")).reveal())
        command = bastion.client.command("alice+scan01", options=["-tt"])
        async with bastion.client.terminal(command, answers=bastion.answers()) as shell:
            await shell.expect(PROMPT)
            code = await asyncio.to_thread(house.next_code, "rssi")
            await bastion.world.services.access.heartbeat(NODE)
            [session] = await bastion.world.services.access.sessions(bastion.world.id)
            page = f"{url}/console/sessions/{session.session_id}"
            given = ["ECLUSE_API_TOKEN_FILE", token, "ECLUSE_API_CA", house.ca, "ECLUSE_API_URL", url]
            watch = ["env", *(f"{name}={value}" for name, value in zip(given[::2], given[1::2], strict=True))]
            watch += [*PROGRAM, "--lang", "fr", "sessions", "watch", session.session_id, "--reason", WHY]
            async with bastion.client.terminal(watch) as watcher:

                def follow() -> None:
                    give_cookie(browser, house, shown)
                    browser.go(f"{url}/console/language/fr?back=/console")
                    browser.go(f"{page}/live")
                    browser.find("#reason").type(WHY)
                    browser.find("main form button").click()
                    browser.wait_for_path(f"/console/sessions/{session.session_id}/live")
                    browser.wait_for_text("En direct")

                def seen() -> bool:
                    script = "return document.querySelector('#player .ap-term')?.innerText ?? ''"
                    return "typed-now" in str(browser.run(script))

                def cut() -> None:
                    browser.find("main [data-dialog=cut]").click()
                    browser.find("#cut [name=reason]").type("Vu en direct")
                    browser.find("#cut form .btn-danger").click()

                await asyncio.to_thread(follow)
                await watcher.expect(b"Code")
                watcher.send(code.encode() + b"\r")
                await watcher.expect(PROMPT)
                typed = time.monotonic()
                shell.send(b"typed-now")
                await asyncio.gather(
                    watcher.expect(b"typed-now"),
                    asyncio.to_thread(browser.wait_until, seen, "the keystrokes are on the page"),
                )
                assert time.monotonic() - typed <= SECONDS
                await asyncio.to_thread(cut)
                assert await shell.wait() == 255
                assert await watcher.wait() == 0
    for terminal in (shell, watcher):
        assert "Vu en direct" in terminal.seen.decode().rsplit("typed-now", 1)[1]
    await bastion.closed()


@pytest.mark.parametrize("scope", list(RevocationScope))
async def test_a_cut_ends_every_channel_in_two_seconds(
    site: Site, tmp_path: Path, scope: RevocationScope
) -> None:
    """Of sessions, a person, a supplier, a device or everything: each channel is over in time.

    Its terminal says that it was the hospital, why, and who is to be called; the journal says which person it was.
    """
    bastion, world = site.bastion, site.bastion.world
    why = f"Coupure {scope.value}"
    one = {
        RevocationScope.PERSON: world.who("alice"),
        RevocationScope.SUPPLIER: world.supplier.id,
        RevocationScope.DEVICE: world.device.id,
        RevocationScope.ALL: "",
    }
    async with every_channel(site, tmp_path) as open_now:
        proof = {}
        if scope is RevocationScope.ALL:
            proof["code"] = await asyncio.to_thread(site.house.next_code, "rssi")
        await world.services.access.heartbeat(NODE)
        live = await world.services.access.sessions(world.id)
        targets = [one[scope]] if scope in one else [session.session_id for session in live]
        assert len(live) == 2
        for target in targets:
            await site.post("/v1/cuts", scope=scope.value, target=target, reason=why, **proof)
        cut = time.monotonic()
        await open_now.over()
        assert time.monotonic() - cut <= SECONDS
        said = [
            open_now.shell.seen,
            open_now.jump.seen,
            (await open_now.exec.communicate())[1],
            (await open_now.sftp.communicate())[1],
            (await open_now.scp.communicate())[1],
        ]
    for words in (f"par l’établissement\xa0: {why}", "Référent sécurité\xa0: RSSI, poste 4242"):
        assert [words in told.decode() for told in said] == [True] * 5, words
    await asyncio.to_thread(site.house.ingest_all)
    cuts = [
        entry.event
        for entry in await bastion.events(f"{scope.value}.cut")
        if entry.event.details["after"]["reason"] == why
    ]
    assert [event.actor for event in cuts] == [world.who("rssi")] * len(targets)
    if scope is RevocationScope.ALL:
        refused = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
        assert refused.rc != 0
        assert why in refused.said
        await site.post("/v1/reopen", reason="Fin de l'exercice")
        let_in = await bastion.client.ssh("alice+scan01", "echo in", answers=bastion.answers())
        assert let_in.stdout == b"in\n"


async def test_a_real_gateway_answers_an_exercise_and_cuts_nothing(site: Site) -> None:
    """It says how many sessions a cut would have ended, and how fast it heard; the technician goes on."""
    bastion = site.bastion
    command = bastion.client.command("alice+scan01", options=["-tt"])
    async with bastion.client.terminal(command, answers=bastion.answers()) as shell:
        await shell.expect(PROMPT)
        await bastion.world.services.access.heartbeat(NODE)
        [answer] = (await site.post("/v1/exercises", reason="Plan blanc"))["gateways"]
        assert (answer["node"], answer["sessions"]) == (NODE, 1)
        assert answer["seconds"] <= SECONDS
        shell.send(b"echo on-$((40+2))\n")
        await shell.expect(b"on-42")
    await bastion.closed()
