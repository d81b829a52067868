"""An installation as ``ecluse init`` makes it, served by its real processes on free ports."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ecluse.demo.ports import free_port
from tests.support.ssh_client import SshClient
from tests.support.stranger import PROGRAM, Stranger
from tests.support.waiting import eventually


class Installation:
    """What ``ecluse init`` made in a folder, served on free ports."""

    def __init__(self, folder: Path) -> None:
        """Make it in *folder* later."""
        self.folder = folder
        self.data = folder / "data"
        self.config = self.data / "ecluse.toml"
        self.ssh_port, self.api_port = free_port(), free_port()

    def person(self, login: str) -> Stranger:
        """Return somebody's machine."""
        url = f"https://127.0.0.1:{self.api_port}"
        return Stranger(self.folder / login, login, url, self.data / "tls" / "ca.pem")

    async def init(self) -> dict[str, str]:
        """Run ``ecluse init`` and return the two administrators' invitations."""
        nobody = self.person("nobody")
        made = await nobody.json(
            *("init", str(self.data), "--hospital", "CH de Brive", "--contact", "RSSI, poste 4242"),
            *("--administrator", "dsi:Denise Martin:denise.martin@hospital.example"),
            *("--administrator", "denis:Denis Leroy:denis.leroy@hospital.example"),
        )
        text = self.config.read_text().replace("port = 2222", f"port = {self.ssh_port}")
        self.config.write_text(text.replace("port = 8443", f"port = {self.api_port}"))
        return dict(made["invitations"])

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """Run ``ecluse serve`` until the block ends, then insist that it stops cleanly."""
        with (self.folder / "serve.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *PROGRAM, "serve", "--config", str(self.config), env=self.person("nobody").environment,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            run = self.data / "run"
            await eventually(
                lambda: all((run / f"{one}.json").exists() for one in ("gateway", "console")), 60
            )
            yield
        finally:
            process.terminate()
            ended = await asyncio.wait_for(process.wait(), 60)
        assert ended == 0, (self.folder / "serve.log").read_text()[-2000:]

    def ssh(self) -> SshClient:
        """Return a technician's ssh, which knows the gateway's key."""
        (self.folder / "ssh").mkdir()
        key = (self.data / "keys" / "host_ed25519.pub").read_text().strip()
        return SshClient("127.0.0.1", self.ssh_port, key, self.folder / "ssh")
