"""A real PostgreSQL for the tests: Debian's binaries, an unprivileged user, a Unix socket, nothing kept."""

import atexit
import functools
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ecluse.demo.leftovers import temporary_folder
from ecluse.demo.processes import with_us
from tests.support.temporary import in_memory
from tests.support.waiting import PATIENCE, until

_USERS = ("postgres", "nobody")
_SPEED = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    "max_connections": "100",
    "shared_buffers": "32MB",
}
"""Nothing survives the server anyway; what is compared with the other database is what it answers."""
_DURABLE = {"jit": "off"}
"""As it is installed: where what it costs is measured."""


class Postgres:
    """A server of our own, which dies with this process whatever happens to it."""

    def __init__(self, binaries: Path, *, durable: bool = False) -> None:
        """Make a cluster in a temporary directory and start it; a *durable* one waits for its disk."""
        self._binaries = binaries
        self._settings = _DURABLE if durable else _SPEED
        # a database is some three hundred files, made and removed for a single test
        self._directory = temporary_folder("pg", None if durable else in_memory())
        self._count = 0
        self._shell: subprocess.Popen[str] | None = None
        self._as = _unprivileged(self._directory)
        data = self._directory / "data"
        self._run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        self._process = self._start()
        atexit.register(self.stop)
        self._wait()

    def url(self, database: str) -> str:
        """Return the address of *database*, as the settings take it."""
        return f"postgresql://postgres@/{database}?host={self._directory}"

    def create(self, *, like: str = "template1") -> str:
        """Return the name of a fresh database, a copy of the one called *like*, which nobody may be using."""
        self._count += 1
        name = f"ecluse_{self._count}"
        self._tell(f'CREATE DATABASE "{name}" TEMPLATE "{like}" STRATEGY file_copy')
        return name

    @contextmanager
    def copied(self, url: str) -> Iterator[str]:
        """The address of a copy of the database at *url*, which nobody may be using; removed afterwards."""
        copy = self.url(self.create(like=_name(url)))
        try:
            yield copy
        finally:
            self.drop(copy)

    def drop(self, url: str) -> None:
        """Remove the database at *url*, and break whatever connection is left to it."""
        self._tell(f'DROP DATABASE "{_name(url)}" WITH (FORCE)')

    def pause(self) -> None:
        """Let every process of the server stand still: it accepts nothing and answers nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let the server go on."""
        self._signal(signal.SIGCONT)

    def halt(self) -> None:
        """Stop the server as it would be on its machine: connections break, and its files stay."""
        self._hang_up()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)

    def kill(self) -> None:
        """End every process of the server by SIGKILL, as a machine that loses its power does."""
        self._hang_up()
        children = self._signal(signal.SIGKILL)
        self._process.wait(60)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "the server's end")

    def resume(self) -> None:
        """Start it again on the same files."""
        self._process = self._start()
        self._wait()

    def stop(self) -> None:
        """Stop the server at once and remove its files; a second time does nothing."""
        self._hang_up()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(60)
        atexit.unregister(self.stop)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _start(self) -> "subprocess.Popen[bytes]":
        with (self._directory / "log").open("ab") as log:
            return subprocess.Popen(
                [
                    *self._as,
                    str(self._binaries / "postgres"),
                    *("-D", str(self._directory / "data"), "-k", str(self._directory), "-h", ""),
                    *(word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")),
                ],
                stdout=log,
                stderr=log,
            )

    def _signal(self, number: int) -> list[int]:
        """Signal the server's processes, and return those but the first; it starts no other meanwhile."""
        first = self._process.pid
        os.kill(first, signal.SIGSTOP)
        children = [int(pid) for pid in Path(f"/proc/{first}/task/{first}/children").read_text().split()]
        for pid in (*children, first):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return children

    def _tell(self, statement: str) -> None:
        """Run *statement* by one psql that stays, for starting a program costs more than most statements."""
        if self._shell is None:
            self._shell = subprocess.Popen(
                [
                    *self._as,
                    str(self._binaries / "psql"),
                    *("-h", str(self._directory), "-U", "postgres", "-d", "postgres"),
                    *("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        shell = self._shell
        if shell.stdin is None or shell.stdout is None:
            raise RuntimeError("psql has no pipes")
        shell.stdin.write(f"{statement};\n\\echo done\n")
        shell.stdin.flush()
        answer = shell.stdout.readline()
        if answer != "done\n":
            said = answer + shell.stdout.read()
            self._hang_up()
            raise RuntimeError(f"{statement}: {said}")

    def _hang_up(self) -> None:
        shell, self._shell = self._shell, None
        if shell is not None:
            shell.kill()
            shell.communicate()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._as, str(self._binaries / program), *arguments], capture_output=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace')}")

    def _wait(self) -> None:
        ready = [str(self._binaries / "pg_isready"), "-q", "-h", str(self._directory)]
        deadline = time.monotonic() + PATIENCE
        while subprocess.run(ready, check=False).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._directory / "log").read_text(errors="replace"))
            time.sleep(0.05)


def _name(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


def find_binaries() -> Path | None:
    """Return the folder of the newest PostgreSQL server of this machine, None where there is none."""
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr/local/pgsql").glob("bin")]
    found = [folder for folder in folders if (folder / "postgres").exists() and (folder / "initdb").exists()]
    return max(
        found, key=lambda folder: int(folder.parent.name) if folder.parent.name.isdigit() else 0, default=None
    )


def start(*, durable: bool = False) -> Postgres:
    """Start a server of one's own, *durable* or fast; skips the test where this machine has none to start."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server on this machine: install the postgresql package to run this test")
    return Postgres(binaries, durable=durable)


@functools.cache
def shared() -> Postgres:
    """Return the server that all tests of this process share."""
    return start()


def _unprivileged(directory: Path) -> list[str]:
    """Return what to put before a command so that it does not run as root, which the server refuses."""
    if os.geteuid() != 0:
        return list(with_us())
    for name in _USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(directory, user.pw_uid, user.pw_gid)
        return [
            "setpriv",
            f"--reuid={user.pw_uid}",
            f"--regid={user.pw_gid}",
            "--clear-groups",
            "--pdeathsig=QUIT",
            "--",
        ]
    pytest.skip("this machine has no unprivileged user to run a PostgreSQL server as")
