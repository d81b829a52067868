"""A verifier written from FORMAT.md alone: it imports nothing of the product."""

import hashlib
import json
import struct
from pathlib import Path

import zstandard
from cryptography.hazmat.primitives.serialization import load_pem_public_key

Frame = tuple[int, int, int, bytes]


def verify(folder: Path, key: bytes) -> tuple[dict[str, object], list[Frame]]:
    """The header and the frames of a trace; raises ValueError where a step of section 7 fails."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    parts = [(folder / item["name"]).read_bytes() for item in manifest.get("segments", [])]
    for item, part in zip(manifest.get("segments", []), parts, strict=True):
        _hold((item["bytes"], item["sha256"]) == (len(part), hashlib.sha256(part).hexdigest()), item["name"])
    data = b"".join(parts) if manifest["version"] == 2 else (folder / "trace.ecl").read_bytes()
    public = load_pem_public_key(key)
    public.verify((folder / "manifest.sig").read_bytes(), (folder / "manifest.json").read_bytes())  # type: ignore[union-attr,call-arg]  # an Ed25519 key has this form
    _hold(data[:8] == bytes.fromhex("45434C5553450001"), "magic")
    (length,) = struct.unpack(">I", data[8:12])
    at = 12 + length
    link = hashlib.sha256(b"ecluse trace v1 header\0" + data[:at]).digest()
    _hold(link == data[at : at + 32], "first link")
    _hold(link.hex() == manifest["header_digest"], "header digest")
    header = json.loads(data[12:at])
    at += 32
    count, frames = 0, []
    while at < len(data):
        head = data[at : at + 21]
        size, sequence, _wall, flags = struct.unpack(">IQQB", head)
        body = data[at + 21 : at + 21 + size]
        link = hashlib.sha256(b"ecluse trace v1 record\0" + link + head + body).digest()
        at += 21 + size + 32
        count += 1
        _hold(sequence == count and link == data[at - 32 : at], f"record {count}")
        frames += _frames(zstandard.decompress(body) if flags & 1 else body)
    _hold(
        (count, len(data), link.hex()) == (manifest["records"], manifest["size"], manifest["last_chain"]),
        "end",
    )
    return header, frames


def _frames(content: bytes) -> list[Frame]:
    found, at = [], 0
    while at < len(content):
        kind, channel, when, length = struct.unpack_from(">BIQI", content, at)
        found.append((kind, channel, when, content[at + 17 : at + 17 + length]))
        at += 17 + length
    return found


def _hold(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)
