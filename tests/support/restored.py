"""Backups as the nightly unit and the people of the hospital make and restore them, and what runs on a restored folder."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ecluse.client import ApiClient
from ecluse.demo.processes import with_us
from ecluse.presence import port_of
from recorder.seal import passphrase as guesses
from tests.support.installed import change, ecluse
from tests.support.waiting import eventually

PASSPHRASE = "a lock keeper never sleeps"


def backup_key(key: Path) -> None:
    """Make *key* and its public half, behind a passphrase that is cheap to guess: a real one costs all who open by it."""
    with pytest.MonkeyPatch.context() as cheap:
        cheap.setattr(guesses, "COST", 1 << 10)
        assert ecluse("backup", "key", str(key), typed=f"{PASSPHRASE}\n{PASSPHRASE}\n").exit_code == 0


@dataclass(frozen=True)
class Safe:
    """What is kept apart from the bastion: the key that opens its backups, and who signs them."""

    key: Path
    signer: Path
    passphrase: Path

    @classmethod
    def made(cls, folder: Path, config: Path) -> "Safe":
        """Make it in *folder*, and let the installation of *config* seal its backups for it."""
        passphrase, key = folder / "passphrase", folder / "backup.pem"
        passphrase.write_text(PASSPHRASE + "\n")
        passphrase.chmod(0o600)
        backup_key(key)
        shutil.copy(f"{key}.pub", config.parent / "keys/backup.pem.pub")
        signer = shutil.copy(config.parent / "keys/checkpoint-signing.pem.pub", folder / "signer.pub")
        change(config, "backup", 'recipients = ["keys/backup.pem.pub"]')
        return cls(key, Path(signer), passphrase)

    async def run(self, *words: str | Path, opening: bool = False) -> tuple[int, str]:
        """Run ``ecluse backup``; return its status and what it said. *opening*: with the key."""
        keys = ("--key", self.key, "--signer", self.signer) if opening else ()
        passphrase = {"ECLUSE_READER_PASSPHRASE_FILE": str(self.passphrase)}
        told = ["backup", *map(str, (*words, *keys))]
        done = await asyncio.to_thread(lambda: ecluse(*told, **passphrase))
        return done.exit_code, done.stdout or done.stderr


@asynccontextmanager
async def served(data: Path) -> AsyncIterator[None]:
    """Run ``ecluse serve`` on what was restored into *data*."""
    log_file, run = data.parent / "restored.log", data / "run"
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *with_us(), sys.executable, "-P", "-m", "ecluse", "serve", "--config", str(data / "ecluse.toml"),
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        await eventually(lambda: None not in (port_of(run, "gateway"), port_of(run, "console")))
        yield
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0, log_file.read_text()


async def verified(api: ApiClient) -> dict[str, Any]:
    """Have the console verify everything that it keeps."""

    def ask() -> dict[str, Any]:
        with api.lines("/v1/traces/verify", {"anchors": []}) as lines:
            return next(dict(line["proof"]) for line in lines if "proof" in line)

    return await asyncio.to_thread(ask)
