"""An entry of the journal as JSON or CEF: escaped, bounded, and the same bytes each time it is sent."""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from recorder.audit.entries import JournalEntry

_TEXTS: Final = (4096, 1024, 256, 64)
"""Characters that each text may have, in one try after the other, until the whole fits."""
_MOST: Final = 64
_DEPTH: Final = 5
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CEF_VENDOR: Final = "CEF:0|Ecluse|Ecluse"


@dataclass(frozen=True, slots=True)
class Names:
    """Logins of people and names of devices, by identifier: what a collector's readers know them by."""

    people: Mapping[str, str] = field(default_factory=dict)
    devices: Mapping[str, str] = field(default_factory=dict)


def fitting(render: Callable[[int | None], bytes], room: int) -> bytes:
    """Return what *render* gives for the largest bound on texts that fits *room* bytes; None drops the details."""
    for longest in _TEXTS:
        found = render(longest)
        if len(found) <= room:
            return found
    return render(None)


def as_json(entry: JournalEntry, names: Names, longest: int | None) -> bytes:
    """Return the entry as one line of ASCII JSON, texts cut to *longest*; None: without details, and saying so."""
    event = entry.event
    short = _bound(longest)
    document = {
        "event_id": event.event_id,
        "name": event.name,
        "at": event.at.isoformat(),
        "hospital_id": event.hospital_id,
        "writer": short(entry.writer),
        "seq": entry.seq,
        "digest": entry.digest,
        "actor": short(names.people.get(event.actor or "", event.actor)),
        "person": short(names.people.get(event.person_id or "", event.person_id)),
        "device": short(names.devices.get(event.device_id or "", event.device_id)),
        "session_id": short(event.session_id),
        "source": short(event.source),
        **({"truncated": True} if longest is None else {"details": bounded(event.details, longest)}),
    }
    return json.dumps(document, ensure_ascii=True, separators=(",", ":"), sort_keys=False).encode("ascii")


def as_cef(entry: JournalEntry, names: Names, longest: int | None, version: str, severity: int) -> bytes:
    """Return the entry in Common Event Format, one line; *severity* is 0 to 10."""
    event = entry.event
    short = _bound(longest)
    details = {"truncated": True} if longest is None else bounded(event.details, longest)
    fields = {
        "rt": str(int(event.at.timestamp() * 1000)),
        "externalId": event.event_id,
        "suser": short(names.people.get(event.person_id or "", event.person_id)),
        "suid": short(event.person_id),
        "src": _address(event.source),
        "dhost": short(names.devices.get(event.device_id or "", event.device_id)),
        "act": short(names.people.get(event.actor or "", event.actor)),
        "cs1Label": "session" if event.session_id else "",
        "cs1": short(event.session_id),
        "cs2Label": "hospital",
        "cs2": event.hospital_id,
        "cs3Label": "entry",
        "cs3": f"{short(entry.writer)} #{entry.seq}",
        "cs4Label": "digest",
        "cs4": entry.digest,
        "msg": json.dumps(details, ensure_ascii=True, separators=(",", ":")),
    }
    header = "|".join((_CEF_VENDOR, *map(_cef_header, (version, event.name, event.name)), str(severity)))
    extension = " ".join(f"{key}={_cef_value(value)}" for key, value in fields.items() if value)
    return f"{header}|{extension}".encode()


def bounded(value: object, longest: int, depth: int = _DEPTH) -> Any:
    """Return *value* with texts cut to *longest* characters, and with at most 64 members on at most five levels."""
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping() if depth:
            members = list(value.items())
            kept = {str(key)[:64]: bounded(one, longest, depth - 1) for key, one in members[:_MOST]}
            return kept if len(members) <= _MOST else {**kept, "…": len(members) - _MOST}
        case list() | tuple() if depth:
            kept_ones = [bounded(one, longest, depth - 1) for one in value[:_MOST]]
            return kept_ones if len(value) <= _MOST else [*kept_ones, f"… {len(value) - _MOST}"]
        case Mapping() | list() | tuple():
            return "…"
        case _:
            text = str(value)
            return text if len(text) <= longest else f"{text[:longest]}…"


def _bound(longest: int | None) -> Callable[[str | None], str | None]:
    """Return what cuts a name: closely where there is no room for details."""
    most = 16 if longest is None else 128

    def short(value: str | None) -> str | None:
        return None if value is None else value[:most]

    return short


def _address(source: str | None) -> str:
    """Return an address that a collector can take for one; what is none stays in the details."""
    try:
        return str(ipaddress.ip_address(source or ""))
    except ValueError:
        return ""


def _cef_header(text: str) -> str:
    return _CONTROL.sub(" ", text[:256]).replace("\\", "\\\\").replace("|", "\\|")


def _cef_value(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("=", "\\=").replace("\r", "").replace("\n", "\\n")
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", escaped)
