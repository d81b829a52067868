"""OpenSSL's own OCSP responder, answering over HTTP on loopback; its time is the machine's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from tests.support.pki import Authority


@dataclass
class Responder:
    """Answers for ``authority`` about what is in its index. ``reply`` may stand in for OpenSSL's answer.

    ``pages`` are what it gives away besides, by path; ``signer`` is who signs in the authority's name (PEM: certificate, key).
    """

    authority: Authority
    directory: Path
    port: int = 0
    asked: int = 0
    reply: bytes | None = None
    pages: dict[str, bytes] = field(default_factory=dict)
    signer: tuple[str, str] | None = None
    validity: tuple[str, ...] = ("-ndays", "1")
    _index: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}/"

    def knows(self, certificate: x509.Certificate, *, revoked: str | None = None) -> None:
        """Put *certificate* into the index, as valid or as *revoked* for that reason."""
        now = datetime.now(UTC).strftime("%y%m%d%H%M%SZ")
        end = certificate.not_valid_after_utc.strftime("%y%m%d%H%M%SZ")
        serial = f"{certificate.serial_number:X}"
        serial = serial if len(serial) % 2 == 0 else f"0{serial}"
        state = f"V\t{end}\t" if revoked is None else f"R\t{end}\t{now},{revoked}"
        self._index = [line for line in self._index if f"\t{serial}\t" not in line]
        self._index.append(f"{state}\t{serial}\tunknown\t/CN={serial}")

    async def answer(self, request: bytes) -> bytes:
        """Return what ``openssl ocsp`` answers to *request*."""
        self.asked += 1
        if self.reply is not None:
            return self.reply
        place = self.directory
        (place / "ca.pem").write_text(self.authority.pem)
        certificate, key = self.signer or (self.authority.pem, self.authority.key_pem)
        (place / "signer.pem").write_text(certificate)
        (place / "signer.key").write_text(key)
        (place / "index.txt").write_text("\n".join([*self._index, ""]))
        (place / "request.der").write_bytes(request)
        process = await asyncio.create_subprocess_exec(
            *("openssl", "ocsp", "-index", "index.txt", "-CA", "ca.pem"),
            *("-rsigner", "signer.pem", "-rkey", "signer.key"),
            *("-reqin", "request.der", "-respout", "answer.der", *self.validity),
            cwd=place,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await asyncio.wait_for(process.communicate(), 60)
        if process.returncode != 0:
            raise RuntimeError(errors.decode())
        return (place / "answer.der").read_bytes()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one HTTP request."""
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET "):
            await _send(writer, self.pages.get(head.split(b" ")[1].decode()))
            return
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
        body = await reader.readexactly(int(fields[b"content-length"]))
        await _send(writer, await self.answer(body))


async def _send(writer: asyncio.StreamWriter, content: bytes | None) -> None:
    start = "200 OK" if content is not None else "404 Not Found"
    body = content or b""
    writer.write(
        f"HTTP/1.1 {start}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
    )
    await writer.drain()
    writer.close()


@asynccontextmanager
async def responder(authority: Authority, directory: Path) -> AsyncIterator[Responder]:
    """Run a responder for *authority* with its files in *directory*."""
    directory.mkdir()
    running = Responder(authority, directory)
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        await server.wait_closed()
