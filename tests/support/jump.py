"""A technician's own machine for ssh -J: one @cert-authority line, one configuration file, nothing else."""

from collections.abc import Sequence

from tests.support.bastion import Bastion
from tests.support.ssh_client import Finished


class Laptop:
    """Runs stock clients with ``-F`` on a configuration that trusts the host CA and nothing else."""

    def __init__(self, bastion: Bastion, hosts: str = "*") -> None:
        """Prepare the files in the bastion's folder; *hosts* are the patterns that the CA is believed for."""
        self.bastion = bastion
        folder = bastion.directory / "laptop"
        folder.mkdir(exist_ok=True)
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text(f"@cert-authority {hosts} {bastion.host_authority}\n")
        self.config = folder / "config"
        self.config.write_text(
            f"UserKnownHostsFile {self.known_hosts}\n"
            "GlobalKnownHostsFile /dev/null\n"
            "StrictHostKeyChecking yes\n"
            "UpdateHostKeys no\n"
            "LogLevel ERROR\n"
            "IdentitiesOnly yes\n"
            "IdentityAgent none\n"
            "IdentityFile none\n"
        )

    def more(self, text: str) -> None:
        """Add *text* to the configuration."""
        with self.config.open("a") as file:
            file.write(text)

    @property
    def files(self) -> list[str]:
        """The options that every client gets."""
        return ["-F", str(self.config)]

    def outer(self, login: str = "alice") -> str:
        """Return the jump host as -J takes it."""
        return f"{login}@127.0.0.1:{self.bastion.gateway.port}"

    def ssh(
        self, target: str, *arguments: str, login: str = "alice", options: Sequence[str] = ()
    ) -> list[str]:
        """Return the command line of ``ssh -J login@bastion target arguments``."""
        return ["ssh", *self.files, *options, "-J", self.outer(login), target, *arguments]

    async def run(
        self,
        command: Sequence[str],
        *,
        input: bytes | None = b"",  # noqa: A002 - the word of subprocess
        answers: Sequence[str] | None = None,
        seconds: float = 60.0,
    ) -> Finished:
        """Run *command* to its end; the password and a fresh code answer, unless other *answers* are given."""
        given = self.bastion.answers() if answers is None else answers
        return await self.bastion.client.run(command, input=input, answers=given, seconds=seconds)


def save_putty_session(bastion: Bastion) -> None:
    """Save the PuTTY session ``scan01``, which goes by "SSH to proxy", and the host CA among those PuTTY believes."""
    home = bastion.directory / ".putty"
    settings = {
        "HostName": "scan01",
        "Protocol": "ssh",
        "PortNumber": 22,
        "UserName": "maint",
        "ProxyMethod": 6,  # SSH to proxy and use port forwarding
        "ProxyHost": "127.0.0.1",
        "ProxyPort": bastion.gateway.port,
        "ProxyUsername": "alice",
    }
    authority = {
        "PublicKey": bastion.host_authority.split()[1],
        "Validity": "*",
        "PermitRSASHA1": 0,
        "PermitRSASHA256": 1,
        "PermitRSASHA512": 1,
    }
    for path, lines in ((home / "sessions/scan01", settings), (home / "sshhostcas/hospital", authority)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
