"""The flow broker: opens the way to one device for as long as a session or a device task lasts.

It is the only part of the product that may change the network filter, and all it can do there is to let a registered
device's address and port be reached, for a bounded time. It runs apart from the gateway, with that one right
(CAP_NET_ADMIN), and on the standard library alone::

    python -I -m ecluse.flows.broker --gateway ecluse-gateway --register /etc/ecluse-network

A connection of the Unix socket is one way. Who connects is known by the kernel (SO_PEERCRED): the gateway's user, or
root. She sends one line (see `ecluse.flows.request`) and is answered one, ``{"open": SECONDS}`` or ``{"refused":
WORD}``. The way is open until she hangs up, or its seconds are over: a gateway that is killed hangs up by being killed.
When the broker starts and when it stops, nothing is open.
"""

import argparse
import asyncio
import json
import os
import pwd
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ecluse.flows.filter import Filter
from ecluse.flows.ledger import Ledger
from ecluse.flows.register import Register
from ecluse.flows.request import LONGEST_LINE, Refused, parse

MOST: Final = 8192
"""Connections at once: more sessions than one gateway carries."""
BACKLOG: Final = 1024
"""Callers that the system keeps until they are taken: asyncio would lower what systemd set to a hundred."""
PATIENCE: Final = 5.0
"""Seconds in which a caller says what she wants."""
_FIRST_PASSED_SOCKET: Final = 3
_CREDENTIALS: Final = struct.Struct("3i")


class Broker:
    """Takes requests, and holds each to the caller, the register and its own connection."""

    def __init__(self, gateway: int, register: Register, ledger: Ledger) -> None:
        """Serve the user number *gateway*, for what stands in *register*, by *ledger*."""
        self._callers = frozenset({0, gateway})
        self._register = register
        self._ledger = ledger
        self._connections = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        self._connections += 1
        try:
            # cancelled is who is served while the broker stops, and nobody asks what became of it
            with suppress(ConnectionError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._connections -= 1
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hold = object()
        caller = _caller(writer)
        try:
            line = await _line(reader)
            if caller not in self._callers:
                raise Refused("caller")
            if self._connections > MOST:
                raise Refused("busy")
            request = parse(line)
            self._register.check(request.place)
            await self._ledger.open(request.place, request.seconds, hold)
        except Refused as refused:
            _log(f"refused {refused.word} to user {caller}: {refused.why}")
            _answer(writer, {"refused": refused.word})
            return
        try:
            _log(f"open {request.place.shown} for {request.seconds} s to user {caller}")
            _answer(writer, {"open": request.seconds})
            with suppress(TimeoutError):
                async with asyncio.timeout(request.seconds):
                    await reader.read(1)
        finally:
            self._ledger.release(request.place, hold)
            _log(f"released {request.place.shown}")


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(PATIENCE):
            return await reader.readline()
    except TimeoutError:
        raise Refused("request", "nothing asked in time") from None
    except ValueError:  # what StreamReader makes of a line beyond its limit
        raise Refused("request", "no line") from None


def _caller(writer: asyncio.StreamWriter) -> int:
    """Return the user number of who connected, as the kernel noted it then."""
    credentials = writer.get_extra_info("socket").getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
    )
    _pid, uid, _gid = _CREDENTIALS.unpack(credentials)
    return int(uid)


def _answer(writer: asyncio.StreamWriter, document: dict[str, object]) -> None:
    writer.write(json.dumps(document).encode() + b"\n")


def _log(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _listening(path: Path | None, gateway: int) -> socket.socket:
    """Return the socket that systemd passed, or one made at *path* for the user *gateway* alone."""
    if path is None:
        if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
            raise SystemExit("no socket was passed: start it by its systemd socket, or give --listen")
        return socket.socket(fileno=_FIRST_PASSED_SOCKET)
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        made.bind(str(path))
    finally:
        os.umask(before)
    os.chown(path, gateway, -1)
    return made


async def _run(gateway: int, register: Register, kernel: Filter, listening: socket.socket) -> None:
    ledger = Ledger(kernel)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ledger.stop)
    broker = Broker(gateway, register, ledger)
    server = await asyncio.start_unix_server(
        broker.take, sock=listening, limit=LONGEST_LINE, backlog=BACKLOG, start_serving=False
    )
    try:
        kernel.clear()
        await server.start_serving()
        _log("ready")
        await ledger.run()
        server.close()
        kernel.clear()
    except Refused as refused:
        raise SystemExit(
            f"the filter does not serve: is deploy/nftables/ecluse.nft loaded? ({refused.why})"
        ) from None


def _user(text: str) -> int:
    return int(text) if text.isdigit() else pwd.getpwnam(text).pw_uid


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="ecluse.flows.broker", description="Opens the way to registered devices."
    )
    parser.add_argument("--gateway", required=True, help="the gateway's user, by name or number")
    parser.add_argument(
        "--register",
        required=True,
        type=Path,
        nargs="+",
        help="what 'ecluse flows export' printed, or a folder of it",
    )
    parser.add_argument("--listen", type=Path, help="where to listen, if systemd passes no socket")
    parser.add_argument("--nft", default="/usr/sbin/nft", help="the nft program")
    told = parser.parse_args(arguments)
    try:
        gateway = _user(told.gateway)
    except KeyError:
        parser.error(f"there is no user {told.gateway}")
    if gateway == os.geteuid():
        parser.error("the gateway's user may not run this: it is there so that the gateway cannot")
    register, kernel = Register(told.register), Filter(told.nft)
    asyncio.run(_run(gateway, register, kernel, _listening(told.listen, gateway)))


if __name__ == "__main__":
    main()
