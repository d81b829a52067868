#!/usr/bin/env python3
"""Écluse's stand-alone verifier: from files, public keys and anchors alone, says intact or names what was touched.

It is one file, needs Python 3.9 or later and nothing else of Écluse. Signatures are checked by the `cryptography`
package where it is there, else by the `openssl` command; time stamps always by the latter. What it does is told in
FORMAT.md, from which anybody may write another one. Exit status: 0 intact, 1 touched, 2 it could not verify,
3 intact but for what could not be proven.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:  # the openssl command does it, more slowly
    Ed25519PublicKey = None  # type: ignore[assignment,misc]  # its absence is asked for below

RECORD = struct.Struct(">IQQB")
MAX_HEADER, MAX_BODY, MAX_SMALL = 1 << 18, 1311761, 8 << 20
PLACE = 5  # parts of a trace's path in the store: hospital, year, month, day, session
SPKI = bytes.fromhex("302a300506032b6570032100")  # what an Ed25519 public key begins by (RFC 8410)
INDEX = "index.json"
CLOCKS = timedelta(minutes=5)
DAY, LEAST = timedelta(days=1), timedelta(days=365)
TEXTS = ("session_id", "hospital_id", "node", "header_digest", "last_chain", "end_reason", "signer")
FACTS = ("opened", "closed", "purged")
WRAP_SCHEMES = tuple(f"HPKE-Base-{curve}-HKDF-SHA256-AES-256-GCM" for curve in ("X25519", "P256"))
Finding = dict[str, Any]


class Wrong(Exception):
    """The first thing wrong with a trace or a file: a code, a sentence, and the record to blame, 0 for the header."""

    def __init__(self, what: str, detail: str, record: int | None = None) -> None:
        super().__init__(detail)
        self.what, self.record = what, record


class Report:
    """What was found: findings were touched, remarks leave something unproven."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.remarks: list[Finding] = []
        self.counts: Counter[str] = Counter()
        self.newest: tuple[int, str] | None = None
        self.extract: list[str] | None = None

    def found(self, place: str, name: object, wrong: Wrong) -> None:
        """Note what was touched."""
        entry = {
            "place": place,
            "name": str(name),
            "what": wrong.what,
            "detail": str(wrong),
            "record": wrong.record,
        }
        self.findings.append(entry)

    def remark(self, place: str, name: object, what: str, detail: str) -> None:
        """Note what cannot be proven."""
        self.remarks.append(
            {"place": place, "name": str(name), "what": what, "detail": detail, "record": None}
        )


class Keys:
    """Public keys by who holds them, and by identifier: the first 16 hexadecimal digits of SHA-256 of the raw key.

    A gateway's key signs traces; a console's signs checkpoints, purges and what becomes of wraps. None does the other's.
    """

    def __init__(self, gateways: Iterable[Path], consoles: Iterable[Path] = ()) -> None:
        self.gateways = dict(filter(None, map(_read_key, gateways)))
        self.consoles = dict(filter(None, map(_read_key, consoles)))

    def check(self, known: dict[str, bytes], signer: object, signature: bytes, data: bytes) -> None:
        """Raise Wrong unless *signer* is among the *known* and signed *data*."""
        raw = known.get(str(signer))
        if raw is None:
            detail = f"key {str(signer)[:16]}, which is said to have signed it, is not known here for that"
            raise Wrong("signature", detail)
        if not _signed(raw, signature, data):
            raise Wrong("signature", f"key {signer} did not sign it")


def _read_key(path: Path) -> tuple[str, bytes] | None:
    body = re.sub(rb"-----[^-]+-----|\s", b"", path.read_bytes())
    try:
        der = base64.b64decode(body, validate=True)
    except ValueError:
        return None
    raw = der[12:]
    return (sha256(raw)[:16], raw) if len(der) == 44 and der.startswith(SPKI) else None


def able() -> None:
    """Raise SystemExit where signatures cannot be checked here: that must not look like a signature that is wrong."""
    raw = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"  # RFC 8032, 7.1, test 2
    signature = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    try:
        done = _signed(bytes.fromhex(raw), bytes.fromhex(signature), b"r")
    except OSError:
        done = False
    if not done:
        raise SystemExit("install the Python package cryptography, or OpenSSL 3: Ed25519 is unknown here")


def _signed(raw: bytes, signature: bytes, data: bytes) -> bool:
    if Ed25519PublicKey is not None:
        try:
            Ed25519PublicKey.from_public_bytes(raw).verify(signature, data)
        except InvalidSignature:
            return False
        return True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "key").write_bytes(SPKI + raw)
        (folder / "sig").write_bytes(signature)
        (folder / "data").write_bytes(data)
        command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey", "key"]
        command += ["-sigfile", "sig", "-in", "data"]
        return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def canonical(value: object) -> bytes:
    """The one JSON form of a value."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def small(path: Path) -> bytes:
    """The bytes of a small file; raises Wrong where it is missing."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SMALL + 1)
    except OSError as error:
        raise Wrong("missing", f"{path.name} is missing") from error
    if len(data) > MAX_SMALL:
        raise Wrong("format", f"{path.name} is larger than any such file can be")
    return data


def document(data: bytes, what: str, code: str = "format") -> dict[str, Any]:
    """The JSON object in *data*; raises Wrong with that code."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Wrong(code, f"the {what} is not JSON") from error
    if not isinstance(value, dict):
        raise Wrong(code, f"the {what} is not a JSON object")
    return value


def instant(text: object) -> datetime:
    """The UTC instant that *text* writes; raises Wrong."""
    try:
        return datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise Wrong("format", f"{text!r} is no instant") from error


def sha256(data: bytes) -> str:
    """The digest in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


# --- one trace (FORMAT.md, sections 2 to 9) ---------------------------------------------------------------------


