"""A PKCS#11 token in software (SoftHSM), whose keys stock ``ssh`` uses with a PIN."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

LIBRARY: Final = next(
    (
        path
        for path in (Path("/usr/lib/softhsm/libsofthsm2.so"), Path("/usr/lib64/softhsm/libsofthsm.so"))
        if path.exists()
    ),
    Path("libsofthsm2.so"),
)
PIN: Final = "271828"


@dataclass(frozen=True)
class Token:
    """An initialised token in a folder of its own."""

    configuration: Path

    @classmethod
    async def make(cls, directory: Path) -> "Token":
        """Initialise a token in *directory*."""
        (directory / "tokens").mkdir(parents=True)
        token = cls(directory / "softhsm2.conf")
        token.configuration.write_text(
            f"directories.tokendir = {directory}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        await token.run(
            *(
                "softhsm2-util",
                "--init-token",
                "--free",
                "--label",
                "card",
                "--pin",
                PIN,
                "--so-pin",
                "314159",
            )
        )
        return token

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs in order to find this token."""
        return {"SOFTHSM2_CONF": str(self.configuration)}

    def client(self, command: list[str]) -> list[str]:
        """Return *command* (an ``ssh`` command line), run so that it uses this token and asks for its PIN."""
        program, *arguments = command
        found = ["env", *(f"{name}={value}" for name, value in self.environment.items()), program]
        return [*found, "-I", str(LIBRARY), *arguments]

    async def new_key(self, kind: str) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
        """Make a key of *kind* (``rsa:2048``, ``EC:prime256v1``) that never leaves the token; return its public half."""
        await self.tool(
            "--login", "--pin", PIN, "--keypairgen", "--key-type", kind, "--id", "01", "--label", "sign"
        )
        der = self.configuration.with_name("public.der")
        await self.tool("--read-object", "--type", "pubkey", "--id", "01", "--output-file", str(der))
        key = load_der_public_key(der.read_bytes())
        assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
        return key

    async def tool(self, *arguments: str) -> None:
        """Run ``pkcs11-tool`` on the token."""
        await self.run("pkcs11-tool", "--module", str(LIBRARY), *arguments)

    async def run(self, *command: str) -> None:
        """Run *command* to its end with this token; raises RuntimeError where it fails."""
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **self.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(process.communicate(), 60)
        if process.returncode != 0:
            raise RuntimeError(f"{command[0]}: {said.decode(errors='replace')}")
