"""What a person does at a client's prompts, and the stock clients that only prompt on a terminal."""

from collections.abc import Sequence
from pathlib import Path

import asyncssh

from tests.support.bastion import Bastion
from tests.support.ssh_client import Terminal

_PROMPTS = (b"Password: ", b"One-time code: ")
AT_THE_TERMINAL = ("env", "-u", "SSH_ASKPASS", "-u", "SSH_ASKPASS_REQUIRE")
"""Put before OpenSSH's command line: it asks on its terminal, as it does for a person."""


async def log_in(terminal: Terminal, answers: Sequence[str]) -> None:
    """Type the *answers* (password and code, or the code alone) each at its prompt."""
    for prompt, answer in zip(_PROMPTS[-len(answers) :], answers, strict=True):
        await terminal.expect(prompt)
        terminal.send(answer.encode() + b"\r")


def host_key_fingerprint(bastion: Bastion) -> str:
    """Return the gateway's host key as PuTTY's ``-hostkey`` wants it: ``SHA256:`` and base64."""
    return asyncssh.read_private_key(bastion.directory / "gateway_host_key").get_fingerprint()


def putty(bastion: Bastion, program: str, *arguments: str) -> list[str]:
    """Return the command line of plink, psftp or pscp, which trust this gateway's key and no other."""
    options = ["-hostkey", host_key_fingerprint(bastion), "-P", str(bastion.gateway.port)]
    if program == "plink":
        options += ["-ssh", "-no-antispoof"]  # else it wants Return after the log-in
    return [program, *options, *arguments]


def dbclient(bastion: Bastion, *arguments: str, key: Path | None = None) -> list[str]:
    """Return the command line of dropbear's client, which takes the host key as it comes."""
    identity = [] if key is None else ["-i", str(key)]
    return ["dbclient", "-y", *identity, "-p", str(bastion.gateway.port), *arguments]
