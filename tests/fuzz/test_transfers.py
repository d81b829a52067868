"""The taps under hostile bytes from both sides: a violation at worst, never a crash, never unbounded."""

import hashlib
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.session.evidence import EchoWatch
from gateway.session.transfer.operation import FileOperation
from gateway.session.transfer.scp import ScpTap
from gateway.session.transfer.sftp import SftpTap
from gateway.session.transfer.sftp_wire import MAX_FRAME, OpenFlag, SftpViolation, frame
from policy.domain.windows import Channel
from tests.support import sftp_packets as packets

BOTH = frozenset({Channel.SFTP_UP, Channel.SFTP_DOWN})
DOWN = frozenset({Channel.SFTP_DOWN})
CHANGES = {"remove", "mkdir", "rmdir", "rename", "setstat", "symlink", "hardlink", "copy-data", "upload"}

_bodies = st.binary(max_size=60)
_frames = st.one_of(
    st.builds(frame, st.integers(0, 255), _bodies),
    st.builds(packets.open_file, st.integers(0, 5), st.binary(max_size=8), st.integers(0, 80)),
    st.builds(packets.close, st.integers(0, 5), st.sampled_from([b"h", b"g"])),
    st.builds(
        packets.read, st.integers(0, 5), st.sampled_from([b"h", b"g"]), st.integers(0, 9), st.integers(0, 9)
    ),
    st.builds(packets.write, st.integers(0, 5), st.sampled_from([b"h", b"g"]), st.integers(0, 9), _bodies),
    st.builds(packets.handle, st.integers(0, 5), st.sampled_from([b"h", b"g"])),
    st.builds(packets.data, st.integers(0, 5), st.binary(max_size=9)),
    st.builds(packets.status, st.integers(0, 5), st.integers(0, 9)),
    st.binary(max_size=40),
)
_turns = st.lists(st.tuples(st.booleans(), _frames), max_size=40)


@settings(max_examples=400)
@given(turns=_turns, granted=st.sampled_from([BOTH, DOWN]))
def test_sftp_of_any_kind_is_passed_or_ends(
    turns: list[tuple[bool, bytes]], granted: frozenset[Channel]
) -> None:
    """Frames in any order, true or not, from either side end in passing or in a violation."""
    noted: list[FileOperation] = []
    tap = SftpTap(granted, noted.append)
    try:
        tap.from_client(packets.INIT)
        tap.from_device(packets.VERSION)
        for from_client, stream in turns:
            if from_client:
                tap.from_client(stream)
            else:
                tap.from_device(stream)
            assert tap._client.held + tap._device.held <= 2 * (MAX_FRAME + 4)
    except SftpViolation:
        pass
    tap.end()
    for each in noted:
        each.payload()
        if granted == DOWN and each.op in CHANGES:
            assert each.result == "refused"


@settings(max_examples=150)
@given(content=st.binary(min_size=1, max_size=4000), seed=st.integers(0, 1 << 32))
def test_a_download_in_any_order_has_the_digest_of_the_file(content: bytes, seed: int) -> None:
    """Pieces of any size, answered in any order and cut anywhere, give the digest of the whole."""
    chance = random.Random(seed)
    noted: list[FileOperation] = []
    tap = SftpTap(DOWN, noted.append)
    tap.from_client(packets.INIT + packets.open_file(0, b"/f", OpenFlag.READ))
    tap.from_device(packets.VERSION + packets.handle(0, b"h"))
    answers, at, number = [], 0, 1
    while at < len(content):
        size = chance.randint(1, 600)
        tap.from_client(packets.read(number, b"h", at, size))
        answers.append(packets.data(number, content[at : at + size]))
        at, number = at + size, number + 1
    chance.shuffle(answers)
    stream = b"".join(answers)
    passed = b""
    while stream:
        cut = chance.randint(1, 900)
        passed += tap.from_device(stream[:cut])
        stream = stream[cut:]
    assert passed == b"".join(answers)
    tap.from_client(packets.close(number, b"h"))
    tap.from_device(packets.status(number))
    assert noted[-1].sha256 == hashlib.sha256(content).hexdigest()
    assert noted[-1].size == len(content)


_scp = st.lists(
    st.tuples(
        st.booleans(),
        st.one_of(
            st.sampled_from(
                [b"\0", b"\1no\n", b"\2", b"C0644 3 f\n", b"D0755 0 d\n", b"E\n", b"T1 0 1 0\n", b"abc\0"]
            ),
            st.binary(max_size=20),
        ),
    ),
    max_size=40,
)


@settings(max_examples=400)
@given(turns=_scp, up=st.booleans())
def test_scp_of_any_kind_passes_unchanged(turns: list[tuple[bool, bytes]], up: bool) -> None:
    """Whatever either side says passes as it is, and at most one record says that it was not understood."""
    noted: list[FileOperation] = []
    tap = ScpTap("scp-up" if up else "scp-down", noted.append)
    for from_client, stream in turns:
        if from_client:
            assert tap.from_client(stream) == (stream, b"")
        else:
            assert tap.from_device(stream) == stream
    tap.end()
    assert sum("unparsed" in each.flags for each in noted) == (not tap.parsed)
    for each in noted:
        each.payload()


@settings(max_examples=400)
@given(turns=st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=40))
def test_any_terminal_can_be_watched(turns: list[tuple[bool, bytes]]) -> None:
    """Any keys and any output are taken; alarms count upwards from one."""
    alarms: list[int] = []
    watch = EchoWatch(alarms.append)
    for typed, data in turns:
        if typed:
            watch.typed(data)
        else:
            watch.shown(data)
    watch.end()
    assert all(count >= 1 for count in alarms)
    assert watch._line.typed == b""
