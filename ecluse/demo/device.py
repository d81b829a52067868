"""A device to try the bastion on: a real OpenSSH server on loopback, with one dedicated account of its own.

Password and key both open the account; shell, exec, sftp, scp and rsync are what the installed programs make them.
It works alike for root and for an ordinary user, and touches none of the system's accounts (see device_files). As
root, sshd wants the empty folder /run/sshd, which is made when it is missing, and notes log-ins in wtmp as ever.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from ecluse.demo.device_files import DeviceAccount, DeviceFiles, prepare, sshd_program
from ecluse.demo.errors import DemoError
from ecluse.demo.leftovers import device_mark
from ecluse.demo.ports import free_port
from ecluse.demo.processes import carrying, descendants, is_alive, send, with_us
from ecluse.stopping import to_its_end

HOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 2.0
POLL_SECONDS = 0.02


class DemoDevice:
    """A running sshd and its account. Made by `start`; the one who starts it stops it."""

    host = HOST

    def __init__(
        self,
        name: str,
        files: DeviceFiles,
        account: DeviceAccount,
        extra_config: str,
        environment: Mapping[str, str],
    ) -> None:
        self.name = name
        self.account = account
        self.port = 0
        self.host_key_public = ""
        self._files = files
        self._environment = environment
        self._extra_config = extra_config
        self._mark = device_mark()
        self._process: asyncio.subprocess.Process | None = None

    @classmethod
    async def start(
        cls,
        directory: Path,
        name: str,
        *,
        account_name: str = "maint",
        extra_config: str = "",
        environment: Mapping[str, str] | None = None,
        uid: int | None = None,
    ) -> "DemoDevice":
        """Start a device in *directory* (made if missing, and holding nothing of an earlier one).

        Args:
            directory: where its keys, its account's home and its log live.
            name: the device's name, shown in its prompt.
            account_name: the login name of its one account.
            extra_config: lines of sshd_config(5) that win over ours.
            environment: further variables of sshd itself, which its sessions don't see.
            uid: as root only, the user number that the account maps to; its home then goes with the device.

        Raises DemoError when a program is missing or sshd does not come up.
        """
        files = await to_its_end(asyncio.to_thread(prepare, directory, uid))
        try:
            if files.config.exists():
                raise DemoError("demo.folder_taken", folder=str(files.root))
            account = await to_its_end(asyncio.to_thread(files.make_account, account_name, name))
            device = cls(name, files, account, extra_config, environment or {})
            device.host_key_public = await to_its_end(asyncio.to_thread(files.make_host_key))
            await device._run()
        except BaseException:
            files.remove_reachable()
            raise
        return device

    @property
    def pid(self) -> int:
        """The listening sshd. Raises DemoError when it is not running."""
        if self._process is None:
            raise DemoError("demo.device_not_running", device=self.name)
        return self._process.pid

    @property
    def home(self) -> Path:
        """The home folder of the account."""
        return self._files.home

    def log(self) -> str:
        """Give what the sshd has logged since the device was first started."""
        return self._files.log.read_text(encoding="utf-8", errors="replace")

    def processes(self) -> list[int]:
        """Give the pids that serve sessions now: the listener's descendants, and session processes that lost them.

        The second kind is what a closed connection can leave behind when nobody signals it.
        """
        served = carrying(self._mark)
        if self._process is not None:
            served |= descendants(self._process.pid)
        return sorted(served)

    def replace_host_key(self) -> None:
        """Give the device another identity, which it shows from its next `restart` on."""
        self.host_key_public = self._files.make_host_key()

    async def restart(self) -> None:
        """Stop the sshd with its sessions and start it again on the same port.

        Raises DemoError when it does not come up.
        """
        await self._halt()
        await self._run()

    async def stop(self) -> None:
        """End the sshd and every session process it left; again and again does no harm."""
        await self._halt()
        await asyncio.to_thread(self._files.remove_reachable)

    async def _halt(self) -> None:
        process, served = self._process, set(self.processes())
        self._process = None
        if process is not None and process.returncode is None:
            process.terminate()
        for numbers in ((signal.SIGHUP, signal.SIGTERM), (signal.SIGKILL,)):
            told: set[int] = set()
            if await _became_true(partial(self._swept, served, told, numbers)):
                break
        if process is not None:
            if process.returncode is None and not await _became_true(lambda: process.returncode is not None):
                process.kill()
            await process.wait()

    def _swept(self, served: set[int], told: set[int], numbers: tuple[signal.Signals, ...]) -> bool:
        """Signal those of *served* that were not *told* yet; tell whether all have gone, with what they started since."""
        served |= carrying(self._mark)
        living = {pid for pid in served if is_alive(pid)}
        for number in numbers:
            send(living - told, number)
        told |= living
        return not living

    async def _run(self) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        program = sshd_program()
        port = self.port or free_port()
        await asyncio.to_thread(self._files.write_config, port, self._mark, self._extra_config)
        listening, said = await self._launch(program)
        if not listening:
            raise DemoError("demo.device_not_started", device=self.name, why=" ".join(said.split()))
        self.port = port

    async def _launch(self, program: Path) -> tuple[bool, str]:
        """Start sshd; tell whether it came to listen, and what it said."""
        with self._files.log.open("ab") as log:
            before = log.tell()
            process = await asyncio.create_subprocess_exec(
                *with_us(),
                program,
                "-D",
                "-e",
                "-f",
                self._files.config,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.defpath, **self._environment, **self._files.environment()},
                # Ctrl-C at the terminal is for the one who runs the demonstration, and reaches us through them.
                start_new_session=True,
            )

        def said() -> str:
            return self._files.log.read_bytes()[before:].decode("utf-8", errors="replace")

        await _became_true(
            lambda: process.returncode is not None or "Server listening on" in said(), START_SECONDS
        )
        if process.returncode is None and "Server listening on" in said():
            self._process = process
            return True, said()
        if process.returncode is None:
            process.kill()
            await process.wait()
        return False, said()


async def _became_true(condition: Callable[[], bool], seconds: float = STOP_SECONDS) -> bool:
    """Wait at most *seconds* for *condition*, looking at it often; tell whether it came true."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True
