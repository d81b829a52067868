"""A reader's private key at hand: read from its file, with the passphrase that it asks for, and no console."""

import sys
from pathlib import Path
from typing import Final

from ecluse.desk import Desk
from ecluse.errors import FileUnusable, RecordingUnusable
from recorder.errors import ReaderKeyRefused
from recorder.seal.ring import Guard, guard_of
from recorder.seal.wrapping import ReaderKey

VARIABLE: Final = "ECLUSE_READER_PASSPHRASE_FILE"
"""Names a file whose first line is the passphrase, where nobody sits at the terminal."""


def reader_key(desk: Desk, path: Path) -> ReaderKey:
    """Return the private key in *path*, after asking for its passphrase where it has one.

    The passphrase comes from the file that ``ECLUSE_READER_PASSPHRASE_FILE`` names, else from the terminal without an
    echo, else from standard input. Raises ReaderKeyUnusable, RecordingUnusable for a wrong passphrase, FileUnusable.
    """
    if guard_of(path) is not Guard.PASSPHRASE:
        return ReaderKey.load(path)
    passphrase = _passphrase(desk, path)
    if not passphrase:  # taken for none at all by what decrypts
        raise RecordingUnusable("readers.wrong_passphrase", path=str(path))
    try:
        return ReaderKey.load(path, passphrase)
    except ReaderKeyRefused as wrong:
        raise RecordingUnusable("readers.wrong_passphrase", path=str(path)) from wrong


def _passphrase(desk: Desk, path: Path) -> str:
    named = desk.environment.get(VARIABLE)
    if named:
        try:
            lines = Path(named).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as broken:
            raise FileUnusable("file.unreadable", path=named) from broken
        return lines[0] if lines else ""
    if sys.stdin.isatty():
        return desk.ask("readers.passphrase_of", hidden=True, path=str(path))
    # what is piped in is taken, though there be a terminal that could be asked
    return sys.stdin.readline().rstrip("\r\n")
