"""The legacy scp protocol, read in passing."""

import hashlib
from typing import Literal

import pytest

from gateway.session.transfer.operation import FileOperation, Phase
from gateway.session.transfer.scp import ScpTap


class Talk:
    """A tap between a source, which has the files, and a sink."""

    def __init__(self, kind: Literal["scp-up", "scp-down"] = "scp-up") -> None:
        """Watch a command of *kind*."""
        self.noted: list[FileOperation] = []
        self.tap = ScpTap(kind, self.noted.append, "/base")
        self._up = kind == "scp-up"

    def source(self, data: bytes) -> None:
        """Let the source say *data*, which passes unchanged."""
        passed = self.tap.from_client(data)[0] if self._up else self.tap.from_device(data)
        assert passed == data

    def sink(self, data: bytes = b"\0") -> None:
        """Let the sink answer."""
        passed = self.tap.from_device(data) if self._up else self.tap.from_client(data)[0]
        assert passed == data

    def done(self) -> list[tuple[str, str, str | None]]:
        """Give what was finished, in short."""
        return [(each.op, each.path, each.result) for each in self.noted if each.phase is Phase.DONE]


@pytest.mark.parametrize("kind", ["scp-up", "scp-down"])
def test_a_file_is_noted_before_its_content_and_after_its_end(kind: Literal["scp-up", "scp-down"]) -> None:
    """The name is noted when announced; size, digest and result when the sink has answered."""
    talk = Talk(kind)
    talk.sink()
    talk.source(b"T1 0 2 0\n")
    talk.sink()
    talk.source(b"C0644 11 a b\n")
    assert [(each.phase, each.size, each.sha256) for each in talk.noted] == [(Phase.ASKED, 11, None)]
    talk.sink()
    talk.source(b"hello ")
    talk.source(b"world\0")
    talk.sink()
    record = talk.noted[-1]
    assert record.sha256 == hashlib.sha256(b"hello world").hexdigest()
    assert (record.path, record.target, record.size, record.result) == ("a b", "/base", 11, "ok")


def test_folders_give_the_path() -> None:
    """Files carry the folders they stand in, and leave them at their end."""
    talk = Talk()
    talk.sink()
    for line in (b"D0755 0 one\n", b"D0755 0 two\n"):
        talk.source(line)
        talk.sink()
    talk.source(b"C0644 0 empty\n")
    talk.sink()
    talk.source(b"\0")
    talk.sink()
    for line in (b"E\n", b"E\n"):
        talk.source(line)
        talk.sink()
    talk.tap.end()
    assert talk.done() == [
        ("mkdir", "one", "ok"),
        ("mkdir", "one/two", "ok"),
        ("upload", "one/two/empty", "ok"),
    ]


def test_a_file_that_the_sink_refuses_has_no_content() -> None:
    """An error in answer to a name means that its content does not follow."""
    talk = Talk()
    talk.sink()
    talk.source(b"C0644 5 no\n")
    talk.sink(b"\1scp: no: Permission")
    talk.sink(b" denied\n")
    talk.source(b"C0644 1 yes\n")
    talk.sink()
    talk.source(b"x\0")
    talk.sink()
    assert talk.done() == [("upload", "no", "failure"), ("upload", "yes", "ok")]
    assert talk.tap.parsed


def test_a_source_that_stumbles_is_a_failure() -> None:
    """A source that could not read all of a file says so in place of its last byte."""
    talk = Talk()
    talk.sink()
    talk.source(b"C0644 3 f\n")
    talk.sink()
    talk.source(b"abc\1scp: f: Input/output error\n")
    talk.sink()
    assert talk.done() == [("upload", "f", "failure")]


@pytest.mark.parametrize(
    "stream",
    [
        b"rm -rf /\n",
        b"C0644 -1 f\n",
        b"C0644 99999999999999999999 f\n",
        b"C0644 x f\n",
        b"C0644 3\n",
        b"C9999 3 f\n",
        b"E\n",
        b"D0755 0 d\nD0755 0 e\n",
        b"C0644 3 f\nabc\0",
        b"x" * 10_000,
        b"\n",
        b"\0",
    ],
)
def test_anything_else_is_flagged_once_and_still_passes(stream: bytes) -> None:
    """What is not the protocol passes unchanged (the direction holds by the command), and is flagged."""
    talk = Talk()
    talk.sink()
    talk.source(stream)
    talk.source(b"more")
    talk.sink(b"\0anything")
    talk.tap.end()
    assert not talk.tap.parsed
    assert [each.flags for each in talk.noted if each.flags] == [("unparsed",)]


def test_a_sink_out_of_turn_is_flagged() -> None:
    """An answer to nothing is not the protocol."""
    talk = Talk()
    talk.sink()
    talk.sink()
    assert not talk.tap.parsed


def test_a_device_that_announces_a_huge_file_costs_no_memory() -> None:
    """Content is hashed in passing; what was announced is not believed."""
    talk = Talk("scp-down")
    talk.sink()
    talk.source(b"C0644 9223372036854775807 f\n")
    talk.sink()
    talk.source(b"x" * 1_000_000)
    talk.tap.end()
    assert (talk.noted[-1].size, talk.noted[-1].result) == (1_000_000, "unfinished")


def test_folders_are_bounded() -> None:
    """A tree without end is flagged, not followed."""
    talk = Talk("scp-down")
    talk.sink()
    for _ in range(300):
        talk.source(b"D0755 0 d\n")
        talk.sink()
    assert not talk.tap.parsed
