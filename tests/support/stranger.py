"""Somebody at a terminal with nothing but the ``ecluse`` command: no function of the product is called from here."""

import asyncio
import json
import os
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyotp
from typing_extensions import override

from tests.support.ssh_client import SshClient

PROGRAM = (sys.executable, "-P", "-m", "ecluse", "--lang", "en")
_STEP = 30
_SECRET = re.compile(rb"\b([A-Z2-7]{32})\b")
_SECONDS = 120.0


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it wrote on each stream."""

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Everything it wrote."""
        return self.out + self.err


class Authenticator:
    """The application on a person's telephone; gives each code once, and waits for nothing."""

    def __init__(self, secret: str) -> None:
        """Hold the base32 *secret*."""
        self._totp = pyotp.TOTP(secret)
        self._given: set[str] = set()

    def code(self) -> str:
        """Return a code that serves now; raises LookupError when all three were given."""
        now = int(time.time())
        for offset in (0, _STEP, -_STEP):
            code = self._totp.at(now + offset)
            if code not in self._given:
                self._given.add(code)
                return code
        raise LookupError("every code that serves now was given")


class Stranger:
    """One person's own machine: a folder for her token, and the address of the installation."""

    def __init__(self, folder: Path, login: str, url: str, ca: Path) -> None:
        """Work in *folder* as *login*, who chooses a password of her own."""
        self.folder = folder
        self.login = login
        self.password = f"{login} passe par une porte bleue {os.urandom(4).hex()}"
        self.authenticator: Authenticator | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "COLUMNS": "240",
            "ECLUSE_STATE": str(folder / "state"),
            "ECLUSE_API_URL": url,
            "ECLUSE_API_CA": str(ca),
            **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
        }

    def code(self) -> str:
        """Return a fresh code of her authenticator."""
        assert self.authenticator is not None, f"{self.login} has not enrolled"
        return self.authenticator.code()

    async def run(self, *arguments: str, typed: str = "") -> Ran:
        """Run ``ecluse`` with *arguments* to its end; *typed* is its standard input."""
        return await ecluse(*arguments, typed=typed, environment=self.environment)

    async def done(self, *arguments: str) -> str:
        """Run it, insist on success, and return its standard output."""
        ran = await self.run(*arguments)
        assert ran.status == 0, (arguments, ran.text)
        return ran.out

    async def json(self, *arguments: str) -> Any:
        """Run it with ``--json``, insist on success, and return what it printed."""
        return json.loads(await self.done(*arguments, "--json"))

    async def refused(self, *arguments: str, status: int = 1) -> str:
        """Run it, insist on that exit *status* and on no stack trace, and return all it said."""
        ran = await self.run(*arguments)
        assert ran.status == status, (arguments, ran.status, ran.text)
        assert "Traceback" not in ran.text
        return ran.text

    async def enrol(self, invitation: str) -> None:
        """Take an invitation up at a terminal: paste it, choose a password twice, read the secret, type a code."""
        async with self._terminal("enrol") as terminal:
            await terminal.expect(b": ", _SECONDS)
            terminal.send(invitation.encode() + b"\r")
            for _ in range(2):
                await terminal.expect(b": ", _SECONDS)
                terminal.send(self.password.encode() + b"\r")
            # the secret stands alone on the screen, under the picture; then the code is asked for
            async with asyncio.timeout(_SECONDS):
                agreed = False
                while not (found := _SECRET.search(terminal.seen)):
                    if not agreed and b"to accept these texts" in terminal.seen:
                        terminal.send(b"yes\r")
                        agreed = True
                    await asyncio.sleep(0.02)
            self.authenticator = Authenticator(found[1].decode())
            await terminal.expect(found[1], _SECONDS)
            await terminal.expect(b": ", _SECONDS)
            terminal.send(self.code().encode() + b"\r")
            assert await terminal.wait(_SECONDS) == 0, terminal.seen.decode()
            assert self.password.encode() not in terminal.seen

    async def enrol_by_script(self, invitation: str) -> None:
        """Take an invitation up from files, with the code on standard input."""
        held, password = self.folder / "invitation", self.folder / "password"
        held.write_text(invitation + "\n")
        password.write_text(self.password + "\n")
        process = await asyncio.create_subprocess_exec(
            *PROGRAM, "enrol", str(held), "--password-file", str(password), "--json", "--accept",
            env=self.environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        shown = await asyncio.wait_for(process.stdout.readuntil(b"}"), _SECONDS)
        self.authenticator = Authenticator(json.loads(shown)["secret"])
        _, err = await asyncio.wait_for(process.communicate(self.code().encode() + b"\n"), _SECONDS)
        assert process.returncode == 0, err.decode()

    async def log_in(self) -> None:
        """Log in at a terminal with password and code; the token stays in her folder."""
        async with self._terminal("login", "--login", self.login) as terminal:
            await terminal.expect(b": ", _SECONDS)
            terminal.send(self.password.encode() + b"\r")
            await terminal.expect(b": ", _SECONDS)
            terminal.send(self.code().encode() + b"\r")
            assert await terminal.wait(_SECONDS) == 0, terminal.seen.decode()

    def _terminal(self, *arguments: str) -> Any:
        return _Terminals(self.folder, self.environment).terminal([*PROGRAM, *arguments], size=(60, 240))


class _Terminals(SshClient):
    """The terminals that clients are run on, for a command that is no ssh client."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.directory = folder
        self._environment = environment

    @override
    def environment(self, folder: Path) -> dict[str, str]:
        return self._environment


async def ecluse(*arguments: str, typed: str = "", environment: dict[str, str]) -> Ran:
    """Run the command as a process of its own; killed, and TimeoutError raised, after two minutes."""
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, *arguments, env=environment, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        out, err = await asyncio.wait_for(process.communicate(typed.encode()), _SECONDS)
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    return Ran(process.returncode if process.returncode is not None else -1, out.decode(), err.decode())