class Stream:
    """A trace's bytes: its one file, or its segments one after another; remembers what each segment was."""

    def __init__(self, folder: Path) -> None:
        whole = folder / "trace.ecl"
        self.segmented = not whole.exists()
        self._names = sorted(folder.glob("trace-??????.ecl")) if self.segmented else [whole]
        if not self._names or (self.segmented and self._names[0].name != "trace-000001.ecl"):
            raise Wrong("missing", "the trace's file is missing")
        self.read_whole: list[dict[str, Any]] = []
        self.size = 0
        self._open(0)

    def _open(self, number: int) -> None:
        self._number, self._digest, self._size = number, hashlib.sha256(), 0
        self._file = self._names[number].open("rb")

    def read(self, wanted: int) -> bytes:
        """So many bytes, fewer at the end."""
        data = b""
        while len(data) < wanted and not self._file.closed:
            piece = self._file.read(wanted - len(data))
            self._digest.update(piece)
            self._size += len(piece)
            data += piece
            if not piece:
                self._next()
        self.size += len(data)
        return data

    def close(self) -> None:
        """Close the file that is read."""
        self._file.close()

    def _next(self) -> None:
        self._file.close()
        name = self._names[self._number].name
        self.read_whole.append({"name": name, "bytes": self._size, "sha256": self._digest.hexdigest()})
        following = self._number + 1
        if following < len(self._names) and self._names[following].name == f"trace-{following + 1:06d}.ecl":
            self._open(following)


def read_header(stream: Stream) -> tuple[dict[str, Any], bytes, bytes]:
    """The header, its bytes and the chain's first link; raises Wrong."""
    magic = stream.read(8)
    if magic != b"ECLUSE\x00\x01":
        if len(magic) == 8 and magic[:7] == b"ECLUSE\x00":
            raise Wrong("format", f"trace format version {magic[7]} is unknown", 0)
        raise Wrong("header", "this is no Écluse trace", 0)
    prefix = stream.read(4)
    length = int.from_bytes(prefix, "big")
    if len(prefix) < 4 or length > MAX_HEADER:
        raise Wrong("truncated" if len(prefix) < 4 else "header", "the header is not whole", 0)
    text, stored = stream.read(length), stream.read(32)
    if len(text) < length or len(stored) < 32:
        raise Wrong("truncated", "the trace ends inside its header", 0)
    link = hashlib.sha256(b"ecluse trace v1 header\x00" + magic + prefix + text).digest()
    if link != stored:
        raise Wrong("header", "the header is not the one that was written", 0)
    try:
        return document(text, "header"), text, link
    except Wrong as wrong:
        raise Wrong("format", str(wrong), 0) from wrong


def read_record(stream: Stream, number: int, link: bytes) -> bytes | None:
    """The chain's link after record *number*, None at the trace's end; raises Wrong."""
    head = stream.read(RECORD.size)
    if not head:
        return None
    if len(head) < RECORD.size:
        raise Wrong("truncated", f"the trace ends inside record {number}", number)
    length, sequence, _, _ = RECORD.unpack(head)
    if sequence != number:
        raise Wrong("order", f"record {number} should stand here, but it says {sequence}", number)
    if not 0 < length <= MAX_BODY:
        raise Wrong("length", f"record {number} claims {length} bytes", number)
    body, stored = stream.read(length), stream.read(32)
    if len(body) < length or len(stored) < 32:
        raise Wrong("truncated", f"the trace ends inside record {number}", number)
    link = hashlib.sha256(b"ecluse trace v1 record\x00" + link + head + body).digest()
    if link != stored:
        raise Wrong("digest", f"record {number} is not the one that was written", number)
    return link


def signed_manifest(folder: Path, keys: Keys, expected: str | None) -> dict[str, Any]:
    """The manifest, its signature and digest checked; raises Wrong."""
    text, signature = small(folder / "manifest.json"), small(folder / "manifest.sig")
    try:
        signer = document(text, "manifest").get("signer")
    except Wrong:
        signer = ""
    keys.check(keys.gateways, signer, signature, text)
    manifest = document(text, "manifest", "manifest")
    if manifest.get("format") != "ecluse-trace-manifest" or manifest.get("version") not in (1, 2):
        raise Wrong("manifest", "this is no manifest of a known version")
    for name, kind in {**dict.fromkeys(TEXTS, str), "records": int, "size": int, "files": list}.items():
        if not isinstance(manifest.get(name), kind):
            raise Wrong("manifest", f"the manifest's {name} is missing or of another kind")
    if expected is not None and sha256(text) != expected:
        raise Wrong("manifest", "the manifest is signed, but it is not the one that was committed to")
    return manifest


def verify_trace(folder: Path, keys: Keys, expected: str | None = None) -> dict[str, Any]:
    """The manifest of a trace in which nothing was touched, with its header's bytes; raises Wrong."""
    if (folder / "purge.json").exists():
        return verify_purged(folder, keys, expected)
    stream = Stream(folder)
    try:
        header, text, first = read_header(stream)
        number, link = 0, first
        while (following := read_record(stream, number + 1, link)) is not None:
            number, link = number + 1, following
    finally:
        stream.close()
    manifest = signed_manifest(folder, keys, expected)
    segments = manifest.get("segments", []) if stream.segmented else []
    for item in segments[len(stream.read_whole) :]:
        raise Wrong("segment", f"{item['name']} is missing", number + 1)
    if number < manifest["records"]:
        raise Wrong("truncated", f"record {number + 1} is missing", number + 1)
    if number > manifest["records"]:
        raise Wrong("order", f"record {manifest['records'] + 1} was added", manifest["records"] + 1)
    told = {name: header.get(name) for name in ("session_id", "hospital_id", "node", "suite")}
    told.update(
        opened_at=header.get("started_at"), header_digest=first.hex(), last_chain=link.hex(), size=stream.size
    )
    for name, value in told.items():
        if manifest.get(name) != value:
            raise Wrong("manifest", f"the trace's {name} is not the one that was signed")
    for stored, item in zip(stream.read_whole, segments):
        if stored != item:  # together they are the trace, cut at other places
            raise Wrong("segment", f"{item['name']} is not the file that was signed")
    for item in manifest["files"]:
        path = folder / item["name"]
        if path.parent != folder or not path.is_file() or _digest_of(path) != item["sha256"]:
            raise Wrong("file", f"{item['name']} beside the trace is not the file that was signed")
    verify_wraps(folder, header, keys, manifest["signer"])
    return {**manifest, "header": text}


