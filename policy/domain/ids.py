"""Identifiers and names: opaque ids for rows, short names for what people type."""

import re
import uuid
from typing import NewType

HospitalId = NewType("HospitalId", str)
SupplierId = NewType("SupplierId", str)
SiteId = NewType("SiteId", str)
PersonId = NewType("PersonId", str)
ZoneId = NewType("ZoneId", str)
DeviceId = NewType("DeviceId", str)
AccountId = NewType("AccountId", str)
InterventionId = NewType("InterventionId", str)
WindowId = NewType("WindowId", str)
OccurrenceId = NewType("OccurrenceId", str)
SessionId = NewType("SessionId", str)
EventId = NewType("EventId", str)
TaskId = NewType("TaskId", str)
AuthorityId = NewType("AuthorityId", str)
DerogationId = NewType("DerogationId", str)

_IDENTIFIER = re.compile(r"[0-9a-f]{32}")
NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""What a login, a device or an account may be called: ASCII, lower case, no separator of the login name."""


def new_id() -> str:
    """Return a fresh random identifier (UUID version 4, 32 hexadecimal digits)."""
    return uuid.uuid4().hex


def is_identifier(text: str) -> bool:
    """Tell whether *text* has the form of what ``new_id`` returns."""
    return _IDENTIFIER.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Tell whether *text* may name a person, a device or an account."""
    return NAME_PATTERN.fullmatch(text) is not None
