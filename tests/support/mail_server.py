"""A real mail server on loopback, with TLS by a CA made for it: takes mails, refuses them, or goes away."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from admin_api.settings import MailSettings, MailTransport
from ecluse.certificates import make_authority, make_server_certificate
from ecluse.demo.ports import free_port
from policy.vault.secret import Secret
from tests.support.waiting import PATIENCE

USER: Final = "ecluse"
PASSWORD: Final = "la passerelle écrit"


@dataclass
class MailServer:
    """What has arrived, whole; ``refusal`` is what it answers instead of taking a mail."""

    settings: MailSettings
    controller: Controller
    arrived: list[EmailMessage] = field(default_factory=list)
    refusal: str | None = None

    def to(self, address: str) -> list[EmailMessage]:
        """Return the mails to *address*, oldest first."""
        return [one for one in self.arrived if address in str(one["To"])]

    def stop(self) -> None:
        """Go away: nobody listens any more."""
        self.controller.stop()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a mail, or refuse it."""
        if self.refusal is not None:
            return self.refusal
        content = envelope.content
        assert isinstance(content, bytes)
        found = message_from_bytes(content, policy=policy.default)
        assert isinstance(found, EmailMessage)
        self.arrived.append(found)
        return "250 OK"


@contextmanager
def mail_server(directory: Path) -> Iterator[MailServer]:
    """Run a server that asks for STARTTLS and a password until the block ends; its CA's files are in *directory*."""
    directory.mkdir(exist_ok=True)
    make_authority(directory, "Courrier", datetime.now(UTC))
    make_server_certificate(directory, ["127.0.0.1", "localhost"], datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "api.pem", directory / "api.key")
    settings = MailSettings(
        host="127.0.0.1",
        port=free_port(),
        transport=MailTransport.STARTTLS,
        sender="ecluse@hopital.example",
        user=USER,
        password=Secret(PASSWORD),
        authority=directory / "ca.pem",
    )
    server: MailServer
    options: dict[str, Any] = {
        "tls_context": context,
        "require_starttls": True,
        "auth_required": True,
        "authenticator": _known,
        "enable_SMTPUTF8": True,
    }
    handler = _Handler()
    controller = Controller(
        handler, hostname="127.0.0.1", port=settings.port, ready_timeout=PATIENCE, **options
    )
    server = MailServer(settings=settings, controller=controller)
    handler.behind = server
    controller.start()
    try:
        yield server
    finally:
        if controller.server is not None:
            controller.stop()


class _Handler:
    """What aiosmtpd calls; made before the server that it belongs to."""

    behind: MailServer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        return await self.behind.handle_DATA(server, session, envelope)


def _known(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and data == LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=right)
