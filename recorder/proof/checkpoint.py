"""The checkpoint: what one hospital's journal and catalogue held at one instant (FORMAT.md, section 10). Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from recorder.errors import TraceFormatError
from recorder.trace import instants
from recorder.trace.frames import canonical, parse_object
from recorder.trace.header import check_identifier

FORMAT = "ecluse-checkpoint"
VERSION = 1
GENESIS = "0" * 64
"""What the first checkpoint has for the digest of the one before."""
FACTS = ("opened", "closed", "purged")
"""What may happen to a session once each, and is committed to by a digest."""


@dataclass(frozen=True, slots=True, order=True)
class Head:
    """The last entry of one writer's chain in the journal."""

    writer: str
    seq: int
    digest: str


@dataclass(frozen=True, slots=True, order=True)
class Fact:
    """What happened to one session.

    Attributes:
        session_id: Which session.
        sha256: Of what was opened, the digest of its header's canonical JSON; of what was closed, of its
            ``manifest.json``; of what was purged, of its ``purge.json``.
    """

    session_id: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One link of a hospital's chain of checkpoints.

    Attributes:
        sequence: From 1, one more each.
        previous: SHA-256 of the bytes of the checkpoint before, or `GENESIS`.
        at: Wall time of the making, aware UTC.
        node: Who made it.
        signer: Identifier of the key that signs it.
        journal: Heads that moved since the checkpoint before, by writer.
        opened: Sessions opened since.
        closed: Sessions closed since.
        purged: Sessions whose content was purged since.
        totals: Counts up to here: ``entries``, ``opened``, ``closed``, ``purged``.
    """

    hospital_id: str
    sequence: int
    previous: str
    at: datetime
    node: str
    signer: str
    journal: tuple[Head, ...]
    opened: tuple[Fact, ...]
    closed: tuple[Fact, ...]
    purged: tuple[Fact, ...]
    totals: dict[str, int]

    def facts(self, kind: str) -> tuple[Fact, ...]:
        """The facts of one kind of `FACTS`."""
        found: tuple[Fact, ...] = getattr(self, kind)
        return found

    def to_json(self) -> bytes:
        """The checkpoint as stored, signed and time-stamped: canonical JSON."""
        return canonical(
            {
                "format": FORMAT,
                "version": VERSION,
                "hospital_id": self.hospital_id,
                "sequence": self.sequence,
                "previous": self.previous,
                "at": instants.text(self.at),
                "node": self.node,
                "signer": self.signer,
                "journal": [
                    {"writer": head.writer, "seq": head.seq, "digest": head.digest}
                    for head in sorted(self.journal)
                ],
                **{kind: _listed(self.facts(kind)) for kind in FACTS},
                "totals": self.totals,
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> Checkpoint:
        """The checkpoint that `to_json` wrote.

        Raises:
            TraceFormatError: It is something else, or of another version.
        """
        content = parse_object(data, "checkpoint")
        if content.get("format") != FORMAT or content.get("version") != VERSION:
            raise TraceFormatError("this is no checkpoint of a version that this program reads")
        try:
            return cls(
                hospital_id=check_identifier("hospital_id", str(content["hospital_id"])),
                sequence=int(content["sequence"]),
                previous=str(content["previous"]),
                at=instants.parse(content["at"]),
                node=str(content["node"]),
                signer=str(content["signer"]),
                journal=tuple(
                    Head(str(item["writer"]), int(item["seq"]), str(item["digest"]))
                    for item in content["journal"]
                ),
                totals={str(name): int(count) for name, count in content["totals"].items()},
                opened=_facts(content["opened"]),
                closed=_facts(content["closed"]),
                purged=_facts(content["purged"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TraceFormatError(f"this is no checkpoint: {error}") from error


def digest(content: bytes) -> str:
    """Digest of a checkpoint's bytes, which the next one and every anchor carry, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _listed(facts: Iterable[Fact]) -> list[dict[str, str]]:
    return [{"session_id": fact.session_id, "sha256": fact.sha256} for fact in sorted(facts)]


def _facts(items: Any) -> tuple[Fact, ...]:
    return tuple(Fact(str(item["session_id"]), str(item["sha256"])) for item in items)