def _digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def verify_wraps(folder: Path, header: dict[str, Any], keys: Keys, recorder: str) -> None:
    """Hold each wrap beside the trace to it; that all were destroyed is an erasure, and no fault; raises Wrong."""
    named = set((header.get("sealing") or {}).get("readers", []))
    gone, retired = set(named), []
    for path in sorted(folder.glob("*.wrap")):
        try:
            wrap = document(small(path), "wrap")
            signature = base64.b64decode(str(wrap.pop("signature", "")), validate=True)
            console = str(wrap.get("signer")) in keys.consoles
            known, signer = (keys.consoles, str(wrap["signer"])) if console else (keys.gateways, recorder)
            keys.check(known, signer, signature, b"ecluse wrap v1\x00" + canonical(wrap))
        except (Wrong, ValueError) as wrong:
            raise Wrong("wrap", f"{path.name} was not made by who may make one") from wrong
        told = [wrap.get(name) for name in ("version", "session_id", "hospital_id")]
        if told != [1, header.get("session_id"), header.get("hospital_id")]:
            raise Wrong("wrap", f"{path.name} belongs to another trace")
        reader, note = str(wrap.get("reader")), "wrapped" not in wrap
        if path.name != f"{reader}.wrap":
            raise Wrong("wrap", f"{path.name} is the wrap of another reader")
        if not note and wrap.get("scheme") not in WRAP_SCHEMES:
            raise Wrong("wrap", f"{path.name} is of a scheme that is not known")
        if not console and (note or reader not in named):
            raise Wrong("wrap", f"{path.name} is what only the console may make")
        gone.discard(reader)
        retired.append(note)
    if retired and gone:
        raise Wrong("wrap", f"the wrap of reader {min(gone)} is gone, and others are not")
    if retired and all(retired):
        raise Wrong("wrap", "no reader's wrap is left, and the trace was not erased")


def verify_purged(folder: Path, keys: Keys, expected: str | None) -> dict[str, Any]:
    """The manifest of a trace whose content was purged, by whom the purge record says; raises Wrong."""
    manifest = signed_manifest(folder, keys, expected)
    try:
        text = small(folder / "purge.json")
        purge = document(text, "purge record")
        keys.check(keys.consoles, purge.get("signer"), small(folder / "purge.sig"), text)
    except Wrong as wrong:
        raise Wrong("purge", str(wrong)) from wrong
    told = [purge.get(name) for name in ("format", "version", "session_id", "hospital_id", "manifest_sha256")]
    kept, version = {}, 1
    if purge.get("version") == 2 and purge.get("reason") == "erasure":  # what the store did not let go yet
        kept, version = {item.get("name"): item.get("bytes") for item in purge.get("kept") or [{}]}, 2
    wanted = ["ecluse-purge", version, manifest["session_id"], manifest["hospital_id"]]
    if told != [*wanted, sha256(small(folder / "manifest.json"))]:
        raise Wrong("purge", "the purge record belongs to another trace")
    for path in sorted(path for pattern in ("*.ecl", "*.wrap") for path in folder.glob(pattern)):
        if path.suffix == ".wrap" or kept.get(path.name) != path.stat().st_size:
            raise Wrong("purge", f"{path.name} is still there, and the record says that it was purged")
    for item in manifest.get("segments", []):
        if (path := folder / item["name"]).is_file() and _digest_of(path) != item["sha256"]:
            raise Wrong("segment", f"{item['name']} is not the file that was signed")
    return {**manifest, "purge": sha256(text)}


# --- checkpoints, time stamps, anchors (sections 10 to 12) ------------------------------------------------------


class Ledger:
    """The chain of checkpoints, and what it commits to."""

    def __init__(self) -> None:
        self.contents: dict[int, bytes] = {}
        self.dates: dict[int, datetime] = {}
        self.heads: dict[str, dict[int, str]] = defaultdict(dict)
        self.facts: dict[str, dict[str, tuple[str, int]]] = {kind: {} for kind in FACTS}
        self.latest, self.totals = Counter[str](), Counter[str]()
        self.hospital = ""
        self.whole = True
        self.last = 0
        self.covered: dict[str, dict[int, int]] = defaultdict(dict)
        self.stamped: dict[int, datetime] = {}

    def digest(self, sequence: int) -> str | None:
        """Digest of that checkpoint, where it is at hand."""
        content = self.contents.get(sequence)
        return sha256(content) if content is not None else None


def verify_checkpoints(folder: Path, keys: Keys, report: Report, *, whole: bool) -> Ledger:
    """Walk the checkpoints; of a part of the chain, each that is there is held to the one before where that is there."""
    ledger = Ledger()
    ledger.whole = whole
    # by number, not by the year's folder: a clock may have been in another year
    paths = sorted(
        (path for path in folder.rglob("*.json") if path.stem.isdecimal()), key=lambda path: int(path.stem)
    )
    for path in paths:
        sequence = int(path.stem)
        expected = ledger.last + 1
        if whole and sequence != expected:
            report.found("checkpoint", expected, Wrong("missing", f"checkpoint {expected} is missing"))
        try:
            content = small(path)
            checkpoint = document(content, "checkpoint")
            keys.check(keys.consoles, checkpoint.get("signer"), small(path.with_suffix(".sig")), content)
        except Wrong as wrong:
            report.found("checkpoint", sequence, wrong)
            continue
        before = ledger.digest(sequence - 1) if sequence > 1 else "0" * 64
        ledger.contents[sequence], ledger.last = content, max(ledger.last, sequence)
        try:
            _take(ledger, checkpoint, sequence, before, report)
            counted = checkpoint["totals"]
            if whole and any(counted.get(name, 0) != count for name, count in ledger.totals.items()):
                raise Wrong("totals", "what it counts is not what the chain holds up to it")
        except Wrong as wrong:
            report.found("checkpoint", sequence, wrong)
        except (KeyError, TypeError) as error:
            report.found("checkpoint", sequence, Wrong("format", f"it lacks {error}"))
    report.counts["checkpoints"] = len(ledger.contents)
    return ledger


