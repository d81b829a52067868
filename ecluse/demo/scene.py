"""A whole installation on this machine: two devices, the bastion's processes, people and two windows.

Everything goes through the product's own doors: ``ecluse init``'s files, ``ecluse serve``, and the API.
"""

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ecluse.certificates import write_private
from ecluse.client import ApiClient
from ecluse.demo.cast import Actor, Troupe
from ecluse.demo.device import DemoDevice
from ecluse.demo.device_files import unprivileged_uid
from ecluse.demo.errors import DemoError
from ecluse.demo.leftovers import claim, mark
from ecluse.demo.ports import free_port
from ecluse.demo.processes import with_us
from ecluse.host_keys import host_authority_line
from ecluse.installation import Administrator, initialise
from ecluse.presence import port_of
from ecluse.profile import Profile
from ecluse.settings import CONFIG_NAME
from ecluse.stopping import to_its_end
from policy.clock import Clock
from policy.vault.secret import Secret

HOST = "127.0.0.1"
TIMEZONE = "Europe/Paris"
OPEN_DEVICE = "scan01"
CLOSED_DEVICE = "ris02"
ACCOUNT = "maint"
START_SECONDS = 120.0
STOP_SECONDS = 25.0
POLL_SECONDS = 0.05
OPEN_FOR = timedelta(hours=2)
LOG_LINES = 10
PATCH_OF_TIME = timedelta(minutes=5)

Tell = Callable[[str], None]


