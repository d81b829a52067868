"""The header: who reached what, when and by which right (FORMAT.md, section 2)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypedDict, cast

from recorder.errors import TraceFormatError
from recorder.trace import instants
from recorder.trace.frames import canonical, parse_object

FORMAT_VERSION = 1
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What an identifier that becomes part of a path may look like: no separator, no leading dot."""


class PersonFacts(TypedDict):
    """The technician."""

    id: str
    login: str
    full_name: str


class SupplierFacts(TypedDict):
    """The technician's company."""

    id: str
    name: str


class DeviceFacts(TypedDict):
    """What was reached."""

    id: str
    name: str
    address: str
    port: int


class InterventionFacts(TypedDict):
    """What for."""

    id: str
    kind: str
    purpose: str


class WindowFacts(TypedDict):
    """The window that made it possible; ``start`` and ``end`` as `instants.text` writes them."""

    id: str
    start: str
    end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceHeader:
    """What is known of a session before its first byte passes.

    Attributes:
        suite: Number of the suite that seals the records; 0 is clear.
        sealing: Where it is sealed: a digest of its data key, and the identifiers of the readers' keys.
        session_id: Identifier of the session and of its trace.
        hospital_id: Whose trace it is.
        node: Name of the gateway that made it.
        started_at: Wall time of the opening, aware UTC; kept to the microsecond.
        account: Dedicated account used on the device.
        factors: What the person proved, such as ``password`` and ``totp``.
        source: Address the person came from.
        decision: Summary of the grant, any JSON object.
        client_version: What the client says it is, as told; a hostile text.
        format_version: Version of this format.
    """

    session_id: str
    hospital_id: str
    node: str
    started_at: datetime
    person: PersonFacts
    supplier: SupplierFacts
    device: DeviceFacts
    account: str
    intervention: InterventionFacts
    window: WindowFacts
    factors: Sequence[str]
    source: str
    decision: Mapping[str, Any]
    client_version: str | None = None
    suite: int = 0
    sealing: Mapping[str, Any] | None = None
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        check_identifier("session_id", self.session_id)
        check_identifier("hospital_id", self.hospital_id)
        if self.started_at.tzinfo is None:
            raise TraceFormatError("started_at must be an aware UTC instant")

    def named(self) -> dict[str, Any]:
        """Who worked, for whom, where and as whom, as lists and the index tell of it; a name is that of the day."""
        return {
            "person_id": self.person["id"],
            "person_login": self.person["login"],
            "person_name": self.person["full_name"],
            "supplier": self.supplier["name"],
            "device_id": self.device["id"],
            "device_name": self.device["name"],
            "account_name": self.account,
        }

    def to_json(self) -> bytes:
        """The header as stored: canonical JSON.

        Raises:
            TraceFormatError: A field has no JSON form.
        """
        content: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        content["started_at"] = instants.text(self.started_at)
        content["factors"] = list(self.factors)
        content["decision"] = dict(self.decision)
        if self.sealing is None:
            del content["sealing"]
        else:
            content["sealing"] = dict(self.sealing)
        return canonical(content)

    @classmethod
    def from_json(cls, data: bytes) -> TraceHeader:
        """The header that `to_json` wrote.

        Raises:
            TraceFormatError: A field is missing, of another kind, or the version is unknown.
        """
        content = parse_object(data, "trace header")
        if content.get("format_version") != FORMAT_VERSION:
            raise TraceFormatError(f"trace format version {content.get('format_version')!r} is unknown")
        return cls(
            session_id=_text(content, "session_id"),
            hospital_id=_text(content, "hospital_id"),
            node=_text(content, "node"),
            started_at=instants.parse(content.get("started_at")),
            person=cast(PersonFacts, _texts(content, "person", PersonFacts)),
            supplier=cast(SupplierFacts, _texts(content, "supplier", SupplierFacts)),
            device=cast(DeviceFacts, _texts(content, "device", DeviceFacts)),
            account=_text(content, "account"),
            intervention=cast(InterventionFacts, _texts(content, "intervention", InterventionFacts)),
            window=cast(WindowFacts, _texts(content, "window", WindowFacts)),
            factors=_list(content, "factors"),
            source=_text(content, "source"),
            decision=_object(content, "decision"),
            client_version=_text(content, "client_version")
            if content.get("client_version") is not None
            else None,
            suite=_number(content, "suite"),
            sealing=_object(content, "sealing") if content.get("sealing") is not None else None,
        )


def check_identifier(name: str, value: str) -> str:
    """The identifier itself, when it may be part of a path.

    Raises:
        TraceFormatError: It holds a separator, starts with a dot or is too long.
    """
    if not IDENTIFIER.fullmatch(value):
        raise TraceFormatError(
            f"{name} {value[:80]!r} is no identifier: letters, digits, dot, dash, at most 64"
        )
    return value


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str):
        raise TraceFormatError(f"the trace header's {name} is not a text")
    return value


def _number(content: Mapping[str, Any], name: str) -> int:
    value = content.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise TraceFormatError(f"the trace header's {name} is not a whole number")
    return value


def _object(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = content.get(name)
    if not isinstance(value, dict):
        raise TraceFormatError(f"the trace header's {name} is not an object")
    return value


def _list(content: Mapping[str, Any], name: str) -> list[str]:
    value = content.get(name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TraceFormatError(f"the trace header's {name} is not a list of texts")
    return value


def _texts(content: Mapping[str, Any], name: str, kind: type) -> dict[str, Any]:
    value = _object(content, name)
    for key in kind.__annotations__:
        check = _number if key == "port" else _text
        check(value, key)
    return value
