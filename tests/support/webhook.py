"""A real receiver of alarms on loopback: HTTPS by a CA made for it, which takes, refuses or sends elsewhere."""

import hashlib
import hmac
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from admin_api.settings import WebhookSettings
from ecluse.certificates import make_authority, make_server_certificate
from policy.vault.secret import Secret
from tests.support.http_server import Answer, Asked, answering

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
    receiver = Receiver(WebhookSettings(url="", secret=Secret(SECRET), authority=directory / "ca.pem"))

    def answer(asked: Asked) -> Answer:
        receiver.tries.append((asked.headers, asked.body))
        return Answer(status=receiver.status, headers={"Location": "/elsewhere"})

    with answering(answer, context) as port:
        receiver.settings = replace(receiver.settings, url=f"https://127.0.0.1:{port}/alarmes")
        yield receiver