def _take(
    ledger: Ledger, checkpoint: dict[str, Any], sequence: int, before: str | None, report: Report
) -> None:
    if (checkpoint.get("format"), checkpoint.get("version")) != ("ecluse-checkpoint", 1):
        raise Wrong("format", "this is no checkpoint of a known version")
    ledger.hospital = ledger.hospital or checkpoint["hospital_id"]
    if (checkpoint["sequence"], checkpoint["hospital_id"]) != (sequence, ledger.hospital):
        raise Wrong("place", "it was made for another place")
    at, earlier = instant(checkpoint["at"]), ledger.dates.get(sequence - 1)
    if earlier is not None and at < earlier:
        report.remark("clock", f"checkpoint {sequence}", "backwards", "it is dated before the one it follows")
    ledger.dates[sequence] = at
    report.newest = (sequence, checkpoint["at"])
    for head in checkpoint["journal"]:
        writer, seq = head["writer"], head["seq"]
        if seq <= ledger.latest[writer]:  # what was committed to first holds: else who has the key undoes it
            detail = f"it tells again of {writer} #{seq}, to which one before it committed"
            report.found("checkpoint", sequence, Wrong("twice", detail))
            continue
        ledger.heads[writer][seq], ledger.covered[writer][seq] = head["digest"], sequence
        ledger.totals["entries"] += seq - ledger.latest[writer]
        ledger.latest[writer] = seq
    for kind in FACTS:
        for fact in checkpoint[kind]:
            name, told = fact["session_id"], (fact["sha256"], sequence)
            if ledger.facts[kind].setdefault(name, told) != told:
                detail = f"it tells again that session {name} was {kind}, and one before it told it"
                report.found("checkpoint", sequence, Wrong("twice", detail))
        ledger.totals[kind] += len(checkpoint[kind])
    if before is not None and checkpoint["previous"] != before:
        raise Wrong("previous", f"it does not continue checkpoint {sequence - 1}")


def verify_stamps(folder: Path, authorities: Path | None, ledger: Ledger, report: Report) -> None:
    """Check each time stamp (RFC 3161) beside a checkpoint, by the openssl command and the authorities' CA."""
    stamps = sorted(
        (int(path.name.split(".")[0]), path) for path in folder.rglob("*.tsr") if path.name[0].isdecimal()
    )
    if stamps and authorities is None:
        report.remark(
            "stamp", stamps[0][0], "unchecked", "name the authorities' CA by --ca, and they are checked"
        )
        return
    last: dict[str, datetime] = {}
    stamped: dict[int, datetime] = {}
    for sequence, path in stamps:
        try:
            at = _stamped_at(path, authorities, ledger.contents.get(sequence, b""))
        except Wrong as wrong:
            report.found("stamp", sequence, wrong)
            continue
        stamped[sequence] = min(at, stamped.get(sequence, at))
        report.counts["stamps"] += 1
        name = path.name.split(".")[1]
        if at + CLOCKS < last.get(name, at):
            report.remark("stamp", sequence, "order", "the one before it was stamped later")
        last[name] = at
    if stamped:
        _cover(stamped, ledger, report)


def _cover(stamped: dict[int, datetime], ledger: Ledger, report: Report) -> None:
    """Date each checkpoint by the first stamp that covers it: its own, or one of a later checkpoint."""
    covered: datetime | None = None
    newest, late = max(ledger.dates.values()), list[int]()
    for sequence in sorted(ledger.dates, reverse=True):
        if sequence + 1 not in ledger.dates:
            covered = None  # the last one, or one before a gap: no later stamp vouches for it
        at = stamped.get(sequence)
        covered = at if covered is None else min(covered, at or covered)
        said = ledger.dates[sequence]
        if covered is not None:
            ledger.stamped[sequence] = covered
        if covered is not None and said - covered > CLOCKS:
            detail = f"it is dated {said - covered} after a time stamp that covers it"
            report.remark("clock", f"checkpoint {sequence}", "ahead", detail)
        if (covered or newest) - said > DAY:
            late.append(sequence)
    if late:
        detail = f"{len(late)} checkpoints from {min(late)} on were not stamped within a day of their date"
        report.remark("stamp", min(late), "late", detail)


def _stamped_at(path: Path, authorities: Path | None, content: bytes) -> datetime:
    def openssl(*arguments: str) -> str:
        try:
            done = subprocess.run(
                ["openssl", "ts", *arguments], capture_output=True, check=False, input=content
            )
        except OSError as error:
            raise SystemExit("time stamps are checked by the openssl command, which is not here") from error
        if done.returncode != 0:
            raise Wrong("invalid", "its time stamp is not one of that authority over this checkpoint")
        return done.stdout.decode("utf-8", "replace")

    # what is said before the token is signed by nobody, and may look like a time
    _, _, token = openssl("-reply", "-in", str(path), "-text").rpartition("TST info:")
    told = re.search(r"Time stamp: (\w+ +\d+ [\d:]+)(?:\.\d+)? (\d+) GMT", token)
    if told is None:
        raise Wrong("invalid", "its time stamp tells no time")
    at = datetime.strptime(" ".join(told.groups()), "%b %d %H:%M:%S %Y").replace(tzinfo=timezone.utc)
    digest = ["-digest", sha256(content), "-in", str(path), "-CAfile", str(authorities)]
    openssl("-verify", *digest, "-attime", str(int(at.timestamp())))
    return at


def verify_anchors(paths: Iterable[Path], ledger: Ledger, report: Report, *, whole: bool) -> None:
    """Hold the chain to what other machines remember of it; whatever stands before the JSON of a line is passed over."""
    for path in _files(paths, "*"):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if "ecluse-anchor" not in line or "{" not in line:
                continue
            try:
                anchor, _ = json.JSONDecoder().raw_decode(line[line.index("{") :])
                hospital, sequence, digest = anchor["hospital_id"], int(anchor["sequence"]), anchor["digest"]
            except (ValueError, KeyError, TypeError):
                report.remark("anchor", path.name, "format", f"a line cannot be read: {line[:80]!r}")
                continue
            if hospital != (ledger.hospital or hospital):
                continue
            report.counts["anchors"] += 1
            if sequence not in ledger.contents and whole:
                first = min(ledger.last + 1, sequence)
                detail = (
                    f"checkpoint {first} is missing: number {sequence} was anchored at {anchor.get('at')}"
                )
                report.found("anchor", first, Wrong("missing", detail))
                return
            if ledger.digest(sequence) not in (None, digest):
                detail = f"checkpoint {sequence} is not the one that was anchored at {anchor.get('at')}"
                report.found("anchor", sequence, Wrong("replaced", detail))
                return


