#!/usr/bin/python3
"""Keeps a bastion's journal at the collector, each entry once: rsyslog's omprog runs it, with confirmMessages.

Usage: journal_keeper.py FOLDER

The bastion sends one entry at a time and sends it again where it heard no answer. So an entry that came already is the
last one that is kept of its chain: the same structured data, word for word. It is answered like any other, and not
written a second time. Nor is an entry that stands in the two newest files already, wherever: a console that stood still
sends what another one sent long before. What differs in anything (an entry that somebody rewrote under its old number) is
written, and so is each word that entries are gone or altered.

An entry is answered once it is on the disk, in ``journal-YYYY-MM-DD.log`` (the day is the collector's, UTC). What was
last of each chain is read back from the newest file when the program starts, and from ``positions.json``, which is
renewed before each new file. Where an entry cannot be written, the answer says why, and the program ends: rsyslog
starts it anew and asks again, and so does the bastion. One program at a time holds FOLDER.

Needs Python 3.9 and nothing else.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import sys
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

_VALUE = rb'"(?:[^"\\\]]|\\.)*"'
_LINE = re.compile(rb"<\d{1,3}>1 (?:\S+ ){5}(\[ecluse@32473(?: \w+=" + _VALUE + rb")+\])")
_CHAIN = re.compile(rb" (hospital|writer)=(" + _VALUE + rb")")
_POSITIONS = "positions.json"


def place(line: bytes) -> tuple[str, str] | None:
    """Return the chain and the structured data of *line*, None for what is no entry of a journal."""
    found = _LINE.match(line)
    if found is None:
        return None
    parts = dict(_CHAIN.findall(found[1]))
    if len(parts) < 2:
        return None
    return (parts[b"hospital"] + parts[b"writer"]).decode("latin-1"), found[1].decode("latin-1")


def mark(data: str) -> bytes | None:
    """Return what stands for these structured data, None where they may come again and mean it: a word of a fault."""
    told = ' digest="' in data and ' fault="' not in data
    return hashlib.blake2b(data.encode("latin-1"), digest_size=16).digest() if told else None


class Keeper:
    """The files of one folder, as far as they are written. It holds the folder until it is closed."""

    def __init__(self, folder: Path) -> None:
        """Wait until no other process holds *folder*, and learn what was last. Raises OSError, ValueError."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / "lock").open("ab")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._last: dict[str, str] = {}
        self._here: set[bytes] = set()
        self._before: set[bytes] = set()
        self._file: BinaryIO | None = None
        self._name = ""
        self._learn()

    def keep(self, line: bytes, day: str) -> None:
        """Write *line*, unless it is kept already. Raises OSError where it is not on the disk."""
        at = place(line)
        if at is not None and (self._last.get(at[0]) == at[1] or self._stands(mark(at[1]))):
            return
        self._append(self._open(f"journal-{day}.log"), line)
        self._note(at)

    def close(self) -> None:
        """Close the files, and let the folder go."""
        if self._file is not None:
            self._file.close()
        self._lock.close()

    def _stands(self, known: bytes | None) -> bool:
        return known in self._here or known in self._before

    def _note(self, at: tuple[str, str] | None) -> None:
        if at is not None:
            self._last[at[0]] = at[1]
            if (known := mark(at[1])) is not None:
                self._here.add(known)

    def _learn(self) -> None:
        positions = self._folder / _POSITIONS
        if positions.exists():
            known = json.loads(positions.read_text(encoding="ascii"))
            self._last, newest = known["last"], known["file"]
        else:
            newest = max((path.name for path in self._folder.glob("journal-*.log")), default="")
        older = max((path for path in self._folder.glob("journal-*.log") if path.name < newest), default=None)
        if older is not None:
            with older.open("rb") as file:
                self._before = {known for at in map(place, file) if at and (known := mark(at[1]))}
        path = self._folder / newest
        if not newest or not path.exists():
            return
        end = 0
        with path.open("r+b") as file:
            for line in file:
                if not line.endswith(b"\n"):  # the machine went down in the middle of it: nobody was answered
                    file.truncate(end)
                    break
                end += len(line)
                self._note(place(line))

    def _open(self, name: str) -> BinaryIO:
        if self._file is not None and self._name == name:
            return self._file
        positions = self._folder / (_POSITIONS + ".new")
        with positions.open("w", encoding="ascii") as file:
            json.dump({"file": name, "last": self._last}, file)
            file.flush()
            os.fsync(file.fileno())
        positions.replace(self._folder / _POSITIONS)
        if self._file is not None:
            self._file.close()
            self._before, self._here = self._here, set()
        self._file, self._name = (self._folder / name).open("ab", buffering=0), name
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return self._file

    def _append(self, file: BinaryIO, line: bytes) -> None:
        before = os.fstat(file.fileno()).st_size
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), before)
            raise


def main() -> int:
    """Keep what comes on standard input, and answer each line on standard output."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    os.umask(0o027)
    with closing(Keeper(Path(sys.argv[1]))) as keeper:
        print("OK", flush=True)
        while (line := sys.stdin.buffer.readline()).endswith(
            b"\n"
        ):  # half a line: rsyslog died in the middle of it
            try:
                keeper.keep(line, datetime.now(timezone.utc).strftime("%Y-%m-%d"))
            except OSError as error:
                print(f"cannot write into {sys.argv[1]}: {error.strerror}", flush=True)
                return 1  # rsyslog starts it anew, and it looks at what is on the disk
            print("OK", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
