"""Messages of RFC 5424 and their payloads: well-formed, bounded, and the same each time, whatever an entry holds."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admin_api.syslog.message import MessageMaker
from admin_api.syslog.payload import Names
from admin_api.syslog.settings import SyslogPayload, SyslogSettings
from recorder.audit.entries import GENESIS, JournalEntry
from recorder.audit.events import SecurityEvent
from recorder.audit.feed import Fed, Position

HOSPITAL = "a" * 32
AT = datetime(2026, 11, 23, 19, 0, 0, 123456, tzinfo=UTC)
HEADER = re.compile(
    rb'<(\d{1,3})>1 (\S+) (\S{1,255}) ecluse - (\S{1,32}) \[ecluse@32473(( [a-z_]+="([^"\\\]]|\\["\\\]])*")+)\] (.+)',
    re.DOTALL,
)
LEAST = 4096


def fed(name: str = "access.denied", details: dict[str, Any] | None = None, **more: Any) -> Fed:
    """An entry, as the feed gives it."""
    event = SecurityEvent(
        name=name, hospital_id=HOSPITAL, at=AT, details=details or {}, event_id="e" * 32, **more
    )
    entry = JournalEntry("gw-1/2026-11-23T19:00:00Z/abcd", 7, GENESIS, event)
    return Fed(entry.writer, Position(7, entry.digest), entry)


def made(one: Fed, payload: SyslogPayload = SyslogPayload.JSON, longest: int = LEAST) -> bytes:
    """The message of *one*."""
    told = SyslogSettings(host="h", port=1, name="h", payload=payload, longest=longest)
    names = Names({"p" * 32: "alice"}, {"d" * 32: "scan01"})
    return MessageMaker(told).of(one, HOSPITAL, AT.isoformat(), names)


def test_a_message_says_who_what_and_when_in_the_header_and_in_json() -> None:
    """Priority, instant, writer and event are the header's; the identifier is structured data; JSON has the rest."""
    message = made(fed(person_id="p" * 32, device_id="d" * 32, source="192.0.2.1", details={"rule": "O3"}))
    found = HEADER.fullmatch(message)
    assert found is not None
    assert found[1] == str(13 * 8 + 4).encode()
    assert found[2] == b"2026-11-23T19:00:00.123456Z"
    assert (found[3], found[4]) == (b"gw-1", b"access.denied")
    assert b'event_id="' + b"e" * 32 + b'"' in found[5]
    told = json.loads(found[8])
    assert (told["person"], told["device"], told["details"]) == ("alice", "scan01", {"rule": "O3"})
    assert message == made(
        fed(person_id="p" * 32, device_id="d" * 32, source="192.0.2.1", details={"rule": "O3"})
    )


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("alarm.recording_failed", 2),
        ("alarm.opened", 5),
        ("device.host_key_changed", 2),
        ("authentication.failed", 4),
        ("device.failed", 4),
        ("session.opened", 5),
        ("authentication.succeeded", 6),
    ],
)
def test_the_priority_follows_the_event(name: str, severity: int) -> None:
    """Alarms are critical, refusals warnings, the rest notices and information."""
    assert made(fed(name)).startswith(f"<{13 * 8 + severity}>1 ".encode())


@pytest.mark.parametrize("fault", ["missing", "shortened", "content"])
def test_what_is_wrong_with_the_journal_is_told_too(fault: str) -> None:
    """An entry that cannot be read, and entries that are gone, are messages of their own, the same at each try."""
    message = made(Fed("gw-1/x", Position(3, "0" * 64), None, fault))
    found = HEADER.fullmatch(message)
    assert found is not None
    assert f'fault="{fault}"'.encode() in found[5]
    assert json.loads(found[8])["fault"] == fault
    assert message == made(Fed("gw-1/x", Position(3, "0" * 64), None, fault))


TEXT = st.text(max_size=50) | st.sampled_from(
    ["\r\n<13>1 x", "a|b=c\\d", ']"\\', "\x1b]0;x\x07", "é" * 40, "x" * 5000]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize("payload", list(SyslogPayload))
@settings(max_examples=60)
@given(details=st.dictionaries(TEXT, VALUES, max_size=6), source=TEXT, actor=TEXT, writer=TEXT)
def test_no_entry_makes_a_message_that_is_long_or_of_two_lines(
    payload: SyslogPayload, details: dict[str, Any], source: str, actor: str, writer: str
) -> None:
    """Whatever strangers put into an entry: one line, within the bound, a header that parses, JSON that loads."""
    event = SecurityEvent(
        name="access.denied", hospital_id=HOSPITAL, at=AT, details=details, source=source, actor=actor
    )
    entry = JournalEntry(writer[:200], 1, GENESIS, event)
    message = made(Fed(entry.writer, Position(1, entry.digest), entry), payload)
    assert len(message) <= LEAST
    text = message.decode("utf-8")
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", text)
    found = HEADER.fullmatch(message)
    assert found is not None
    if payload is SyslogPayload.JSON:
        assert json.loads(found[8])["event_id"] == event.event_id
    else:
        head = re.split(r"(?<!\\)\|", found[8].decode(), maxsplit=7)
        assert head[:3] == ["CEF:0", "Ecluse", "Ecluse"]
        assert re.fullmatch(r"([A-Za-z0-9]+=((?:[^=\\]|\\.)*)( |$))+", head[7])
