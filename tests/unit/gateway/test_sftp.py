"""The sftp tap, attacked from both sides."""

import hashlib
import struct

import pytest

from gateway.session.transfer.operation import FileOperation, Phase
from gateway.session.transfer.sftp import MAX_OPEN_FILES, MAX_REQUESTS, SftpTap
from gateway.session.transfer.sftp_wire import (
    MAX_FRAME,
    OpenFlag,
    Packet,
    SftpViolation,
    Status,
    frame,
    string,
    u32,
    u64,
)
from policy.domain.windows import Channel
from tests.support import sftp_packets as packets

BOTH = frozenset({Channel.SFTP_UP, Channel.SFTP_DOWN})
UP = frozenset({Channel.SFTP_UP})
DOWN = frozenset({Channel.SFTP_DOWN})
PUT = OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.TRUNCATE


class Talk:
    """A tap after the versions were exchanged, and what it noted."""

    def __init__(self, channels: frozenset[Channel] = BOTH) -> None:
        """Grant *channels*."""
        self.noted: list[FileOperation] = []
        self.tap = SftpTap(channels, self.noted.append)
        self.tap.from_client(packets.INIT)
        self.tap.from_device(packets.VERSION)

    def opened(self, flags: int, name: bytes = b"h", path: bytes = b"/f", number: int = 1) -> None:
        """Open a file that the device knows as *name*."""
        self.passes(packets.open_file(number, path, flags))
        self.tap.from_device(packets.handle(number, name))

    def passes(self, packet: bytes) -> None:
        """Send *packet*, which must reach the device as it is."""
        assert self.tap.from_client(packet) == (packet, b"")

    def answered(self, packet: bytes) -> int:
        """Send *packet*, which must not reach the device; give the status it is answered with."""
        onward, back = self.tap.from_client(packet)
        assert onward == b""
        assert back[4] == Packet.STATUS
        assert back[5:9] == packet[5:9]
        return int(struct.unpack_from(">I", back, 9)[0])

    def phases(self) -> list[tuple[str, Phase, str | None]]:
        """Give what was noted, in short."""
        return [(each.op, each.phase, each.result) for each in self.noted]


def test_a_file_that_is_sent_is_noted_before_and_after() -> None:
    """Opening for writing is noted before it passes; closing gives size and digest of what passed."""
    talk = Talk()
    talk.passes(packets.open_file(1, b"/f", PUT))
    assert talk.phases() == [("open", Phase.ASKED, None)]
    talk.tap.from_device(packets.handle(1, b"h"))
    talk.passes(packets.write(2, b"h", 0, b"hello "))
    talk.passes(packets.write(3, b"h", 6, b"world"))
    talk.passes(packets.close(4, b"h"))
    for number in (2, 3, 4):
        talk.tap.from_device(packets.status(number))
    assert talk.noted[-1].op == "upload"
    assert talk.noted[-1].sha256 == hashlib.sha256(b"hello world").hexdigest()
    assert (talk.noted[-1].size, talk.noted[-1].result, talk.noted[-1].flags) == (11, "ok", ())


def test_bytes_may_be_cut_anywhere() -> None:
    """One byte at a time gives the same stream and the same record as all at once."""
    stream = packets.open_file(1, b"/f", PUT) + CHANGES["mkdir"] + CHANGES["remove"].replace(u32(7), u32(8))
    whole, cut = Talk(), Talk()
    whole.tap.from_client(stream)
    out = b"".join(cut.tap.from_client(stream[at : at + 1])[0] for at in range(len(stream)))
    assert out == stream
    assert cut.noted == whole.noted


def test_nothing_of_a_frame_passes_before_it_is_whole() -> None:
    """A write that is cut short reaches the device not at all."""
    talk = Talk()
    talk.opened(PUT)
    packet = packets.write(2, b"h", 0, b"x" * 30_000)
    assert talk.tap.from_client(packet[:-1]) == (b"", b"")
    assert talk.tap.from_client(packet[-1:]) == (packet, b"")


def test_early_pieces_are_put_in_order() -> None:
    """Pieces that cross each other give the digest of the file; the size is what passed."""
    talk = Talk()
    talk.opened(OpenFlag.READ)
    for number, offset in ((2, 0), (3, 4), (4, 8)):
        talk.passes(packets.read(number, b"h", offset, 4))
    for number, content in ((4, b"ijkl"), (2, b"abcd"), (3, b"efgh")):
        talk.tap.from_device(packets.data(number, content))
    talk.passes(packets.close(5, b"h"))
    talk.tap.from_device(packets.status(5))
    assert talk.noted[-1].sha256 == hashlib.sha256(b"abcdefghijkl").hexdigest()


