"""OpenSSH's own tools as a certification authority: ssh-keygen signs, and revokes."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path


async def keygen(*arguments: str) -> str:
    """Run ``ssh-keygen`` to its end and return what it said; raises RuntimeError where it fails."""
    process = await asyncio.create_subprocess_exec(
        "ssh-keygen",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": "/usr/bin:/bin", "TZ": "UTC"},
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    if process.returncode != 0:
        raise RuntimeError(said.decode(errors="replace"))
    return said.decode(errors="replace")


async def new_key(path: Path, *kind: str) -> Path:
    """Make a key of *kind* (``-t`` and its options, Ed25519 if none) at *path*."""
    await keygen("-q", *(kind or ("-t", "ed25519")), "-N", "", "-C", path.name, "-f", str(path))
    return path


@dataclass(frozen=True)
class SshAuthority:
    """An authority with its key at ``path``."""

    path: Path

    @classmethod
    async def make(cls, path: Path, *kind: str) -> "SshAuthority":
        """Make one."""
        return cls(await new_key(path, *kind))

    @property
    def line(self) -> str:
        """Its public line."""
        return self.path.with_suffix(".pub").read_text().strip()

    async def sign(
        self,
        key: Path,
        at: datetime,
        *options: str,
        principals: str | None = "alice",
        begins: timedelta = timedelta(hours=-1),
        lasts: timedelta = timedelta(hours=2),
        serial: int = 1,
        key_id: str = "alice@imagix",
    ) -> Path:
        """Return the certificate of *key* made for the time around *at*; *options* are ssh-keygen's own."""
        start, end = (moment.strftime("%Y%m%d%H%M%S") for moment in (at + begins, at + begins + lasts))
        named = [] if principals is None else ["-n", principals]
        await keygen(
            *("-q", "-s", str(self.path), "-I", key_id, "-z", str(serial), "-V", f"{start}:{end}"),
            *(*named, *options, str(key.with_suffix(".pub"))),
        )
        return key.with_name(f"{key.name}-cert.pub")

    async def revoke(self, krl: Path, *what: str, update: bool = False, version: int = 1) -> bytes:
        """Return a list that revokes *what*: lines of ssh-keygen's KRL specification."""
        specification = krl.with_suffix(".spec")
        specification.write_text("\n".join([*what, ""]))
        more = ["-u"] if update else []
        await keygen(
            *("-k", *more, "-z", str(version), "-f", str(krl)),
            *("-s", str(self.path.with_suffix(".pub")), str(specification)),
        )
        return krl.read_bytes()
