"""What the gateway's own port offers, told by ssh-audit, beside what we promise (`gateway.sshfix.algorithms`)."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from ecluse.diagnosis.keys import SMALLEST_RSA_HOST_KEY
from ecluse.diagnosis.symptom import Symptom, look
from ecluse.presence import port_of
from ecluse.selfaudit.places import reachable
from ecluse.settings import Settings
from gateway.server import proxy_header
from gateway.server.proxy_header import is_listed
from gateway.sshfix.algorithms import COMPRESSION, ENCRYPTION, KEX, MAC, SIGNATURE

_PROGRAM: Final = ("-I", "-m", "ssh_audit.ssh_audit")
_LIMIT: Final = 120.0
_PIECE: Final = 65536
_STRICT: Final = "kex-strict-s-v00@openssh.com"
_MARKERS: Final = frozenset({_STRICT, "ext-info-s"})
"""No algorithms, though they stand in the list of them: what the server can do besides."""
_PROMISED: Final[Mapping[str, frozenset[str]]] = {
    "kex": frozenset(KEX) | _MARKERS,
    "key": frozenset(SIGNATURE),
    "enc": frozenset(ENCRYPTION),
    "mac": frozenset(MAC),
    "compression": frozenset(COMPRESSION),
}
_CERTIFICATE: Final = "-cert-v01@openssh.com"


async def port(settings: Settings) -> list[Symptom]:
    """Ask the gateway that runs on this machine what it offers."""
    running = port_of(settings.run_directory, "gateway")
    if running is None:
        return [look("ssh_algorithms", place="–").undone("silent", why="no gateway runs on this machine")]
    host = reachable(settings.gateway.host)
    return await offered(host, running, announced=is_listed(host, settings.gateway.proxy_sources))


async def offered(host: str, port: int, *, announced: bool = False) -> list[Symptom]:
    """Ask *host* at *port* what it offers, and judge it by what is promised.

    *announced*: it takes connections from here for a balancer's, or the two-tier lock's relay's, and wants their header.
    """
    check = look("ssh_algorithms", place=f"{host}:{port}")
    try:
        if announced:
            async with _announcing(host, port) as way:
                found = await _asked("127.0.0.1", way)
        else:
            found = await _asked(host, port)
    except (OSError, ValueError, LookupError) as error:
        return [check.undone("silent", why=str(error) or type(error).__name__)]
    return list(_judged(found, f"{host}:{port}"))


@asynccontextmanager
async def _announcing(host: str, port: int) -> AsyncIterator[int]:
    """Give a port of this machine alone that leads to *host* at *port*, each connection behind a header of its own."""

    async def bring(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            there, out = await asyncio.open_connection(host, port)
            here = writer.get_extra_info("peername")[:2]
            out.write(proxy_header.write(here, writer.get_extra_info("sockname")[:2]))
            await asyncio.gather(_carry(reader, out), _carry(there, writer))

    server = await asyncio.start_server(bring, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(_PIECE):
            target.write(data)
            await target.drain()
    finally:
        target.close()


async def _asked(host: str, port: int) -> Mapping[str, Any]:
    """Return ssh-audit's answer; raises ValueError with what it said where it is none, TimeoutError, OSError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *_PROGRAM),
        *(
            "--json",
            "--batch",
            "--no-colors",
            "--skip-rate-test",
            "--timeout",
            "10",
            "--port",
            str(port),
            host,
        ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(_LIMIT):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        answer = json.loads(said)
        answer["kex"], answer["key"]
    except (ValueError, LookupError, TypeError) as error:
        lines = said.decode(errors="replace").strip().splitlines()
        raise ValueError(lines[-1][:200] if lines else "ssh-audit said nothing") from error
    return dict(answer)


def _judged(found: Mapping[str, Any], place: str) -> Iterator[Symptom]:
    check = look("ssh_algorithms", place=place)
    offers = {kind: [_name(one) for one in found.get(kind) or []] for kind in _PROMISED}
    beyond = [
        name
        for kind, names in offers.items()
        for name in names
        if name.removesuffix(_CERTIFICATE) not in _PROMISED[kind]
    ]
    if beyond:
        yield check.failed("beyond", algorithms=", ".join(beyond))
    if _STRICT not in offers["kex"]:
        yield check.failed("not_strict")
    weak = [one for one in found["key"] if "rsa" in _name(one) and _bits(one) < SMALLEST_RSA_HOST_KEY]
    if weak:
        yield check.failed("weak_key", bits=_bits(weak[0]), least=SMALLEST_RSA_HOST_KEY)
    if not beyond and _STRICT in offers["kex"] and not weak:
        blamed = sorted(
            {_name(one) for kind in ("kex", "key", "enc", "mac") for one in found[kind] if _blamed(one)}
        )
        count = sum(len(names) for names in offers.values())
        yield (
            check.good("promised", count=count)
            if not blamed
            else check.good("blamed", count=count, algorithms=", ".join(blamed))
        )
    for one in found.get("cves") or []:
        yield check.failed("known_fault", name=str(one.get("name")), what=str(one.get("description"))[:200])


def _name(one: object) -> str:
    return str(one.get("algorithm")) if isinstance(one, Mapping) else str(one)


def _bits(one: Mapping[str, Any]) -> int:
    size = one.get("keysize")
    return size if isinstance(size, int) else SMALLEST_RSA_HOST_KEY


def _blamed(one: object) -> bool:
    return isinstance(one, Mapping) and bool(one.get("notes", {}).get("fail"))
