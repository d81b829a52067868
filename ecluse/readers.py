"""The readers' keys: whoever holds a private one reads traces; the gateway has public ones alone."""

from pathlib import Path
from typing import Final

from ecluse.ownership import follow
from recorder.seal.files import write_new
from recorder.seal.places import PUBLIC, RETIRED, ReaderPlaces, name_of
from recorder.seal.token import TokenPlace, generate_token_key
from recorder.seal.wrapping import ReaderPublicKey, generate_reader_key

FOLDER_MODE = 0o700
"""As every folder of an installation: where two users serve, its owner lets the gateway in by its group."""
SHORTEST_PASSPHRASE: Final = 12


def make_reader(
    directory: Path,
    name: str,
    secret: str | None = None,
    place: TokenPlace | None = None,
    public_key: Path | None = None,
) -> ReaderPublicKey:
    """Make the key *name* in *directory*: in the clear, behind the passphrase *secret*, or in a token with that PIN.

    With *public_key* none is made: its private half is elsewhere. Where root makes it, it is the folder's owner's. Raises
    ReaderKeyUnusable where it is there already, ReaderKeyRefused for a wrong PIN, OSError.
    """
    directory.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    made = _make(directory, name, secret, place, public_key)
    follow(directory)
    return made


def _make(
    directory: Path, name: str, secret: str | None, place: TokenPlace | None, public_key: Path | None
) -> ReaderPublicKey:
    if public_key is not None:
        found = ReaderPublicKey.load(public_key)
        write_new(directory / f"{name}{PUBLIC}", found.to_pem(), 0o644)
        return found
    if place is not None:
        return generate_token_key(directory, name, place, secret or "")
    return generate_reader_key(directory / f"{name}.pem", secret).public


def retire_reader(places: ReaderPlaces, name: str) -> Path:
    """Let no further trace be sealed for the key *name*, and return where its public half is now.

    Raises LookupError where none of that name is sealed for, ValueError where it is the last one, OSError.
    """
    active = places.active()
    found = next((path for path in active if name_of(path) == name), None)
    if found is None:
        raise LookupError(name)
    if len(active) == 1:
        raise ValueError(name)
    target = found.with_name(f"{name}{RETIRED}")
    found.rename(target)
    return target
