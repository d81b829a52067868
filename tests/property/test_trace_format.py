"""The trace format over generated frames."""

import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.errors import TraceFormatError
from recorder.trace import chain, frames, records
from recorder.trace.frames import Frame, FrameType
from tests.support.traces import header

any_frame = st.builds(
    Frame,
    type=st.sampled_from(FrameType),
    channel=st.integers(0, 2**32 - 1),
    at_ns=st.integers(0, 2**64 - 1),
    payload=st.binary(max_size=400),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(any_frame, max_size=20))
def test_frames_come_back_as_they_were(given_frames: list[Frame]) -> None:
    """What is encoded is decoded, frame by frame."""
    assert list(frames.decode(frames.encode(given_frames))) == given_frames


@given(st.binary(max_size=300))
def test_decoding_never_fails_otherwise(data: bytes) -> None:
    """Any bytes are either frames or refused as no frames."""
    try:
        found = list(frames.decode(data))
    except TraceFormatError:
        return
    assert frames.encode(found) == data


@given(st.lists(any_frame, min_size=1, max_size=20))
def test_compression_is_taken_back_whole(given_frames: list[Frame]) -> None:
    """A record's content is the frames' bytes, whether or not compressing paid."""
    plain = frames.encode(given_frames)
    flags, content = records.compress(zstandard.ZstdCompressor(level=1), plain)
    assert len(content) <= len(plain)
    assert records.expand(zstandard.ZstdDecompressor(), flags, content) == plain


@given(st.binary(max_size=300), st.integers(0, 255))
def test_expanding_hostile_content_is_bounded(content: bytes, flags: int) -> None:
    """No content expands to more than a record may hold, and nothing but TraceFormatError comes out."""
    try:
        plain = records.expand(zstandard.ZstdDecompressor(), flags, content)
    except TraceFormatError:
        return
    assert len(plain) <= records.MAX_PLAIN


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), json_values, max_size=6))
@settings(max_examples=50)
def test_a_header_comes_back_as_it_was(decision: dict[str, object]) -> None:
    """A header survives its stored form, whatever the decision says."""
    try:
        made = header("f" * 32, decision=decision)
        text = made.to_json()
    except TraceFormatError:  # a lone surrogate has no UTF-8 form: refused, not mangled
        return
    assert type(made).from_json(text) == made


@given(st.binary(max_size=64), st.binary(max_size=64), st.binary(max_size=64), st.binary(max_size=64))
def test_links_differ_with_what_they_link(head: bytes, body: bytes, other: bytes, previous: bytes) -> None:
    """A link changes with the link before it and with the body."""
    link = chain.link(chain.seed(previous), head, body)
    assert chain.same(link, chain.link(chain.seed(previous), head, other)) == (body == other)
    assert chain.same(link, chain.link(chain.seed(other), head, body)) == (previous == other)
