"""Where the readers' keys are, and how their files are called."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from recorder.errors import ReaderKeyUnusable
from recorder.seal.wrapping import ReaderPublicKey

PUBLIC: Final = ".pem.pub"
PRIVATE: Final = ".pem"
TOKEN: Final = ".token.json"  # noqa: S105 - how files are called, no secret
"""Says in which token a private half is."""
RETIRED: Final = ".retired.pub"
"""What the public half of a retired key is called: no trace is sealed for it any more, and old ones still open."""


@dataclass(frozen=True, slots=True)
class ReaderPlaces:
    """Where the readers' keys are.

    Attributes:
        folder: Holds them all: ``NAME.pem.pub``, and ``NAME.pem`` or ``NAME.token.json``.
        public: Public halves that are sealed for instead of those of the folder.
        private: Private halves (``.pem``, ``.token.json``) that are used instead of those of the folder.
    """

    folder: Path | None = None
    public: tuple[Path, ...] = ()
    private: tuple[Path, ...] = ()

    def active(self) -> list[Path]:
        """Public halves for which traces are sealed, as they are now."""
        return list(self.public) or self._found(PUBLIC)

    def retired(self) -> list[Path]:
        """Public halves of those who were retired."""
        return self._found(RETIRED)

    def held(self) -> list[Path]:
        """Private halves that are here."""
        if self.private:
            return list(self.private)
        return sorted([*self._found(PRIVATE), *self._found(TOKEN)])

    def _found(self, suffix: str) -> list[Path]:
        return [] if self.folder is None else sorted(self.folder.glob(f"*{suffix}"))


@dataclass(slots=True)
class Recipients:
    """For whom traces are sealed, looked up anew at each one: who was retired is none of the next one's readers.

    Attributes:
        places: Where the keys are.
    """

    places: ReaderPlaces
    _known: dict[Path, tuple[tuple[int, int, int], ReaderPublicKey]] = field(default_factory=dict)

    def current(self) -> list[ReaderPublicKey]:
        """Their public keys; none only where no place was named. Blocks.

        Raises:
            ReaderKeyUnusable: One cannot be used, or the folder that was named holds none.
        """
        paths = self.places.active()
        if not paths and self.places.folder is not None:
            raise ReaderKeyUnusable(f"no reader's public key is in {self.places.folder}")
        return [self._read(path) for path in paths]

    def _read(self, path: Path) -> ReaderPublicKey:
        try:
            status = path.stat()
        except OSError as error:
            raise ReaderKeyUnusable(f"the reader key {path} cannot be used: {error}") from error
        mark = (status.st_mtime_ns, status.st_ino, status.st_size)
        known = self._known.get(path)
        if known is None or known[0] != mark:
            known = self._known[path] = (mark, ReaderPublicKey.load(path))
        return known[1]


def name_of(path: Path) -> str:
    """What people call the key in this file."""
    for suffix in (TOKEN, RETIRED, PUBLIC, PRIVATE):
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix)
    return path.name
