"""What one entry of the journal says in one line: who did what, on what, and the gist of it."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from admin_api.selfaudit.words import FINDINGS
from policy.domain.ids import is_identifier
from policy.i18n import rule_label

Json = dict[str, Any]

_SHORT = 8
_MACHINES = ("gateway", "ecluse")
_UNTOLD = frozenset(
    {"hospital_id", "id", "subject", "version", "node", "door", "requested_at", "requested_by"}
    | {
        "archive",
        "audit",
        "content",
        "digest",
        "format",
        "report",
        "sha256",
        "signature",
        "signer",
        *FINDINGS,
    }
)
"""Details that the line says already, or that help nobody who skims; ``--details`` and the JSON have them."""
Word = Callable[[str, object], str | None]
"""Gives the word for a value of the API under a prefix (``fact``, ``ended``); the value itself where there is none."""
Worded = Callable[[str, object], str]
"""Gives a detail's value, a list among them, in the reader's words, by the detail's name."""
_PLAIN = ("reason", "state", "purpose")
"""Details that need no name, and come first: the line may be cut."""
WORDS: Mapping[str, tuple[str, ...]] = {
    "channel": ("channel",),
    "channels": ("channel",),
    "detail": ("said",),
    "factor": ("factor",),
    "factors": ("factor",),
    "fate": ("fate",),
    "form": ("form",),
    "from": ("began",),
    "guard": ("guard",),
    "kind": ("task", "kind", "text"),
    "label": ("label",),
    "level": ("level",),
    "method": ("method",),
    "purpose": ("purpose",),
    "reason": ("ended", "login"),
    "result": ("both",),
    "roles": ("role",),
    "rule": ("said",),
    "severity": ("severity",),
    "state": ("window", "intervention", "alarm", "erasure"),
    "unread": ("unread",),
    "why": ("locked",),
}
"""Under which prefixes a detail's value has its word, by its name; yes and no have theirs under ``answer``, sentences under ``said``,
what a gateway wrote in both languages under ``both``: see `meaning`."""
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)")
"""How a detail that is an instant is written."""
RULE = re.compile(r"([A-Z]+[0-9]+):finding\.\S+")
"""How a detail that names a rule is written."""


def doer(entry: Json) -> str | None:
    """Return who did it: the person whom a gateway let in or refused, else the actor, else the login that was tried."""
    actor, person = entry["actor"], entry["person"]
    if actor is not None and not actor.startswith(_MACHINES):
        return _short(actor)
    tried = entry["details"].get("login")
    return _short(person or tried or actor) or None


def object_of(entry: Json) -> str | None:
    """Return on what: the device, else the person, else the name or the first digits of what was changed."""
    details = entry["details"]
    if entry["device"] is not None:
        return _short(entry["device"])
    if entry["person"] is not None and entry["person"] != doer(entry):
        return _short(entry["person"])
    named = [*_names(details.get("after")), *_names(details.get("before"))]
    if named:
        return named[0]
    return _short(details.get("subject") or entry["session_id"]) or None


def facts(entry: Json) -> Iterator[tuple[str, object]]:
    """Yield the name and the value of each detail that a line may tell, as it is kept; of a change, what became different."""
    details = entry["details"]
    before, after = details.get("before"), details.get("after")
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        details = {key: value for key, value in after.items() if before.get(key) != value}
    untold = _UNTOLD | {"device", "device_id"} if entry["device"] is not None else _UNTOLD
    for key in sorted(details, key=lambda name: _PLAIN.index(name) if name in _PLAIN else len(_PLAIN)):
        if key not in untold:
            yield key, details[key]


def meaning(entry: Json, key: str) -> str:
    """Return by which name the value of the detail *key* of *entry* is told.

    It is *key* itself, but ``result`` where a gateway tells of a task: that alone is written in both languages. Any other
    ``detail`` may be what a device or a person said, and a stroke in it must hide nothing.
    """
    return "result" if key == "detail" and entry.get("name") == "task.finished" else key


def gist(entry: Json, word: Word) -> str:
    """Return the details in one line, in the reader's words; of a change, what became different."""
    return ", ".join(
        said if key in _PLAIN else f"{named(key, word)} {said}"
        for key, value in _told(entry)
        if (said := _value(meaning(entry, key), value, word))
    )


def named(key: str, word: Word) -> str:
    """Return what a detail is called, by its name."""
    return str(next((one for one in (word("fact", key), word("detail", key)) if one != key), key))


def lines(entry: Json, word: Word, worded: Worded | None = None, colon: str = ": ") -> Iterator[str]:
    """Yield all that the entry holds, a line each: its place in its chain, and each detail by its name and whole.

    *worded* tells a detail's value, by default with *word*; *colon* stands behind each name, as the language has it.
    """

    def called(key: str) -> str:
        return named(key, word).rstrip(" \N{NO-BREAK SPACE}:")

    def told(key: str, value: object) -> str:
        return whole(key, value, word) if worded is None else worded(key, value)

    yield f"{called('entry')}{colon}{entry['writer']} #{entry['seq']} {entry['digest']}"
    if entry["session_id"] is not None:
        yield f"{called('session')}{colon}{entry['session_id']}"
    for place, value in _unfolded((), entry["details"]):
        yield f"{' · '.join(map(called, place))}{colon}{told(meaning(entry, place[-1]), value)}"


def whole(key: str, value: object, word: Word) -> str:
    """Return a detail's value whole, in the reader's words where there are any."""
    if value is None or value == []:
        return "–"
    if isinstance(value, list):
        return ", ".join(whole(key, one, word) for one in value)
    return _worded(key, str(value), value, word)


def _told(entry: Json) -> Iterator[tuple[str, object]]:
    said = {doer(entry), object_of(entry)}
    for key, kept in facts(entry):
        if isinstance(kept, Mapping | list) or _short(kept) not in said:
            yield key, kept


def _value(key: str, value: object, word: Word) -> str:
    """Return a detail's value shortened, in the reader's words; one that holds others names them."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        inside = (
            f"{named(name, word)} {_value(name, one, word)}"
            for name, one in value.items()
            if one not in (None, [], {})
        )
        told = ", ".join(inside)
        return f"({told})" if told else ""
    if isinstance(value, list):
        return ", ".join(_value(key, one, word) for one in value)
    return _worded(key, _short(value), value, word)


def _worded(key: str, text: str, value: object, word: Word) -> str:
    prefixes = WORDS.get(key, ("answer",))
    return next((said for prefix in prefixes if (said := str(word(prefix, value))) != str(value)), text)


def _short(value: object) -> str:
    text = "" if value is None else str(value)
    rule = RULE.fullmatch(text)
    if rule is not None:
        return rule_label(rule[1])
    return text[:_SHORT] if is_identifier(text) else text


def _names(details: object) -> list[str]:
    if not isinstance(details, Mapping):
        return []
    return [str(details[key]) for key in ("name", "login") if details.get(key)]


def _unfolded(place: tuple[str, ...], value: object) -> Iterator[tuple[tuple[str, ...], object]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _unfolded((*place, str(key)), one)
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        for number, one in enumerate(value, start=1):
            yield from _unfolded((*place, str(number)), one)
    else:
        yield place, value
