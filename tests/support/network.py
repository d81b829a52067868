"""Machines and cables made by the test: network namespaces that nothing else is in, gone at its end."""

import asyncio
import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final, TypeVar

_NEW_NETWORK: Final = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = count(1)
Found = TypeVar("Found")


def refusal() -> str | None:
    """Return why this machine lets no test make networks, None where it does."""
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    for program, package in (("ip", "iproute2"), ("nft", "nftables"), ("setpriv", "util-linux")):
        if shutil.which(program) is None:
            return f"{program} is missing (package {package})"
    tried = subprocess.run(
        ["unshare", "--net", "nft", "add table inet ecluse_trial"],
        check=False,
        capture_output=True,
        text=True,
    )
    said = " ".join(tried.stderr.split())[:200]
    return f"this machine refuses network namespaces or nftables: {said}" if tried.returncode else None


class Network:
    """Namespaces joined by cables. Their names carry the pid, so that runs beside each other don't meet."""

    def __init__(self) -> None:
        """Make nothing yet."""
        self._prefix = f"ecluse-{os.getpid()}-{next(_numbers)}-"
        self._machines: list[str] = []

    def machine(self, name: str) -> None:
        """Add a machine with nothing but its loopback."""
        self._ip(f"netns add {self._prefix}{name}")
        self._machines.append(name)
        self.configure(name, "link set lo up")

    def cable(self, one: str, first: str, other: str, second: str) -> None:
        """Join the interface *first* of machine *one* with *second* of *other*."""
        end = f"name {second} netns {self._prefix}{other}"
        self.configure(one, f"link add {first} type veth peer {end}", f"link set {first} up")
        self.configure(other, f"link set {second} up")

    def configure(self, machine: str, *lines: str) -> None:
        """Run lines of ip(8) on *machine*."""
        self._ip(*lines, options=("-n", self._prefix + machine))

    def on(self, machine: str) -> list[str]:
        """Return what to put before a command so that it runs on *machine*."""
        return ["ip", "netns", "exec", self._prefix + machine]

    def run(self, machine: str, *command: str, text: str = "") -> str:
        """Run a command on *machine* to its end and return what it printed; raises CalledProcessError."""
        done = subprocess.run(
            [*self.on(machine), *command], input=text, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stderr}{done.stdout}")
        return done.stdout

    def call(self, machine: str, act: Callable[[], Found]) -> Found:
        """Have *act* done on *machine*, in a thread of this process: what it opens is there."""
        done: list[Found] = []

        def there() -> None:
            with Path(f"/run/netns/{self._prefix}{machine}").open() as place:
                if _libc.setns(place.fileno(), _NEW_NETWORK):
                    raise OSError(ctypes.get_errno(), "setns")
            done.append(act())

        thread = threading.Thread(target=there)
        thread.start()
        thread.join()
        return done[0]

    async def ask(self, machine: str, act: Callable[[], Found]) -> Found:
        """Have *act* done there while the loop goes on."""
        return await asyncio.to_thread(self.call, machine, act)

    def remove(self) -> None:
        """Remove the machines, and their cables with them."""
        while self._machines:
            self._ip(f"netns del {self._prefix}{self._machines.pop()}")

    @staticmethod
    def _ip(*lines: str, options: Sequence[str] = ()) -> None:
        done = subprocess.run(
            ["ip", *options, "-batch", "-"],
            input="\n".join(lines),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)


@contextmanager
def network() -> Iterator[Network]:
    """Give a network, and remove it at the end."""
    made = Network()
    try:
        yield made
    finally:
        made.remove()