# --- journal, catalogue, sessions (sections 11 and 13) ----------------------------------------------------------


def purged_entries(
    folder: Path, chains: dict[str, dict[int, tuple[str, bytes]]], ledger: Ledger, keys: Keys, report: Report
) -> dict[str, int]:
    """Up to which entry each chain may have lost its front, by the purge record (section 15); what it may not is found."""
    if not (folder / "purge.json").exists():
        return {}
    cuts: dict[str, int] = {}
    try:
        text = small(folder / "purge.json")
        purge = document(text, "journal's purge record")
        keys.check(keys.consoles, purge.get("signer"), small(folder / "purge.sig"), text)
        told = [purge.get(name) for name in ("format", "version", "hospital_id")]
        if told != ["ecluse-journal-purge", 1, ledger.hospital]:
            raise Wrong("purge", "it is no record of a known version, or another hospital's")
        at = _recorded_at(purge["number"], sha256(text), chains, ledger)
        known, since = datetime.min.replace(tzinfo=timezone.utc), {}
        for sequence in sorted(ledger.dates):  # none counts as older than one before it: a clock was put back
            known = since[sequence] = max(known, ledger.dates[sequence])
        for cut in purge["chains"]:
            writer, seq = cut["writer"], cut["seq"]
            head = ledger.covered.get(writer, {}).get(seq)
            if head is None or ledger.heads[writer][seq] != cut["digest"]:
                detail = "the purge record ends where no checkpoint commits to the chain"
            elif at - since[head] < LEAST - CLOCKS:
                detail = f"the purge record takes what was known since {since[head]:%Y-%m-%d} only"
            else:
                cuts[writer] = seq
                continue
            report.found("journal", f"{writer} #{seq}", Wrong("purge", detail))
    except (Wrong, KeyError, TypeError) as error:
        report.found("journal", "purge record", Wrong("purge", str(error)))
    return cuts


def _recorded_at(
    number: int, digest: str, chains: dict[str, dict[int, tuple[str, bytes]]], ledger: Ledger
) -> datetime:
    """The latest that the record can have been made: a checkpoint commits to the entry that tells of it; raises Wrong."""
    for writer, entries in chains.items():
        for seq, (_, content) in entries.items():
            event = document(content, "entry").get("event") if b"journal.purged" in content else None
            if not isinstance(event, dict) or event.get("name") != "journal.purged":
                continue
            details = event.get("details") or {}
            later = [one for head, one in ledger.covered.get(writer, {}).items() if head >= seq]
            if [details.get("number"), details.get("digest")] == [number, digest] and later:
                dates = [ledger.dates, ledger.stamped]
                after = [at for some in dates for one, at in some.items() if one >= min(later)]
                return min([*after, datetime.now(timezone.utc)])
    raise Wrong("purge", "no checkpoint commits to an entry that tells of it")


def verify_journal(folder: Path, ledger: Ledger, keys: Keys, report: Report, *, whole: bool) -> set[str]:
    """Walk every writer's chain, held to the checkpoints; give back the sessions that it says were opened."""
    chains: dict[str, dict[int, tuple[str, bytes]]] = defaultdict(dict)
    opened: set[str] = set()
    for path in sorted(folder.glob("*.log")):
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                digest, _, content = line.rstrip(b"\n").partition(b" ")
                try:
                    entry = document(content, "entry", "content")
                    told = (digest.decode("ascii", "replace"), content)
                    if chains[entry["writer"]].setdefault(entry["seq"], told) != told:
                        raise Wrong("twice", "this line and another one say to be the same entry")
                except (Wrong, KeyError, TypeError) as error:
                    wrong = error if isinstance(error, Wrong) else Wrong("content", "this line is no entry")
                    report.found("journal", f"{path.name}:{number}", wrong)
    cuts = purged_entries(folder, chains, ledger, keys, report) if whole else {}
    for writer in sorted({*chains, *(ledger.heads if whole else ())}):
        runs = [chains.get(writer, {})] if whole else _runs(chains[writer])
        for run in runs:
            try:
                if run is not runs[-1] and max(run) not in ledger.heads.get(writer, {}):
                    raise Wrong("missing", f"entry {max(run) + 1} is missing", max(run) + 1)
                _walk(writer, run, ledger, report, opened, cut=cuts.get(writer, 0), whole=whole)
            except Wrong as wrong:
                report.found("journal", f"{writer} #{wrong.record}", wrong)
            except (KeyError, TypeError, AttributeError) as error:
                report.found("journal", writer, Wrong("content", f"an entry lacks {error}"))
    return opened


def _runs(entries: dict[int, tuple[str, bytes]]) -> list[dict[int, tuple[str, bytes]]]:
    """The entries of one chain, those that follow each other together."""
    runs: list[dict[int, tuple[str, bytes]]] = []
    for seq in sorted(entries):
        if not runs or seq - 1 not in runs[-1]:
            runs.append({})
        runs[-1][seq] = entries[seq]
    return runs