@pytest.mark.parametrize(
    "offsets", [(0, 0), (0, 8), (0, 2), (4, 4)], ids=["twice", "hole", "overlap", "resumed"]
)
def test_random_access_has_no_digest(offsets: tuple[int, int]) -> None:
    """What passed twice, or left a hole, is counted and flagged, and no digest is claimed."""
    talk = Talk()
    talk.opened(PUT)
    for number, offset in enumerate(offsets, 2):
        talk.passes(packets.write(number, b"h", offset, b"abcd"))
    talk.passes(packets.close(9, b"h"))
    talk.tap.from_device(packets.status(9))
    record = talk.noted[-1]
    assert (record.sha256, record.size, record.flags) == (None, 8, ("non-sequential",))


def test_a_file_that_is_not_emptied_first_is_flagged() -> None:
    """Writing over a file without truncating it may leave older content; setting its size settles it."""
    talk = Talk()
    talk.opened(OpenFlag.WRITE | OpenFlag.CREATE)
    talk.passes(packets.write(2, b"h", 0, b"abc"))
    talk.passes(packets.close(3, b"h"))
    talk.tap.from_device(packets.status(3))
    first = talk.noted[-1]
    talk.opened(OpenFlag.WRITE | OpenFlag.CREATE, number=11)
    talk.passes(packets.write(12, b"h", 0, b"abc"))
    talk.passes(packets.request(Packet.FSETSTAT, 13, string(b"h"), u32(1), u64(3)))
    talk.passes(packets.close(14, b"h"))
    talk.tap.from_device(packets.status(14))
    assert [first.flags, talk.noted[-1].flags] == [("in-place",), ()]


def test_a_failed_write_is_the_file_s_result() -> None:
    """A device that refuses a piece (a full disk) makes the whole record a failure."""
    talk = Talk()
    talk.opened(PUT)
    talk.passes(packets.write(2, b"h", 0, b"abc"))
    talk.tap.from_device(packets.status(2, Status.FAILURE))
    talk.passes(packets.close(3, b"h"))
    talk.tap.from_device(packets.status(3))
    assert talk.noted[-1].result == "failure"


