"""A technician's own machine for ssh -J: one @cert-authority line, one configuration file, nothing else."""

from collections.abc import Sequence
from pathlib import Path

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
        seconds: float = 30.0,
    ) -> Finished:
        """Run *command* to its end; the password and a fresh code answer, unless other *answers* are given."""
        given = self.bastion.answers() if answers is None else answers
        return await self.bastion.client.run(command, input=input, answers=given, seconds=seconds)


def configured(folder: Path, lines: Sequence[str]) -> Path:
    """Write *lines* into a file ``ssh_config`` of *folder* and return it."""
    path = folder / "ssh_config"
    path.write_text("\n".join(lines) + "\n")
    return path
