"""Entries of the journal as the screens tell them: in the reader's words, with names for identifiers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from admin_api import chronicle
from admin_api.console.staff import moments
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.listing import Registry
from admin_api.console.staff.view import harmless, size
from admin_api.sayings import of_both, said
from admin_api.wording import knows, say
from policy import i18n
from policy.domain.ids import is_identifier
from policy.domain.people import Language
from policy.i18n import Catalog, rule_label
from recorder.audit.entries import JournalEntry

_LONGEST_GIST: Final = 320
_SHORT: Final = 8
_WITHOUT_NAME: Final = frozenset({"reason", "state", "purpose", "why"})
"""Details that say by themselves what they are."""
_BYTES: Final = frozenset({"bytes", "bytes_in", "bytes_out", "size"})
_SENTENCES: Final = frozenset({"detail", "rule"})
_PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    **chronicle.WORDS,
    "from": ("begin",),
    "state": ("window", "intervention", "alarms.is", "erasure"),
}
"""Under which prefixes of the catalogues the values of a detail have their words: the command's, but where the screens say it otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """For whom the journal is told: in which language, by which zone's clock, with whose words besides our own."""

    language: Language
    timezone: str
    vocabulary: tuple[Catalog, ...]

    @classmethod
    def of(cls, caller: StaffCaller) -> Self:
        """Return the reader who looks at a screen."""
        return cls(
            language=caller.language, timezone=caller.here.timezone, vocabulary=caller.context.vocabulary
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One entry in words. ``at`` is aware UTC; ``lines`` are all that it holds, a line each."""

    at: datetime
    name: str
    title: str
    grave: bool
    doer: str
    about: str
    source: str
    gist: str
    session_id: str | None
    lines: list[str]


def tell(entry: JournalEntry, reader: Reader, known: Registry) -> Told:
    """Put *entry* into the reader's language; what it quotes is harmless."""
    event = entry.event
    shown: dict[str, Any] = {
        "name": event.name,
        "writer": entry.writer,
        "seq": entry.seq,
        "digest": entry.digest,
        "actor": known.person(event.actor),
        "person": known.person(event.person_id),
        "device": known.device(event.device_id),
        "session_id": event.session_id,
        "details": dict(event.details),
    }

    return Told(
        at=event.at,
        name=event.name,
        title=worded(reader, "event", event.name),
        grave=event.name.startswith("alarm.") or event.name.endswith((".locked", ".denied", ".cut")),
        doer=worded(reader, "actor", chronicle.doer(shown) or "")[:80],
        about=harmless(chronicle.object_of(shown) or "", 80),
        source=harmless(event.source or "", 64),
        gist=harmless(_gist(shown, reader, known), _LONGEST_GIST),
        session_id=event.session_id,
        lines=[harmless(line, 600) for line in _lines(shown, reader, known)],
    )


def _lines(shown: dict[str, Any], reader: Reader, known: Registry) -> Iterator[str]:
    """Say all that the entry holds; what a name or a wall clock stands for is there too, as it is kept."""

    def word(prefix: str, value: object) -> str:
        return worded(reader, prefix, value)

    def whole(key: str, value: object) -> str:
        if isinstance(value, list) and value:
            return ", ".join(whole(key, one) for one in value)
        text = str(value)
        if is_identifier(text):
            name = known.name(text)
            return f"{name} ({text})" if name else text
        told = _value(key, value, reader, known) or "–"
        return f"{told} ({text})" if chronicle.INSTANT.fullmatch(text) else told

    colon = "\N{NO-BREAK SPACE}: " if reader.language is Language.FRENCH else ": "
    return chronicle.lines(shown, word, whole, colon)


def _gist(shown: dict[str, Any], reader: Reader, known: Registry) -> str:
    """Say the details that have a name in the reader's language; the others are below, with all that is kept."""
    told_already = {chronicle.doer(shown), chronicle.object_of(shown)}
    parts = []
    for key, kept in chronicle.facts(shown):
        told = _value(chronicle.meaning(shown, key), kept, reader, known)
        if not told or told in told_already:
            continue
        if key in _WITHOUT_NAME:
            parts.append(told)
        elif _catalog(reader, f"fact.{key}") is not None:
            parts.append(f"{worded(reader, 'fact', key)} {told}")
    return " · ".join(parts)


def _value(key: str, kept: object, reader: Reader, known: Registry) -> str:
    if isinstance(kept, (list, tuple)):
        return ", ".join(filter(None, (_value(key, one, reader, known) for one in kept)))
    if isinstance(kept, bool):
        return worded(reader, "answer", "yes" if kept else "no")
    if kept is None or isinstance(kept, dict):
        return ""
    if key in _BYTES and isinstance(kept, int):
        return size(kept, reader.language)
    text = str(kept)
    if is_identifier(text):
        return known.name(text) or text[:_SHORT]
    if chronicle.INSTANT.fullmatch(text):
        return moments.short(datetime.fromisoformat(text), reader.language, reader.timezone)
    rule = chronicle.RULE.fullmatch(text)
    if rule is not None:
        return rule_label(rule[1])
    if key == "result":
        return of_both(text, reader.language)
    if key in _SENTENCES:
        return said(text, reader.language)
    if key == "kind" and knows(f"alarm.{text}.title"):
        return say(f"alarm.{text}.title", reader.language)
    for prefix in _PREFIXES.get(key, ()):
        if _catalog(reader, f"{prefix}.{text}") is not None:
            return worded(reader, prefix, text)
    return text


def _catalog(reader: Reader, key: str) -> Catalog | None:
    own = (
        i18n.load("admin_api.console.staff"),
        *reader.vocabulary,
        i18n.load("policy"),
        i18n.load("admin_api.console"),
    )
    return next((one for one in own if one.knows(key)), None)


def worded(reader: Reader, prefix: str, value: object) -> str:
    """Return the word for *value* under *prefix* in whichever package's catalogue has one; else the value itself."""
    key = f"{prefix}.{value}"
    found = _catalog(reader, key)
    if found is None:
        return harmless(value, 120)
    return found.translate(key, reader.language, timezone=reader.timezone)
