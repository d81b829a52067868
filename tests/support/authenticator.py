"""A FIDO2 authenticator in software, behind the agent protocol that a stock ``ssh`` speaks (PROTOCOL.agent, PROTOCOL.u2f)."""

import asyncio
import base64
import hashlib
import shutil
import struct
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

TOUCHED, VERIFIED = 0x01, 0x04
ED25519 = b"sk-ssh-ed25519@openssh.com"
ECDSA = b"sk-ecdsa-sha2-nistp256@openssh.com"
_REQUEST_IDENTITIES, _IDENTITIES, _SIGN, _SIGNED, _FAILURE = 11, 12, 13, 14, 5


class Identity(Protocol):
    """What an agent holds: a public key in wire format, and signatures with it."""

    blob: bytes

    def sign(self, data: bytes) -> bytes:
        """Return the SSH signature of *data*."""
        ...


def text(data: bytes) -> bytes:
    """Return *data* as an SSH string."""
    return struct.pack(">I", len(data)) + data


def number(value: int) -> bytes:
    """Return a positive *value* as an SSH mpint."""
    return text(value.to_bytes(value.bit_length() // 8 + 1, "big"))


@dataclass
class SecurityKey:
    """One credential. ``flags`` are what it signs of its holder; every signature counts."""

    algorithm: bytes = ED25519
    flags: int = TOUCHED
    application: bytes = b"ssh:"
    counter: int = 0
    blob: bytes = field(init=False)
    _key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the key inside."""
        if self.algorithm == ED25519:
            made = ed25519.Ed25519PrivateKey.generate()
            raw = made.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            self._key, public = made, text(raw)
        else:
            curve = ec.generate_private_key(ec.SECP256R1())
            point = curve.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
            )
            self._key, public = curve, text(b"nistp256") + text(point)
        self.blob = text(self.algorithm) + public + text(self.application)

    @property
    def line(self) -> str:
        """Its public line, as ``ssh-keygen -t ed25519-sk`` writes it."""
        return f"{self.algorithm.decode()} {base64.b64encode(self.blob).decode()} token"

    def sign(self, data: bytes) -> bytes:
        """Return the signature of *data* with the flags and the counter, as PROTOCOL.u2f has it."""
        self.counter += 1
        state = bytes([self.flags]) + struct.pack(">I", self.counter)
        signed = hashlib.sha256(self.application).digest() + state + hashlib.sha256(data).digest()
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            signature = self._key.sign(signed)
        else:
            r, s = decode_dss_signature(self._key.sign(signed, ec.ECDSA(hashes.SHA256())))
            signature = number(r) + number(s)
        return text(self.algorithm) + text(signature) + state


@dataclass(frozen=True)
class Agent:
    """A running agent: where ``ssh`` finds it, and the options that make it ask there."""

    socket: Path

    @property
    def options(self) -> list[str]:
        """The options of a client that has nothing but this agent's keys."""
        return ["-o", f"IdentityAgent={self.socket}", "-o", "IdentitiesOnly=no"]


@asynccontextmanager
async def agent(identities: Sequence[Identity]) -> AsyncIterator[Agent]:
    """Serve *identities* on a socket of its own; the list may change while it runs."""
    folder = Path(tempfile.mkdtemp(prefix="ecl-agent-"))  # a socket's path is short
    server = await asyncio.start_unix_server(
        lambda reader, writer: _serve(identities, reader, writer), folder / "s"
    )
    try:
        yield Agent(folder / "s")
    finally:
        server.close()
        await server.wait_closed()
        shutil.rmtree(folder)


async def _serve(
    identities: Sequence[Identity], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        while True:
            (length,) = struct.unpack(">I", await reader.readexactly(4))
            writer.write(text(_answer(identities, await reader.readexactly(length))))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _answer(identities: Sequence[Identity], request: bytes) -> bytes:
    if request[0] == _REQUEST_IDENTITIES:
        held = b"".join(text(one.blob) + text(b"token") for one in identities)
        return bytes([_IDENTITIES]) + struct.pack(">I", len(identities)) + held
    if request[0] == _SIGN:
        (length,) = struct.unpack_from(">I", request, 1)
        blob, rest = request[5 : 5 + length], request[5 + length :]
        (length,) = struct.unpack_from(">I", rest)
        for one in identities:
            if one.blob == blob:
                return bytes([_SIGNED]) + text(one.sign(rest[4 : 4 + length]))
    return bytes([_FAILURE])
