"""Public keys that root registers on the console's machine, a file a name: whoever rules a database cannot add one."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from recorder.errors import SignatureInvalid
from recorder.seal.files import write_new
from recorder.seal.signing import PublicKey

NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_SUFFIX: Final = ".pem.pub"
_SHOWN: Final = 0o644
_ENTERED: Final = 0o755


@dataclass(frozen=True, slots=True)
class RegisteredKeys:
    """The registered keys: a public key a name, in a *folder* that root keeps; none where there is no folder."""

    folder: Path | None

    def place(self, name: str) -> Path:
        """Return the file of that key. Raises ValueError for what is no name of one, or without a folder."""
        if self.folder is None or not NAME.fullmatch(name):
            raise ValueError(name)
        return self.folder / f"{name}{_SUFFIX}"

    def of(self, name: str) -> PublicKey | None:
        """Return the key of that name, read anew each time; None where none can be used."""
        try:
            return PublicKey.load(self.place(name))
        except (ValueError, SignatureInvalid):
            return None

    def names(self) -> list[str]:
        """Return the names that have a key, sorted."""
        if self.folder is None or not self.folder.is_dir():
            return []
        names = (path.name.removesuffix(_SUFFIX) for path in self.folder.glob(f"*{_SUFFIX}"))
        return sorted(name for name in names if NAME.fullmatch(name))

    def enter(self, name: str, key: PublicKey) -> None:
        """Register *key*: no secret, whatever the umask, for the console's user reads it.

        Raises ValueError, FileExistsError where the name has one, OSError.
        """
        place = self.place(name)
        place.parent.mkdir(mode=_ENTERED, parents=True, exist_ok=True)
        write_new(place, key.to_pem(), _SHOWN)
        place.chmod(_SHOWN)
        place.parent.chmod(_ENTERED)

    def since(self, name: str) -> datetime:
        """Return when the key of that name was put there, aware UTC. Raises ValueError, OSError."""
        return datetime.fromtimestamp(self.place(name).stat().st_mtime, UTC)
