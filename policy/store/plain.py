"""Values as JSON can say them, for the outbox: what changed, before and after."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum


def plain(value: object) -> object:
    """Return *value* as JSON can say it; raises TypeError for what it cannot, such as a secret."""
    match value:
        case Enum():
            return plain(value.value)
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case frozenset() | set():
            return sorted(str(plain(item)) for item in value)
        case tuple() | list():
            return [plain(item) for item in value]
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"an event cannot hold a {type(value).__name__}")


def described(value: object) -> Mapping[str, object]:
    """Return the fields of a frozen value of the domain as JSON can say them."""
    found = plain(value)
    if not isinstance(found, dict):
        raise TypeError(f"a {type(value).__name__} has no fields")
    return found
