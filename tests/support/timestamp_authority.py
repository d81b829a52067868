"""A real time-stamping authority: ``openssl ts`` with certificates of its own, behind HTTP on loopback."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.http_server import Answer, Asked, answering

POLICY = "1.3.6.1.4.1.55555.1.1"
_CONFIG = """\
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[stamping]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
authorityKeyIdentifier = keyid
[tsa]
default_tsa = own
[own]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
certs = {folder}/ca.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = {policy}
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""


@dataclass
class TimestampAuthority:
    """An authority that tests may take down, make lie, or listen to.

    Attributes:
        url: Where it answers.
        ca: Its CA certificate (PEM).
        asked: The requests that came.
        status: What it answers over HTTP; 200 where it works.
        instead: Answered in place of a stamp, where set.
    """

    folder: Path
    url: str = ""
    asked: list[bytes] = field(default_factory=list)
    status: int = 200
    instead: bytes | None = None

    @property
    def ca(self) -> Path:
        """Its CA certificate."""
        return self.folder / "ca.pem"

    def reply(self, query: bytes) -> bytes:
        """The stamp that openssl makes."""
        self.asked.append(query)
        if self.instead is not None:
            return self.instead
        number = len(self.asked)
        (self.folder / f"{number}.tsq").write_bytes(query)
        files = ("-config", "openssl.cnf", "-queryfile", f"{number}.tsq", "-out", f"{number}.tsr")
        self._openssl("ts", "-reply", *files)
        return (self.folder / f"{number}.tsr").read_bytes()

    def make(self) -> None:
        """Make its CA and the certificate that it stamps by."""
        self.folder.mkdir(parents=True)
        (self.folder / "openssl.cnf").write_text(_CONFIG.format(folder=self.folder, policy=POLICY))
        (self.folder / "serial").write_text("01\n")
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "openssl.cnf")
        ca = ("-x509", "-days", "30", "-subj", "/CN=Test TSA CA", "-extensions", "ca")
        self._openssl("req", *curve, *ca, "-keyout", "ca.key", "-out", "ca.pem")
        self._openssl("req", *curve, "-new", "-subj", "/CN=Test TSA", "-keyout", "tsa.key", "-out", "tsa.csr")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30")
        extensions = ("-extfile", "openssl.cnf", "-extensions", "stamping")
        self._openssl("x509", "-req", "-in", "tsa.csr", *signing, *extensions, "-out", "tsa.pem")

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


@contextmanager
def timestamp_authority(folder: Path) -> Iterator[TimestampAuthority]:
    """Run an authority on a free port until the block ends."""
    authority = TimestampAuthority(folder)
    authority.make()

    def answer(asked: Asked) -> Answer:
        return Answer(
            authority.reply(asked.body), authority.status, {"Content-Type": "application/timestamp-reply"}
        )

    with answering(answer) as port:
        authority.url = f"http://127.0.0.1:{port}/tsa"
        yield authority