def _walk(
    writer: str,
    entries: dict[int, tuple[str, bytes]],
    ledger: Ledger,
    report: Report,
    opened: set[str],
    *,
    cut: int,
    whole: bool,
) -> None:
    heads = ledger.heads.get(writer, {})
    # of what went by rule some may be there yet: it was on its way, and is held to what follows it
    start = min(min(entries, default=cut + 1), cut + 1) if whole else min(entries)
    report.counts["entries_purged"] += start - 1 if whole else 0
    last = max(heads, default=0) if whole else max((seq for seq in heads if seq in entries), default=0)
    if not whole and not last:
        raise Wrong("head", "no checkpoint at hand commits to these entries", start)
    previous, before = ("0" * 64 if start == 1 else heads.get(start - 1)), None
    for seq in range(start, max(last, max(entries, default=0)) + 1):
        if seq not in entries:
            raise Wrong("missing", f"entry {seq} is missing", seq)
        digest, content = entries[seq]
        if sha256(b"ecluse journal v1 entry\x00" + content) != digest:
            raise Wrong("digest", f"entry {seq} is not the one that was written", seq)
        entry = document(content, "entry", "content")
        if previous is not None and entry.get("previous") != previous:
            raise Wrong("previous", f"entry {seq} does not continue the one before it", seq)
        if heads.get(seq, digest) != digest:
            raise Wrong("digest", f"entry {seq} is not the one that a checkpoint commits to", seq)
        previous = digest
        report.counts["entries" if seq <= last else "entries_uncovered"] += 1
        before = _look(entry, ledger, report, opened, before)
        _ahead(entry, heads, ledger, report)


def _look(
    entry: dict[str, Any], ledger: Ledger, report: Report, opened: set[str], before: datetime | None
) -> datetime | None:
    event = entry["event"]
    if event["name"] == "session.opened" and event["session_id"]:
        opened.add(event["session_id"])
    if event["name"] == "checkpoint.made" and ledger.contents:
        sequence, told = event["details"].get("sequence"), event["details"].get("digest")
        if sequence > ledger.last and ledger.whole:
            report.found(
                "checkpoint", sequence, Wrong("missing", "the journal tells of it, and it is not there")
            )
        elif sequence in ledger.contents and ledger.digest(sequence) != told:
            report.found(
                "checkpoint", sequence, Wrong("replaced", "it is not the one that the journal tells of")
            )
    if entry.get("outbox_id") is not None:
        return before
    at = instant(event["at"])
    if before is not None and before - at > CLOCKS:
        name = f"{entry['writer']} #{entry['seq']}"
        report.remark("clock", name, "backwards", f"it is dated {before - at} before the one it follows")
    return at


def _ahead(entry: dict[str, Any], heads: dict[int, str], ledger: Ledger, report: Report) -> None:
    """Hold the last entry that a checkpoint knows to the checkpoint's date."""
    covering = ledger.covered.get(entry["writer"], {}).get(entry["seq"])
    if covering is None or entry.get("outbox_id") is not None or not heads:
        return
    ahead = instant(entry["event"]["at"]) - ledger.dates[covering]
    if ahead > CLOCKS:
        name = f"{entry['writer']} #{entry['seq']}"
        report.remark(
            "clock", name, "ahead", f"it is dated {ahead} after checkpoint {covering}, which knows it"
        )


def read_catalogue(path: Path, report: Report) -> dict[str, dict[str, Any]]:
    """The catalogue's rows by session."""
    rows: dict[str, dict[str, Any]] = {}
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = document(line, "row")
                if canonical(row) != line.rstrip(b"\n"):
                    raise Wrong("format", "this line is not in the one form that a row has")
                if rows.setdefault(row["session_id"], row) != row:
                    raise Wrong("twice", "this line and another one say to be the row of one session")
            except (Wrong, KeyError, ValueError) as error:
                wrong = error if isinstance(error, Wrong) else Wrong("format", "this line is no row")
                report.found("catalogue", f"{path.name}:{number}", wrong)
    return rows


def verify_catalogue(
    rows: dict[str, dict[str, Any]], ledger: Ledger, report: Report, opened: set[str]
) -> None:
    """Hold the rows to what the checkpoints commit to, and the sessions that the journal tells of to the rows."""
    for kind in ("opened", "closed"):
        for name, (digest, sequence) in ledger.facts[kind].items():
            row = (rows.get(name) or {}).get(kind)
            try:
                if row is None:
                    raise Wrong("missing", f"checkpoint {sequence} tells that it was {kind}, and no row does")
                held = sha256(row["header"].encode()) if kind == "opened" else row["manifest_sha256"]
                if held != digest:
                    raise Wrong("changed", "the row tells something else than the checkpoint commits to")
                at = instant(row["started_at" if kind == "opened" else "closed_at"])
                if kind == "opened":
                    _columns(row)
                if at - ledger.dates[sequence] > CLOCKS:
                    detail = f"it was {kind} at {at}, and checkpoint {sequence} of {ledger.dates[sequence]} knows it"
                    report.remark("clock", name, "ahead", detail)
            except Wrong as wrong:
                report.found("catalogue", name, wrong)
            except (KeyError, TypeError, AttributeError) as error:
                report.found("catalogue", name, Wrong("format", f"its row lacks {error}"))
    for name in sorted(opened - set(rows)):
        detail = "the journal tells that it was opened, and no row does"
        report.found("catalogue", name, Wrong("missing", detail))


def _columns(row: dict[str, Any]) -> None:
    header = document(row["header"].encode(), "header")
    told = {name: header[name] for name in ("node", "started_at")}
    told.update({f"{name}_id": header[name]["id"] for name in ("person", "supplier", "device", "window")})
    for name, value in told.items():
        if row[name] != value:
            raise Wrong("column", f"its column {name} is not what was written")