class Scene:
    """The demonstration's installation. Made by ``build``; ``close`` ends and removes all of it."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self.directory = directory
        self.clock = clock
        self.troupe = Troupe.gather()
        self.devices: dict[str, DemoDevice] = {}
        self.tokens: dict[str, str] = {}
        self.ssh_port = 0
        self.api_port = 0
        self.windows: dict[str, dict[str, Any]] = {}
        self._process: asyncio.subprocess.Process | None = None

    @classmethod
    async def build(cls, directory: Path, clock: Clock, tell: Tell, ssh_port: int = 0) -> "Scene":
        """Build everything in *directory*, which must not exist, telling each step.

        *ssh_port* 0 chooses a free one. Raises DemoError; nothing is left running then.
        """
        scene = cls(directory, clock)
        try:
            tell("demo.installation")
            invitations = await scene._install(ssh_port)
            claim(directory)
            tell("demo.devices")
            await scene._start_devices()
            tell("demo.processes")
            await scene.start_processes()
            tell("demo.people")
            await to_its_end(asyncio.to_thread(scene._enrol_staff, invitations))
            await to_its_end(asyncio.to_thread(scene._enrol_supplier))
            tell("demo.declare")
            await to_its_end(asyncio.to_thread(scene._declare_devices))
            tell("demo.windows")
            await to_its_end(asyncio.to_thread(scene._plan_windows))
            scene._write_documents()
        except BaseException:
            await scene.close()
            raise
        return scene

    @property
    def data(self) -> Path:
        """The bastion's data directory: what the demonstration adds to it stands beside its own files."""
        return self.directory

    @property
    def config(self) -> Path:
        """The bastion's settings file."""
        return self.data / CONFIG_NAME

    @property
    def known_hosts(self) -> Path:
        """The file that lets stock clients know the gateway."""
        return self.directory / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        """The file that lets stock clients jump (``ssh -F``): ``-J`` passes it on, and no other option."""
        return self.directory / "ssh_config"

    @property
    def token_file(self) -> Path:
        """The file of the API token that the printed commands use."""
        return self.directory / "token"

    @property
    def url(self) -> str:
        """The API's address."""
        return f"https://{HOST}:{self.api_port}"

    def client(self, actor: Actor | None = None) -> ApiClient:
        """Return a client of the API, with the token of *actor* where one is given."""
        token = Secret(self.tokens[actor.login]) if actor is not None else None
        return ApiClient(Profile(url=self.url, ca=self.data / "tls/ca.pem", token=token), "en")

    async def start_processes(self) -> None:
        """Start ``ecluse serve`` and wait until both processes say that they are ready. Raises DemoError."""
        with (self.directory / "serve.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *with_us(), sys.executable, "-P", "-m", "ecluse", "serve", "--config", str(self.config),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, **mark(self.directory)},
            )  # fmt: skip
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        run = self.data / "run"
        while port_of(run, "gateway") is None or port_of(run, "console") is None:
            if self._process.returncode is not None or asyncio.get_running_loop().time() > deadline:
                tail = (self.directory / "serve.log").read_text(errors="replace").splitlines()[-LOG_LINES:]
                told = [DemoError("demo.log_line", line=line) for line in tail]
                raise DemoError.together([DemoError("demo.not_started"), *told])
            await asyncio.sleep(POLL_SECONDS)

    async def close(self) -> None:
        """Stop the bastion and the devices, and remove the directory; again and again does no harm."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        for device in self.devices.values():
            await device.stop()
        await asyncio.to_thread(shutil.rmtree, self.directory, ignore_errors=True)

    def document(self) -> dict[str, Any]:
        """Return what ``demo.json`` says."""
        return {
            "ssh": {"host": HOST, "port": self.ssh_port, "known_hosts": str(self.known_hosts)},
            "api": {
                "url": self.url,
                "token": self.tokens[self.troupe.operator.login],
                "ca": str(self.data / "tls/ca.pem"),
            },
            "people": [actor.document() for actor in self.troupe.everybody()],
            "devices": [
                {"name": OPEN_DEVICE, "account": ACCOUNT, "window": "open"},
                {"name": CLOSED_DEVICE, "account": ACCOUNT, "window": "closed"},
            ],
            "data_dir": str(self.data),
        }

    async def _start_devices(self) -> None:
        for name in (OPEN_DEVICE, CLOSED_DEVICE):
            self.devices[name] = await DemoDevice.start(
                self.directory / "devices" / name,
                name,
                account_name=ACCOUNT,
                environment=mark(self.directory),
                uid=unprivileged_uid() if os.geteuid() == 0 else None,  # nobody is handed root's shell
            )

    async def _install(self, ssh_port: int) -> dict[str, str]:
        administrators = [
            Administrator(login=actor.login, full_name=actor.full_name, email=actor.email)
            for actor in (self.troupe.dsi, self.troupe.denis)
        ]
        invitations = await initialise(
            self.data,
            hospital="Centre hospitalier de démonstration",
            timezone=TIMEZONE,
            security_contact="RSSI, poste 4242",
            administrators=administrators,
            clock=self.clock,
        )
        self.ssh_port = ssh_port or free_port()
        self.api_port = free_port()
        text = self.config.read_text()
        text = text.replace("port = 2222", f"port = {self.ssh_port}")
        self.config.write_text(text.replace("port = 8443", f"port = {self.api_port}"))
        authority = host_authority_line(self.data / "keys/host_ca")
        hosts = f"[{HOST}]:{self.ssh_port},{OPEN_DEVICE},{CLOSED_DEVICE}"
        # the keys themselves come first: not every client knows certificates, and not every one reads the mark
        keys = [path.read_text().strip() for path in sorted((self.data / "keys").glob("host_e*.pub"))]
        plain = "".join(f"[{HOST}]:{self.ssh_port} {key}\n" for key in reversed(keys))
        self.known_hosts.write_text(f"{plain}@cert-authority {hosts} {authority}\n")
        self.ssh_config.write_text(
            f"UserKnownHostsFile {self.known_hosts}\nGlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\n"
        )
        return {login: token.reveal() for login, token in invitations.items()}

    def _enrol_staff(self, invitations: dict[str, str]) -> None:
        with self.client() as anonymous:
            for actor in (self.troupe.dsi, self.troupe.denis):
                actor.enrol(anonymous, invitations[actor.login], self.clock)
                self._log_in(anonymous, actor)
        with self.client(self.troupe.dsi) as api:
            for actor in (self.troupe.operator, self.troupe.rssi):
                self._invite(api, actor, None)
        with self.client() as anonymous:
            self._log_in(anonymous, self.troupe.operator)

    def _enrol_supplier(self) -> None:
        site = {"name": "Lyon", "country": "FR", "networks": ["127.0.0.0/8", "::1/128"]}
        with self.client(self.troupe.dsi) as api:
            supplier = api.post("/v1/suppliers", {"name": "Imagix", "sites": [site]})
            for actor in (self.troupe.alice, self.troupe.bob):
                self._invite(api, actor, supplier["id"])

    def _invite(self, api: ApiClient, actor: Actor, supplier_id: str | None) -> None:
        person = api.post(
            "/v1/people",
            {
                "login": actor.login,
                "full_name": actor.full_name,
                "email": actor.email,
                "language": actor.language,
                "roles": list(actor.roles),
                "supplier_id": supplier_id,
            },
        )
        invitation = api.post(f"/v1/people/{person['id']}/invitation")
        with self.client() as anonymous:
            actor.enrol(anonymous, str(invitation["token"]), self.clock)

    def _log_in(self, anonymous: ApiClient, actor: Actor) -> None:
        answer = anonymous.post(
            "/v1/login", {"login": actor.login, "password": actor.password, "code": actor.code(self.clock)}
        )
        self.tokens[actor.login] = str(answer["token"])

    def _declare_devices(self) -> None:
        with self.client(self.troupe.dsi) as api:
            zone = api.post("/v1/zones", {"name": "admin", "source_address": HOST})
            for device in self.devices.values():
                row = api.post(
                    "/v1/devices",
                    {
                        "name": device.name,
                        "zone_id": zone["id"],
                        "address": device.host,
                        "port": device.port,
                        "description": f"Équipement de démonstration {device.name}",
                    },
                )
                account = device.account
                method, secret = "password", account.password
                if secret is None:
                    method, secret = "key", account.private_key
                api.post(
                    f"/v1/devices/{row['id']}/accounts",
                    {"name": ACCOUNT, "method": method, "secret": secret},
                )
                self._pin(api, row["id"], device)

    def _pin(self, api: ApiClient, device_id: str, device: DemoDevice) -> None:
        task = api.post("/v1/tasks", {"kind": "fetch-host-keys", "device_id": device_id})
        shown = _finished(api, task["id"])
        offered = [key["public_key"].split()[:2] for key in shown["result"]["host_keys"]]
        true_key = device.host_key_public.split()[:2]
        if true_key not in offered:
            raise DemoError("demo.other_host_key", device=device.name)
        api.post(f"/v1/devices/{device_id}/host-keys", {"public_key": " ".join(true_key)})

    def _plan_windows(self) -> None:
        now, zone = self.clock.now(), ZoneInfo(TIMEZONE)
        tomorrow = (now.astimezone(zone) + timedelta(days=1)).replace(
            hour=20, minute=0, second=0, microsecond=0
        )
        # reckoned as instants: in the night that lacks an hour, an hour from now by the wall may be no time at all
        start, end = ((now + each).astimezone(zone) for each in (-PATCH_OF_TIME, OPEN_FOR))
        self._plan(OPEN_DEVICE, start, end, "Mise à jour du scanner")
        self._plan(CLOSED_DEVICE, tomorrow, tomorrow + OPEN_FOR, "Contrôle annuel du RIS")

    def _plan(self, device: str, start: datetime, end: datetime, purpose: str) -> None:
        with self.client(self.troupe.dsi) as dsi, self.client(self.troupe.denis) as denis:
            supplier = next(iter(dsi.items("/v1/suppliers")))
            people = {item["login"]: item["id"] for item in dsi.items("/v1/people")}
            devices = {item["name"]: item["id"] for item in dsi.items("/v1/devices")}
            window = dsi.post(
                "/v1/windows",
                {
                    "supplier_id": supplier["id"],
                    "kind": "remote_maintenance",
                    "people": [people[self.troupe.alice.login], people[self.troupe.bob.login]],
                    "devices": [devices[device]],
                    "groups": [],
                    "account": None,
                    "channels": ["shell", "exec", "sftp-up", "sftp-down"],
                    "purpose": purpose,
                    "start": start.strftime("%Y-%m-%d %H:%M"),
                    "end": end.strftime("%Y-%m-%d %H:%M"),
                    "start_fold": _fold(start),
                    "end_fold": _fold(end),
                },
            )["window"]
            denis.post(f"/v1/windows/{window['id']}/approve", {"version": window["version"]})
            self.windows[device] = window

    def _write_documents(self) -> None:
        write_private(self.token_file, self.tokens[self.troupe.operator.login].encode() + b"\n")
        text = json.dumps(self.document(), indent=2, ensure_ascii=False)
        write_private(self.data / "demo.json", text.encode())


def _fold(local: datetime) -> str | None:
    # only a time that exists twice needs to be told apart; the clock knows which of the two it is
    other = local.replace(fold=1 - local.fold)
    if local.utcoffset() == other.utcoffset():
        return None
    return "second" if local.fold else "first"


def _finished(api: ApiClient, task_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + START_SECONDS
    while True:
        task = api.get(f"/v1/tasks/{task_id}")
        if task["result"] is not None:
            break
        if time.monotonic() > deadline:
            raise DemoError("demo.no_gateway")
        time.sleep(POLL_SECONDS)
    if not task["result"]["ok"]:
        raise DemoError("demo.task_failed", why=str(task["result"].get("detail") or ""))
    return task