CHANGES = {
    "remove": packets.request(Packet.REMOVE, 7, string(b"/f")),
    "mkdir": packets.request(Packet.MKDIR, 7, string(b"/f"), u32(0)),
    "rmdir": packets.request(Packet.RMDIR, 7, string(b"/f")),
    "rename": packets.request(Packet.RENAME, 7, string(b"/f"), string(b"/g")),
    "setstat": packets.request(Packet.SETSTAT, 7, string(b"/f"), u32(1), u64(0)),
    "symlink": packets.request(Packet.SYMLINK, 7, string(b"/f"), string(b"/g")),
    "posix-rename": packets.extended(7, b"posix-rename@openssh.com", string(b"/f"), string(b"/g")),
    "hardlink": packets.extended(7, b"hardlink@openssh.com", string(b"/f"), string(b"/g")),
    "lsetstat": packets.extended(7, b"lsetstat@openssh.com", string(b"/f"), u32(0)),
    "open-write": packets.open_file(7, b"/f", OpenFlag.WRITE),
    "open-append": packets.open_file(7, b"/f", OpenFlag.APPEND),
    "open-create": packets.open_file(7, b"/f", OpenFlag.READ | OpenFlag.CREATE),
    "open-truncate": packets.open_file(7, b"/f", OpenFlag.READ | OpenFlag.TRUNCATE),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_needs_the_right_to_send(name: str) -> None:
    """Under a grant to fetch, whatever changes the device is refused, noted, and never reaches it."""
    talk = Talk(DOWN)
    assert talk.answered(CHANGES[name]) == Status.PERMISSION_DENIED
    assert [each.phase for each in talk.noted] == [Phase.REFUSED]
    allowed = Talk(BOTH)
    allowed.passes(CHANGES[name])
    assert [each.phase for each in allowed.noted] == [Phase.ASKED]
    allowed.tap.from_device(packets.status(7, Status.NO_SUCH_FILE))
    assert allowed.noted[-1].result == "no-such-file"


def test_a_descriptor_change_needs_the_right_to_send() -> None:
    """Attributes and contents of a file opened for reading cannot be changed through its handle."""
    talk = Talk(DOWN)
    talk.opened(OpenFlag.READ)
    assert talk.answered(packets.request(Packet.FSETSTAT, 2, string(b"h"), u32(1), u64(0))) == 3
    assert talk.answered(packets.write(3, b"h", 0, b"x")) == Status.PERMISSION_DENIED
    assert talk.answered(packets.write(4, b"h", 0, b"x")) == Status.PERMISSION_DENIED
    copy = packets.extended(5, b"copy-data", string(b"h"), u64(0), u64(0), string(b"h"), u64(0))
    assert talk.answered(copy) == Status.PERMISSION_DENIED
    assert [(each.op, each.result) for each in talk.noted if each.phase is Phase.REFUSED] == [
        ("setstat", "refused"),
        ("write", "refused"),
        ("copy-data", "refused"),
    ]


@pytest.mark.parametrize("flags", [0, OpenFlag.READ, OpenFlag.CREATE, OpenFlag.READ | OpenFlag.WRITE])
def test_reading_needs_the_right_to_fetch(flags: int) -> None:
    """Under a grant to send, no way of opening gives a handle that reads; none is read either."""
    talk = Talk(UP)
    assert talk.answered(packets.open_file(2, b"/f", flags)) == Status.PERMISSION_DENIED
    talk.opened(PUT)
    assert talk.answered(packets.read(3, b"h", 0, 10)) == Status.PERMISSION_DENIED


def test_looking_needs_either_right() -> None:
    """Listing, stat and readlink pass under one direction alone."""
    for channels in (UP, DOWN):
        talk = Talk(channels)
        for number, kind in enumerate(
            (Packet.STAT, Packet.LSTAT, Packet.OPENDIR, Packet.READLINK, Packet.REALPATH)
        ):
            talk.passes(packets.request(kind, number, string(b"/f")))


def test_what_is_not_known_is_not_passed() -> None:
    """Unknown types, extensions and open flags are answered as unsupported."""
    talk = Talk()
    for packet in (
        packets.request(21, 1, string(b"/f")),
        packets.request(Packet.STATUS, 1, u32(0)),
        packets.request(Packet.DATA, 1, string(b"x")),
        packets.request(255, 1),
        packets.extended(1, b"check-file", string(b"/f")),
        packets.extended(1, b"", b""),
        packets.open_file(1, b"/f", 0x40),
    ):
        assert talk.answered(packet) == Status.OP_UNSUPPORTED
    assert not talk.noted


@pytest.mark.parametrize("path", [b"/f\0/etc/passwd", b"x" * 5000])
def test_a_name_that_reads_two_ways_is_not_passed(path: bytes) -> None:
    """A NUL inside a name, or a name no system takes, is refused here."""
    talk = Talk()
    assert talk.answered(packets.open_file(1, path, PUT)) == Status.BAD_MESSAGE
    rename = packets.request(Packet.RENAME, 1, string(b"/f"), string(path))
    assert talk.answered(rename) == Status.BAD_MESSAGE


def test_a_handle_nobody_gave_is_not_passed() -> None:
    """Handles that are invented, or closed already, are answered here."""
    talk = Talk()
    assert talk.answered(packets.read(1, b"h", 0, 1)) == Status.FAILURE
    talk.opened(PUT)
    talk.passes(packets.close(2, b"h"))
    assert talk.answered(packets.write(3, b"h", 0, b"x")) == Status.FAILURE


@pytest.mark.parametrize(
    "stream",
    [
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        u32(MAX_FRAME + 1),
        packets.INIT,
        u32(3) + b"\x03ab",
        u32(1) + b"\x03",
        packets.request(Packet.OPEN, 1, u32(0xFFFFFFFF)),
        packets.request(Packet.WRITE, 1, string(b"h"), u64(0), u32(100) + b"short"),
        packets.request(Packet.WRITE, 1, string(b"h"), u64(0), string(b"a") + b"more"),
        packets.request(Packet.STAT, 1, string(b"/f")) + packets.request(Packet.STAT, 1, string(b"/f")),
    ],
    ids=["zero", "huge", "over", "init", "stub", "no-id", "string", "short", "surplus", "same-id"],
)
def test_a_client_that_breaks_the_protocol_ends_the_channel(stream: bytes) -> None:
    """Malformed frames are violations; after one, nothing passes any more in either direction."""
    talk = Talk()
    with pytest.raises(SftpViolation):
        talk.tap.from_client(stream)
    with pytest.raises(SftpViolation):
        talk.tap.from_client(packets.request(Packet.STAT, 9, string(b"/f")))
    with pytest.raises(SftpViolation):
        talk.tap.from_device(packets.status(1))


@pytest.mark.parametrize(
    "stream",
    [
        packets.VERSION,
        packets.status(99),
        packets.data(99, b"x"),
        packets.data(1, b"x" * 11),
        packets.data(1, b"x") + packets.data(1, b"x"),
        packets.handle(1, b"h"),
        packets.request(Packet.NAME, 1, u32(0)),
        packets.request(Packet.DATA, 1, u32(0xFFFFFFFF)),
        packets.handle(2, b"h"),
        packets.handle(2, b""),
        packets.handle(2, b"x" * 257),
        b"Welcome to scan01!\r\n",
        u32(5) + b"\x65\0\0\0\1",
    ],
)
def test_a_device_that_lies_ends_the_channel(stream: bytes) -> None:
    """Answers nobody asked for, of another kind, too long, or with a handle in use are violations."""
    talk = Talk()
    talk.opened(OpenFlag.READ, number=0)
    talk.passes(packets.read(1, b"h", 0, 10))
    talk.passes(packets.open_file(2, b"/g", OpenFlag.READ))
    with pytest.raises(SftpViolation):
        talk.tap.from_device(stream)


@pytest.mark.parametrize("version", [0, 2, 4, 6, 0xFFFFFFFF])
def test_only_version_three_is_spoken(version: int) -> None:
    """A client's higher offer becomes 3; a device that answers anything else ends the channel."""
    tap = SftpTap(BOTH, lambda _: None)
    if version > 3:
        onward, _ = tap.from_client(frame(Packet.INIT, u32(version) + string(b"x") + string(b"y")))
        assert onward == packets.INIT
    else:
        tap.from_client(packets.INIT)
    with pytest.raises(SftpViolation):
        tap.from_device(frame(Packet.VERSION, u32(version)))


def test_only_known_extensions_are_announced() -> None:
    """A device's list of extensions is cut to those understood here; its limits are held to ours."""
    tap = SftpTap(BOTH, lambda _: None)
    tap.from_client(packets.INIT)
    known = string(b"limits@openssh.com") + string(b"1")
    back = tap.from_device(frame(Packet.VERSION, u32(3) + string(b"check-file") + string(b"1") + known))
    assert back == frame(Packet.VERSION, u32(3) + known)
    tap.from_client(packets.extended(1, b"limits@openssh.com"))
    reply = tap.from_device(
        packets.request(Packet.EXTENDED_REPLY, 1, u64(1 << 40), u64(0), u64(4096), u64(0))
    )
    assert struct.unpack(">4Q", reply[9:]) == (MAX_FRAME, MAX_FRAME - 1024, 4096, MAX_OPEN_FILES)


def test_requests_that_wait_are_bounded() -> None:
    """A client that never reads cannot pile up requests with names."""
    talk = Talk()
    for number in range(MAX_REQUESTS):
        talk.passes(packets.request(Packet.STAT, number, string(b"/f")))
    with pytest.raises(SftpViolation):
        talk.tap.from_client(packets.request(Packet.STAT, MAX_REQUESTS, string(b"/f")))


def test_open_files_are_bounded_and_told() -> None:
    """Beyond the limit an open fails, as on any system; the channel goes on."""
    talk = Talk()
    for number in range(MAX_OPEN_FILES):
        talk.opened(OpenFlag.READ, name=str(number).encode(), number=number)
    assert talk.answered(packets.open_file(5000, b"/f", OpenFlag.READ)) == Status.FAILURE


def test_the_reorder_buffer_is_bounded_over_all_files() -> None:
    """Pieces that never join up give up their digest and their memory."""
    talk = Talk()
    for file in range(3):
        name = str(file).encode()
        talk.opened(PUT, name=name, number=file)
        for piece in range(1, 60):
            number = 100 + file * 100 + piece
            talk.passes(packets.write(number, name, piece * 100_000, b"x" * 100_000))
            talk.tap.from_device(packets.status(number))
    held = sum(sum(map(len, file._up._early.values())) for file in talk.tap._files.values())
    assert held <= 8 << 20


def test_what_is_open_at_the_end_is_noted_as_unfinished() -> None:
    """A channel that ends in the middle of a file, or before an answer, leaves a record that says so."""
    talk = Talk()
    talk.opened(PUT)
    talk.passes(packets.write(2, b"h", 0, b"half"))
    talk.passes(packets.request(Packet.REMOVE, 3, string(b"/g")))
    talk.tap.end()
    assert [(each.op, each.size, each.result) for each in talk.noted[-2:]] == [
        ("remove", None, "unfinished"),
        ("upload", 4, "unfinished"),
    ]


def test_names_from_the_wire_become_sound_json() -> None:
    """Bytes that are no UTF-8, quotes and control characters stay inside one JSON string."""
    talk = Talk()
    talk.passes(packets.open_file(1, b'\xff\x1b[2J"\n', PUT))
    payload = talk.noted[0].payload()
    assert b"\n" not in payload
    assert b"\x1b" not in payload
    assert b"\\\\xff" in payload