def verify_sessions(
    store: Path, ledger: Ledger, rows: dict[str, dict[str, Any]], keys: Keys, report: Report, *, whole: bool
) -> None:
    """Hold each trace to its checkpoint; name those that are gone, never came, or were put in."""
    found: dict[str, Path] = {}
    for folder in sorted(path.parent for path in store.rglob("manifest.json")):
        if found.setdefault(folder.name, folder) != folder:  # which of them is shown, nobody here can tell
            detail = f"there are two of it: {found[folder.name]} and {folder}"
            report.found("trace", folder.name, Wrong("twice", detail))
    closed = {name: digest for name, (digest, _) in ledger.facts["closed"].items()}
    closed.update(
        {
            name: row["closed"]["manifest_sha256"]
            for name, row in rows.items()
            if row.get("closed") and name not in closed
        }
    )
    for name in sorted({*found, *(closed if whole else ())}):
        try:
            if name not in found:
                raise Wrong("missing", "its trace is not in the store")
            if name not in closed:
                place = found[name].relative_to(store).parts
                if len(place) == PLACE and place[0] != ledger.hospital:
                    continue  # a store of several hospitals: it is another one's, whose own checkpoints tell of it
                raise Wrong("stranger", "no checkpoint and no row tells of it")
            manifest = verify_trace(found[name], keys, closed[name])
            if manifest["session_id"] != name:
                raise Wrong("manifest", "it is the trace of another session")
            _held(name, manifest, ledger, rows.get(name) or {})
            report.counts["traces"] += 1
            report.counts["records"] += manifest["records"]
            report.counts["purged"] += "purge" in manifest
            sealed = document(manifest.get("header", b"{}"), "header").get("sealing")
            if sealed and not any(found[name].glob("*.wrap")):
                detail = "every wrap was destroyed: nobody can read it, and no record says by whose decision"
                report.remark("trace", name, "erased", detail)
        except Wrong as wrong:
            report.found("trace", name, wrong)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{report.counts['traces']} traces\x1b[K")
    newest = max(ledger.dates.values(), default=None)
    for name, (_, sequence) in ledger.facts["opened"].items():
        if whole and name not in closed and newest is not None and newest - ledger.dates[sequence] > DAY:
            report.remark(
                "trace", name, "never_came", f"opened by checkpoint {sequence}, and its trace never came"
            )


def _held(name: str, manifest: dict[str, Any], ledger: Ledger, row: dict[str, Any]) -> None:
    opened, purged = ledger.facts["opened"].get(name), ledger.facts["purged"].get(name)
    if opened is not None and "header" in manifest and sha256(manifest["header"]) != opened[0]:
        raise Wrong("header", "its header is not the one that a checkpoint commits to", 0)
    if purged is not None and purged[0] != manifest.get("purge"):
        raise Wrong("purge", "its purge record is not the one that a checkpoint commits to")
    for column in ("closed_at", "end_reason", "interrupted", "records", "size", "trimmed_bytes", "signer"):
        if row.get("closed") and row["closed"].get(column) != manifest[column]:
            raise Wrong("column", f"the catalogue's {column} is not what its manifest says")


# --- the command ------------------------------------------------------------------------------------------------


def unpack(package: zipfile.ZipFile, folder: Path) -> None:
    """Unpack an evidence package; raises Wrong where two programs may unpack it to two things."""
    names = [one.filename.casefold() for one in package.infolist()]
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise Wrong("twice", f"the package holds {twice} more than once")
    size, room = sum(one.file_size for one in package.infolist()), shutil.disk_usage(folder).free
    if size > room:
        raise SystemExit(f"the package unpacks to {size} bytes, and {folder} has room for {room}")
    package.extractall(folder)


def verify_path(path: Path, options: argparse.Namespace, report: Report) -> None:
    """Verify what lies at *path*: one trace, an export of everything, or an evidence package."""
    able()
    own = path / "keys"
    gateways, consoles = options.key or [own / "gateways"], options.checkpoint_key or [own / "checkpoints"]
    keys = Keys(_files(gateways, "*.pub"), _files(consoles, "*.pub"))
    if not keys.gateways:
        raise SystemExit("no Ed25519 public key was found: name files or folders of them by --key")
    if own in (gateways[0].parent, consoles[0].parent) and own.is_dir():
        names = ", ".join(sorted({**keys.gateways, **keys.consoles}))
        detail = (
            f"of the keys {names} some came with what they prove: compare them, or name your own by --key"
        )
        report.remark("keys", "keys", "own", detail)
    package = any((path / name).exists() for name in ("checkpoints", INDEX, "index.sig", "extract.json"))
    if (path / "manifest.json").exists() and not package:
        try:
            manifest = verify_trace(path, keys)
            report.counts["records"], report.counts["traces"] = manifest["records"], 1
            _strangers(path, {item["name"] for item in manifest["files"]}, report)
        except Wrong as wrong:
            report.found("trace", path.name, wrong)
        return
    if not (path / "checkpoints").is_dir():
        raise SystemExit(f"{path} is neither a trace, nor an export, nor an evidence package")
    whole = not (path / "extract.json").exists()
    ledger = verify_checkpoints(path / "checkpoints", keys, report, whole=whole)
    ca = options.ca or _there(own / "authorities.pem")
    verify_stamps(path / "checkpoints", ca, ledger, report)
    if ca != options.ca and report.counts["stamps"]:
        detail = "the authorities' CA came with what it proves: compare it, or name your own by --ca"
        report.remark("keys", "authorities.pem", "own", detail)
    verify_anchors(options.anchors or [], ledger, report, whole=whole)
    opened = verify_journal(path / "journal", ledger, keys, report, whole=whole)
    catalogue = path / "catalogue.jsonl"
    rows = read_catalogue(catalogue, report) if catalogue.exists() else {}
    if whole and catalogue.exists():
        verify_catalogue(rows, ledger, report, opened)
    store = options.store or _there(path / "traces")
    if store is not None:
        verify_sessions(store, ledger, rows, keys, report, whole=whole)
    if not whole:
        _hold_extract(path, store, ledger, report)
    if not whole or any((path / name).exists() for name in (INDEX, "index.sig")):
        verify_index(path, keys, ledger, report)
    else:
        _strangers(path, set(), report)


def verify_index(path: Path, keys: Keys, ledger: Ledger, report: Report) -> None:
    """Hold each file of an evidence package to its signed index (section 14); what nothing proves is named."""
    there = _package_files(path)
    if INDEX not in there and "index.sig" not in there:
        for name in sorted(name for name in there if not _proves_itself(name)):
            report.found("package", name, Wrong("stranger", "no signed index tells of it"))
        return
    try:
        text = small(path / INDEX)
        index = document(text, "index")
        keys.check(keys.consoles, index.get("signer"), small(path / "index.sig"), text)
        if [index.get(name) for name in ("format", "version")] != ["ecluse-package", 1]:
            raise Wrong("format", "this is no index of a known version")
        if index["hospital_id"] != ledger.hospital:
            raise Wrong("format", "it is the index of another hospital's package")
        if index["sessions"] != document(small(path / "extract.json"), "extract").get("sessions"):
            raise Wrong("format", "it is the index of another package: its sessions are others")
        told = {item["name"]: (item["bytes"], item["sha256"]) for item in index["files"]}
    except (KeyError, TypeError) as error:
        report.found("package", INDEX, Wrong("format", f"it lacks {error}"))
        return
    except Wrong as wrong:
        report.found("package", INDEX, wrong)
        return
    for name in sorted({*told, *there} - {INDEX, "index.sig"}):
        file = there.get(name)
        if file is None:
            report.found("package", name, Wrong("missing", "the index tells of it, and it is not there"))
        elif name not in told:
            report.found("package", name, Wrong("stranger", "the signed index does not tell of it"))
        elif (file.stat().st_size, _digest_of(file)) != told[name]:
            report.found("package", name, Wrong("changed", "it is not the file that was signed"))
        else:
            report.counts["files"] += 1


def _package_files(path: Path) -> dict[str, Path]:
    """Every file in and below *path*, but for those that an operating system leaves behind."""
    found = {one.relative_to(path): one for one in path.rglob("*") if not one.is_dir()}
    return {
        name.as_posix(): one
        for name, one in found.items()
        if not any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
    }


def _proves_itself(name: str) -> bool:
    """Whether something else than an index judges the file, or it shows nothing: keys, anchors, a program."""
    parts = {"checkpoints", "journal", "keys", "traces", "catalogue.jsonl", "extract.json"}
    return name.split("/", 1)[0] in parts or (
        "/" not in name and name.endswith((".pem", ".pub", ".jsonl", ".py"))
    )


def _strangers(path: Path, known: set[str], report: Report) -> None:
    """Remark on files that nothing here proves: they may lie beside what is proven, and look like it."""
    known = known | {f"{name}.{end}" for name in ("manifest", "purge") for end in ("json", "sig")}
    for name in sorted(set(_package_files(path)) - known):
        if not _proves_itself(name) and not name.endswith((".ecl", ".wrap")):
            report.remark("package", name, "unlisted", "nothing here proves it")


def _hold_extract(path: Path, store: Path | None, ledger: Ledger, report: Report) -> None:
    """Hold an extract to the sessions that it says it proves."""
    try:
        extract = document(small(path / "extract.json"), "extract")
        if extract.get("format") != "ecluse-extract" or extract["hospital_id"] != ledger.hospital:
            raise Wrong("format", "it is no extract of these checkpoints")
        report.extract = [str(name) for name in extract["sessions"]]
        if not report.extract:
            raise Wrong("format", "it names no session: then it proves nothing")
        there = {one.parent.name for one in store.rglob("manifest.json")} if store is not None else set()
        for name in extract["sessions"]:
            if name not in there or name not in ledger.facts["closed"]:
                report.found("trace", name, Wrong("missing", "the extract is to prove it, and does not"))
    except (Wrong, KeyError, TypeError) as error:
        report.found("extract", "extract.json", Wrong("format", str(error)))


def _there(path: Path) -> Path | None:
    return path if path.exists() else None


def _files(paths: Iterable[Path], pattern: str) -> list[Path]:
    found = [one for path in paths for one in (sorted(path.rglob(pattern)) if path.is_dir() else [path])]
    return [path for path in found if path.is_file()]


def show(report: Report) -> None:
    """Say what was found, for people."""
    counts = ", ".join(f"{count} {name}" for name, count in sorted(report.counts.items()) if count)
    print(f"INTACT: {counts}" if not report.findings else f"TOUCHED ({counts or 'nothing'} held)")
    if report.extract is not None:
        names = ", ".join(report.extract[:5]) + (" and others" if len(report.extract) > 5 else "")
        print(
            f"AN EXTRACT: it proves {len(report.extract)} sessions ({names}), and says nothing of any other."
        )
    for mark, entries in (("✗", report.findings), ("?", report.remarks)):
        for one in entries[:50]:
            about = " ".join(
                dict.fromkeys((one["place"], one["name"]))
            )  # keys are named after their own place
            print(f"  {mark} {about}: {one['detail']} [{one['what']}]")
    if report.newest is not None:
        print(
            f"Newest checkpoint: {report.newest[0]}, of {report.newest[1]}. Compare it with what you know elsewhere."
        )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description="Verify an Écluse trace, export or evidence package.", epilog=__doc__
    )
    parser.add_argument(
        "path", type=Path, help="a trace's folder, an export's folder, or an evidence package (.zip)"
    )
    of_gateways = "a gateway's public key (PEM), or a folder of *.pub; repeat it"
    parser.add_argument("--key", type=Path, action="append", help=of_gateways)
    of_consoles = "likewise, of who signs checkpoints, purges and wraps made later"
    parser.add_argument("--checkpoint-key", type=Path, action="append", help=of_consoles)
    parser.add_argument("--store", type=Path, help="the trace store's folder, where it is not in the export")
    parser.add_argument(
        "--anchors", type=Path, action="append", help="what another machine remembers; repeat it"
    )
    parser.add_argument("--ca", type=Path, help="CA certificates (PEM) of the time-stamping authorities")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    options, report = parser.parse_args(), Report()
    for stream in (sys.stdout, sys.stderr):  # an old terminal has no "✗": a question mark, and no stack trace
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        if options.path.is_file() and zipfile.is_zipfile(options.path):
            with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(options.path) as package:
                unpack(package, Path(folder))
                verify_path(Path(folder), options, report)
        else:
            verify_path(options.path, options, report)
    except Wrong as twice:
        report.found("files", options.path.name, twice)
    except (OSError, SystemExit, RecursionError) as error:
        print(f"could not verify: {error}", file=sys.stderr)
        return 2
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        wrong = Wrong("format", f"something here has a form that the product never writes: {error!r}")
        report.found("files", options.path.name, wrong)
    if options.json:
        told = {"valid": not report.findings, "findings": report.findings, "remarks": report.remarks}
        more = {"extract": report.extract, "counts": report.counts, "newest": report.newest}
        print(json.dumps({**told, **more}, indent=2))
    else:
        show(report)
    return 1 if report.findings else 3 if report.remarks else 0


if __name__ == "__main__":
    sys.exit(main())
