"""A real rsyslogd on loopback that takes RELP or plain syslog over TLS, asks for a certificate, and can be stopped."""

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization

from admin_api.syslog.settings import SyslogSettings, SyslogTransport
from ecluse.certificates import make_authority, make_server_certificate
from ecluse.demo.ports import free_port
from tests.support.pki import Authority, curve_key
from tests.support.waiting import until

_EVENT: Final = re.compile(r'event_id="([0-9a-f]{32})"')
_RELP: Final = """
module(load="imrelp" tls.tlslib="openssl")
input(type="imrelp" port="{port}" address="127.0.0.1" maxDataSize="64k" ruleset="journal"
      tls="on" tls.caCert="{folder}/clients.pem" tls.myCert="{folder}/api.pem" tls.myPrivKey="{folder}/api.key"
      tls.authMode="name" tls.permittedPeer=["ecluse-console"])
"""
_RECIPE: Final = Path(__file__).parents[2] / "deploy/rsyslog"
_TLS: Final = """
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/name"
       PermittedPeer=["ecluse-console"])
input(type="imtcp" port="{port}" address="127.0.0.1" ruleset="journal")
"""
_CONFIGURATION: Final = """
global(workDirectory="{folder}" maxMessageSize="64k"
       defaultNetstreamDriverCAFile="{folder}/clients.pem" defaultNetstreamDriverCertFile="{folder}/api.pem"
       defaultNetstreamDriverKeyFile="{folder}/api.key")
{input}
template(name="whole" type="string" string="%rawmsg%\\n")
ruleset(name="journal" queue.type="Direct") {{
    action(type="omfile" file="{folder}/journal.log" template="whole" asyncWriting="off" flushOnTXEnd="on"
           action.resumeRetryCount="-1")
}}
"""


@dataclass
class Collector:
    """The hospital's collector. Its files are ``journal*.log``.

    ``settings`` are what the bastion is told of it. It ``keeps`` by the recipe of ``deploy/rsyslog``, or only adds.
    """

    folder: Path
    settings: SyslogSettings
    configuration: Path
    keeps: bool = False
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it, until it listens."""
        program = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin:/bin")
        if program is None:
            raise RuntimeError("rsyslogd is missing: tools/prerequisites test")
        command = [program, "-n", "-f", str(self.configuration), "-i", str(self.folder / "pid"), "-C"]
        with (self.folder / "rsyslogd.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until(self._listens, "rsyslogd does not listen")

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it with that signal, and wait for its end."""
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(number)
            process.wait(60)

    @property
    def lines(self) -> list[str]:
        """What it has written, one line a message."""
        files = sorted(self.folder.glob("journal*.log"))
        return [line for path in files for line in path.read_text(encoding="utf-8").splitlines()]

    @property
    def events(self) -> list[str]:
        """The event id of each message, in the order in which they came; none may lack one."""
        return [_EVENT.findall(line)[0] for line in self.lines]

    def _listens(self) -> bool:
        process = self.process
        if process is None or process.poll() is not None:
            raise RuntimeError((self.folder / "rsyslogd.log").read_text())
        wanted = f":{self.settings.port:04X} 00000000:0000 0A "
        return wanted in Path("/proc/net/tcp").read_text()


def client_certificate(folder: Path, authority: Authority, name: str) -> Path:
    """Make ``name.pem`` and ``name.key`` in *folder*; return their path without the ending."""
    key = curve_key()
    path = folder / name
    certified = authority.certify(key.public_key(), datetime.now(UTC), name=name)
    path.with_suffix(".pem").write_text(certified.pem)
    path.with_suffix(".key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


@contextmanager
def collector(
    folder: Path, transport: SyslogTransport = SyslogTransport.RELP, *, keeps: bool = False
) -> Iterator[Collector]:
    """Run a collector until the block ends; it lets in whoever shows the certificate of ``ecluse-console``.

    With *keeps* it is the one of ``deploy/rsyslog``, of which only paths and port are changed.
    """
    folder.mkdir(exist_ok=True)
    make_authority(folder, "Collecte", datetime.now(UTC))
    clients = Authority("Clients", datetime.now(UTC))
    (folder / "clients.pem").write_text(clients.pem)
    mine = client_certificate(folder, clients, "ecluse-console")
    make_server_certificate(folder, ["collecteur.example", "127.0.0.1"], datetime.now(UTC))
    port = free_port()
    kinds = {SyslogTransport.RELP: _RELP, SyslogTransport.TLS: _TLS}
    configuration = folder / "rsyslog.conf"
    configuration.write_text(
        _recipe(folder, port)
        if keeps
        else _CONFIGURATION.format(folder=folder, input=kinds[transport].format(folder=folder, port=port))
    )
    settings = SyslogSettings(
        host="127.0.0.1",
        port=port,
        transport=transport,
        name="collecteur.example",
        authority=folder / "ca.pem",
        certificate=mine.with_suffix(".pem"),
        key=mine.with_suffix(".key"),
    )
    running = Collector(folder, settings, configuration, keeps)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def _recipe(folder: Path, port: int) -> str:
    """Return the recipe's configuration with paths of this machine, each of which it must name."""
    text = (_RECIPE / "ecluse.conf").read_text(encoding="utf-8")
    for said, meant in (
        ("/usr/local/lib/ecluse/journal_keeper.py /var/log/ecluse", f"{_RECIPE}/journal_keeper.py {folder}"),
        ("/etc/rsyslog.d/tls/ca.pem", f"{folder}/clients.pem"),
        ("/etc/rsyslog.d/tls/siem.pem", f"{folder}/api.pem"),
        ("/etc/rsyslog.d/tls/siem.key", f"{folder}/api.key"),
        ('port="20514"', f'port="{port}" address="127.0.0.1"'),
    ):
        if said not in text:
            raise RuntimeError(f"the recipe does not name {said}")
        text = text.replace(said, meant)
    return f'global(workDirectory="{folder}")\n{text}'
