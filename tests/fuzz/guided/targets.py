"""What the coverage-guided fuzzer feeds: each target takes any bytes and raises only on a defect."""

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import zstandard

from gateway.server.login import MAX_NAME_BYTES, LoginName
from gateway.session.transfer.command import Allowed, Refused, classify
from gateway.session.transfer.operation import FileOperation
from gateway.session.transfer.sftp import SftpTap
from gateway.session.transfer.sftp_wire import MAX_FRAME, OpenFlag, SftpViolation
from policy.domain.ids import is_name
from policy.domain.windows import Channel
from policy.i18n import neutralise
from recorder.errors import RecorderError
from recorder.trace import chain, frames, records
from recorder.trace.manifest import Manifest
from tests.support import sftp_packets as packets

Target = Callable[[bytes], None]

_DOWN = frozenset({Channel.SFTP_DOWN})
_CHANGES = {"remove", "mkdir", "rmdir", "rename", "setstat", "symlink", "hardlink", "copy-data", "upload"}
_GOLDEN = Path(__file__).parents[2] / "vectors" / "trace-v1" / "trace.ecl"
_TURN = struct.Struct(">BH")


class Defect(Exception):
    """The product did what it promises never to do."""


def _must(held: object, promise: str) -> None:
    if not held:
        raise Defect(promise)


def login_names(data: bytes) -> None:
    """A typed user name becomes names of the product's form, or a bounded name that nobody has."""
    typed = data.decode("utf-8", "replace")
    name = LoginName.parse(typed)
    if is_name(name.person):
        parts = [part for part in (name.person, name.device, name.account) if part is not None]
        _must(all(map(is_name, parts)), "every part is a name")
        _must("+".join(parts) == typed.replace("%", "+"), "nothing is added to a name and nothing is lost")
    else:
        _must(name.device is None and name.account is None, "an unknown name asks for no device")
        _must(len(name.person.encode()) <= MAX_NAME_BYTES, "a name is bounded")
    _must(all(mark.isprintable() for mark in neutralise(typed)), "no screen is moved by a name")


def commands(data: bytes) -> None:
    """Without the right to run commands, only a file transfer's own server passes, in a granted direction."""
    verdict = classify(data, _DOWN)
    if isinstance(verdict, Refused):
        return
    _must(isinstance(verdict, Allowed), "a command is allowed or refused")
    _must(not set(data) & set(b";|&`$<>(){}!\n\r\0*?#~"), "one metacharacter of a shell refuses a command")
    program = data.split()[0].rsplit(b"/", 1)[-1].strip(b"'\"\\")
    _must(program in {b"scp", b"rsync", b"sftp-server"}, "no other program passes")


def sftp_frames(data: bytes) -> None:
    """Both sides of an sftp stream: passed or ended, bounded, and nothing changed where nothing may."""
    noted: list[FileOperation] = []
    tap = SftpTap(_DOWN, noted.append)
    at = 0
    try:
        while at + _TURN.size <= len(data):
            side, length = _TURN.unpack_from(data, at)
            at += _TURN.size
            piece = data[at : at + length]
            at += length
            if side & 1:
                tap.from_device(piece)
            else:
                tap.from_client(piece)
            _must(tap._client.held + tap._device.held <= 2 * (MAX_FRAME + 4), "what is held is bounded")
    except SftpViolation:
        pass
    tap.end()
    for each in noted:
        each.payload()
        _must(each.op not in _CHANGES or each.result == "refused", "nothing is changed by who may only read")


def trace_records(data: bytes) -> None:
    """Records that the chain holds but no writer of ours made: read, or refused by an error of the recorder."""
    head, link = _golden_head()
    parts, at = [head], 0
    while at + _TURN.size <= len(data):
        flags, length = _TURN.unpack_from(data, at)
        at += _TURN.size
        body = data[at : at + length] or b"\0"
        at += length
        start = records.RECORD_HEAD.pack(len(body), len(parts), 0, flags)
        link = chain.link(link, start, body)
        parts.append(start + body + link)
    _read(b"".join(parts))


def trace_files(data: bytes) -> None:
    """A file of any bytes is a trace, or refused by an error of the recorder; so is a manifest."""
    _read(data)
    try:
        Manifest.from_json(data)
    except RecorderError:
        pass


def planted(data: bytes) -> None:
    """A defect that only coverage leads to: the fuzzer must find it, or it finds nothing."""
    if data[:1] == b"E" and data[1:2] == b"C" and data[2:3] == b"L" and data[3:4] == b"U":
        raise Defect("planted")


def _read(trace: bytes) -> None:
    file = io.BytesIO(trace)
    decompressor = zstandard.ZstdDecompressor()
    try:
        _, link, _ = records.read_head(file)
        number = 0
        while (record := records.read_record(file, number + 1, link)) is not None:
            number, link = record.sequence, record.link
            plain = records.expand(decompressor, record.flags, record.body)
            _must(len(plain) <= records.MAX_PLAIN or not record.flags, "a record expands to a bounded size")
            for frame in frames.decode(plain):
                frames.facts(frame)
    except RecorderError:
        pass


def _golden_head() -> tuple[bytes, bytes]:
    with _GOLDEN.open("rb") as file:
        _, link, length = records.read_head(file)
        file.seek(0)
        return file.read(length), link


def _turns(*pieces: tuple[int, bytes]) -> bytes:
    return b"".join(_TURN.pack(side, len(piece)) + piece for side, piece in pieces)


def _sftp_seeds() -> Sequence[bytes]:
    start = ((0, packets.INIT), (1, packets.VERSION))
    download = (
        (0, packets.open_file(1, b"/f", OpenFlag.READ)),
        (1, packets.handle(1, b"h")),
        (0, packets.read(2, b"h", 0, 9)),
        (1, packets.data(2, b"abc")),
        (0, packets.close(3, b"h")),
        (1, packets.status(3)),
    )
    upload = (
        (0, packets.open_file(1, b"/f", OpenFlag.WRITE | OpenFlag.CREATE)),
        (1, packets.handle(1, b"h")),
    )
    extended = ((0, packets.extended(1, b"posix-rename@openssh.com", b"\0\0\0\1a\0\0\0\1b")),)
    return [_turns(*start, *rest) for rest in (download, upload, extended)]


def _record_seeds() -> Sequence[bytes]:
    plain = frames.encode(
        [
            frames.Frame(kind, 1, 5, b"abc" if kind.name.endswith("OUTPUT") else b'{"length":3}')
            for kind in frames.FrameType
        ]
    )
    return [_turns((0, plain), (records.ZSTD, zstandard.ZstdCompressor().compress(plain)))]


TARGETS: Mapping[str, tuple[Target, Callable[[], Sequence[bytes]]]] = {
    "login_names": (
        login_names,
        lambda: [b"alice", b"alice+scan01", b"alice%scan01%maint", "ália+\x1b[2J".encode(), b"+" * 200],
    ),
    "commands": (
        commands,
        lambda: [b"scp -t /x; sh", b"scp -r -f -- '/a b'", b"rsync --server --sender -logDtpre.iLsfx . /d"],
    ),
    "sftp_frames": (sftp_frames, _sftp_seeds),
    "trace_records": (trace_records, _record_seeds),
    "trace_files": (trace_files, lambda: [_GOLDEN.read_bytes(), b'{"records":1}']),
    "planted": (planted, lambda: [b"E"]),
}
"""Each target by its name, with the inputs that the search begins from."""
