"""A real receiver of alarms on loopback: HTTPS by a CA made for it, which takes, refuses or sends elsewhere."""

import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from typing_extensions import override

from admin_api.settings import WebhookSettings
from ecluse.certificates import make_authority, make_server_certificate
from policy.vault.secret import Secret

SECRET: Final = "une clef partagée de plus de trente-deux lettres"


@dataclass
class Receiver:
    """What has arrived: headers and body of each try; ``status`` is what it answers."""

    settings: WebhookSettings
    status: int = 204
    tries: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The bodies, as JSON."""
        return [json.loads(body) for _, body in self.tries]


def verified(headers: Mapping[str, str], body: bytes, secret: str = SECRET) -> bool:
    """Check a message as the operator's page tells a receiver to."""
    parts = dict(part.split("=", 1) for part in headers["Ecluse-Signature"].split(","))
    expected = hmac.new(secret.encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts["v1"])


@contextmanager
def webhook(directory: Path) -> Iterator[Receiver]:
    """Run a receiver until the block ends; its CA's files are in *directory*."""
    directory.mkdir(exist_ok=True)
    make_authority(directory, "Supervision", datetime.now(UTC))
    make_server_certificate(directory, ["127.0.0.1", "localhost"], datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "api.pem", directory / "api.key")
    kept: list[Receiver] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver = kept[0]
            receiver.tries.append((dict(self.headers), body))
            self.send_response(receiver.status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"https://127.0.0.1:{server.server_address[1]}/alarmes"
    kept.append(Receiver(WebhookSettings(url=url, secret=Secret(SECRET), authority=directory / "ca.pem")))
    serving = threading.Thread(target=server.serve_forever, args=(0.05,), name="webhook")
    serving.start()
    try:
        yield kept[0]
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
