"""The readers' keys: whoever holds a private one reads traces; the gateway has public ones alone."""

from pathlib import Path

from recorder.seal.wrapping import ReaderKey, generate_reader_key

FOLDER_MODE = 0o700
"""As every folder of an installation: where two users serve, its owner lets the gateway in by its group."""


def make_reader(directory: Path, name: str) -> ReaderKey:
    """Make the key pair *name* in *directory*. Raises ReaderKeyUnusable where it is there already, OSError."""
    directory.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    return generate_reader_key(directory / f"{name}.pem")
