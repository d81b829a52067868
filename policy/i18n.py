"""The sentences people read, in French and in English, from gettext catalogues whose msgids are keys.

A package keeps ``locales/{fr,en}/messages.po`` beside its code and reads them with ``load``. Both languages
hold the same keys with the same ``{placeholders}``; a catalogue where they differ does not load, so that a gap
is found at start and never on a refused technician's screen. An entry with ``msgid_plural`` (the same key again) has a
form for one and a form for several, and the sentence's ``count`` says which is read: French says one of none, too.
"""

from __future__ import annotations

import enum
import re
import string
import unicodedata
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from babel.core import Locale
from babel.dates import format_datetime
from babel.lists import format_list
from babel.messages.pofile import read_po
from babel.units import format_unit

from policy.domain.factors import Factor, Level
from policy.domain.interventions import InterventionKind
from policy.domain.local_time import zone_of
from policy.domain.people import Language
from policy.domain.windows import Channel
from policy.errors import MissingMessage

if TYPE_CHECKING:
    from policy.domain.access import Denial, Explanation, Finding

_LONGEST_ARGUMENT = 200
_PATTERNS: Final = {
    Language.FRENCH: "EEEE d MMMM y 'à' HH:mm",
    Language.ENGLISH: "EEEE d MMMM y 'at' HH:mm",
}
_NAMED: Final[Mapping[type[enum.StrEnum], str]] = {
    Channel: "channel",
    Factor: "factor",
    InterventionKind: "kind",
    Level: "level",
}
_OF_ONE: Final = "[one]"
"""Behind a key: its sentence for a single thing."""
_GUIDE_CODE = re.compile(r"[ACEOT]\d{1,2}")
_ELIDES: Final = re.compile(r"\b(d|D|qu|Qu)e \{(\w+)\}")
_VOWEL: Final = re.compile(r"[aeiou]|y(?![aeiou])")
_TYPESET: Final = (
    (re.compile(r"(?<=\w)'(?=[\w«{])"), "’"),  # not around a quoted value, nor in a command's argument
    (re.compile(r" (?=[:;?!»])"), "\N{NO-BREAK SPACE}"),
    (re.compile(r"(?<=«) "), "\N{NO-BREAK SPACE}"),
    (re.compile(r"(?<=[\d}]) (?=(?:h|min|s|j)\b(?![’']))"), "\N{NO-BREAK SPACE}"),
)


class OneOf(tuple[object, ...]):
    """Values of which one is meant: a sentence lists them with an "or"."""

    __slots__ = ()


class Catalog:
    """The sentences of one package in every language."""

    def __init__(self, messages: Mapping[Language, Mapping[str, str]]) -> None:
        """Take the templates by language and key.

        Raises MissingMessage where two languages differ in keys or placeholders, or a template is unsound.
        """
        self._messages = messages
        _check(messages)

    def knows(self, key: str) -> bool:
        """Tell whether there is a sentence under *key*."""
        return all(key in templates for templates in self._messages.values())

    def templates(self, prefix: str, language: Language) -> Mapping[str, str]:
        """Return the sentences whose key starts with *prefix*, by key, their placeholders still in braces."""
        found = self._messages[language].items()
        return {
            key: template for key, template in found if key.startswith(prefix) and not key.endswith(_OF_ONE)
        }

    def translate(
        self, key: str, language: Language | str, *, timezone: str = "UTC", **arguments: object
    ) -> str:
        """Return the sentence under *key* with its *arguments* in place, in the form for as many as ``count`` says.

        Aware datetimes are written as the wall time of *timezone* (an IANA name) with its offset, timedeltas in
        words, collections as lists; text is neutralised, for it may come from a device or a person. Raises
        MissingMessage for an unknown key or language or an argument that the sentence needs and was not given.
        """
        try:
            spoken = Language(language)
            templates = self._messages[spoken]
            template = templates[key]
            if _is_one(arguments.get("count"), spoken):
                template = templates.get(f"{key}{_OF_ONE}", template)
            shown = {name: _shown(value, spoken, timezone) for name, value in arguments.items()}
            return (_elided(template, shown) if spoken is Language.FRENCH else template).format_map(shown)
        except (KeyError, ValueError) as missing:
            raise MissingMessage(f"no sentence {key!r} in {str(language)!r} with {missing}") from missing


@cache
def load(package: str) -> Catalog:
    """Read the catalogues of *package* (its import name).

    Raises MissingMessage where the two languages do not match, FileNotFoundError where one is not there.
    """
    messages = {language: read(package, language) for language in Language}
    return Catalog(messages)


def read(package: str, language: Language, name: str = "messages.po") -> Mapping[str, str]:
    """Return the entries of one catalogue of *package*, as they are typeset in *language*.

    Raises FileNotFoundError where it is not there.
    """
    with (files(package) / "locales" / language.value / name).open("rb") as file:
        entries = read_po(file, locale=language.value, abort_invalid=True)
    found: dict[str, str] = {}
    for entry in entries:
        if entry.pluralizable:
            key, forms = str(entry.id[0]), [_typeset(str(form), language) for form in entry.string or ()]
            found |= dict(zip((f"{key}{_OF_ONE}", key), forms, strict=True))
        elif entry.id:
            found[str(entry.id)] = _typeset(str(entry.string), language)
    return found


def translate(key: str, language: Language | str, *, timezone: str = "UTC", **arguments: object) -> str:
    """Return the sentence of this package under *key*; as ``Catalog.translate``."""
    return load("policy").translate(key, language, timezone=timezone, **arguments)


def neutralise(text: str, longest: int = _LONGEST_ARGUMENT) -> str:
    """Return *text* fit for one line of a terminal: no control, format or line-breaking character, bounded.

    At most *longest* characters are kept. What cannot be shown becomes U+FFFD, so that it is seen that something was there.
    """
    shown = "".join("\N{REPLACEMENT CHARACTER}" if _unprintable(one) else one for one in text[:longest])
    return shown if len(text) <= longest else f"{shown}…"


def rule_label(code: str) -> str:
    """Return the name people know rule *code* by: ``PGSSIS-O3`` for a rule of the PGSSI-S guide, else itself."""
    return f"PGSSIS-{code}" if _GUIDE_CODE.fullmatch(code) else code


def sentence(finding: Finding, language: Language | str, timezone: str) -> str:
    """Return what *finding* says, its instants in *timezone*."""
    return load("policy").translate(finding.key, language, timezone=timezone, **finding.arguments)


def next_step(finding: Finding, language: Language | str, timezone: str) -> str:
    """Return what to do about *finding* and whose move it is; empty where there is nothing to do."""
    if finding.next_step is None or finding.mover is None:
        return ""
    step = translate(finding.next_step, language, timezone=timezone, **finding.arguments)
    return next_move(finding.mover, step, language)


def next_move(mover: str, step: str, language: Language | str) -> str:
    """Return whose move *step*, a sentence already, is: *mover* is one of policy's (``technician``…)."""
    return translate("refusal.next", language, mover=translate(f"mover.{mover}", language), step=step)


def refusal(denial: Denial, language: Language | str, timezone: str, contact: str) -> list[str]:
    """Return the lines of a refusal for the person refused.

    The rules that failed, each with its sentence and next step, the next opening, and *contact*, whom to call.
    Where the person may not know whether the device exists, one neutral line and the contact, the same for a
    device that does not exist as for one that is not hers.
    """
    told = denial.told
    codes = list(dict.fromkeys(rule_label(finding.code) for finding in told))
    headline = translate("refusal.headline", language, rules=", ".join(codes))
    ending = translate("refusal.contact", language, contact=contact)
    if not denial.disclose:
        step = next_step(told[0], language, timezone)
        return [f"{headline} - {sentence(told[0], language, timezone)}", f"  {step}", ending]
    lines = [headline]
    for finding in told:
        lines += finding_lines(rule_label(finding.code), finding, language, timezone)
    return [*lines, *_opening(denial, language, timezone), ending]


def explained(explanation: Explanation, language: Language | str, timezone: str) -> list[str]:
    """Return the lines of ``why``: every rule that may be told, held or failed, and the next opening."""
    lines = [translate("why.allowed" if explanation.allowed else "why.refused", language)]
    for finding in explanation.told:
        mark = translate("why.held" if finding.held else "why.failed", language)
        lines += finding_lines(f"{mark} {rule_label(finding.code)}", finding, language, timezone)
    if explanation.disclose:
        lines += _opening(explanation, language, timezone)
    return lines


def finding_lines(label: str, finding: Finding, language: Language | str, timezone: str) -> list[str]:
    """Return the lines that say *finding* under *label*: its sentence, then its next step where it has one."""
    step = next_step(finding, language, timezone)
    return [f"  {label} - {sentence(finding, language, timezone)}", *([f"    {step}"] if step else [])]


def _opening(answer: Denial | Explanation, language: Language | str, timezone: str) -> list[str]:
    """Return the line about the next opening; none beside a window that is open now and has no other after it."""
    if answer.next_opening is None:
        is_open = any(finding.code == "O3" and finding.held for finding in answer.findings)
        return [] if is_open else [translate("refusal.no_opening", language)]
    start, end = answer.next_opening
    return [translate("refusal.next_opening", language, timezone=timezone, start=start, end=end)]


def _typeset(text: str, language: Language) -> str:
    """French takes the curved apostrophe, and an unbreakable space before double punctuation and inside quotation marks."""
    if language is Language.FRENCH:
        for typed, typeset in _TYPESET:
            text = typed.sub(typeset, text)
    return text


def _elided(template: str, shown: Mapping[str, str]) -> str:
    """French says « d’Alice », « qu’Alice »: a placeholder's value decides. Of an h nobody knows whether it is breathed."""

    def elided(found: re.Match[str]) -> str:
        value = unicodedata.normalize("NFD", shown.get(found[2], "")).lower()
        return f"{found[1]}’{{{found[2]}}}" if _VOWEL.match(value) else found[0]

    return _ELIDES.sub(elided, template)


def _is_one(count: object, language: Language) -> bool:
    return isinstance(count, int) and Locale.parse(language.value).plural_form(count) == "one"


def _shown(value: object, language: Language, timezone: str) -> str:
    if isinstance(value, datetime):
        return _instant(value, language, timezone)
    if isinstance(value, timedelta):
        return _duration(value, language)
    if isinstance(value, enum.StrEnum) and type(value) in _NAMED:
        return load("policy").translate(f"{_NAMED[type(value)]}.{value.value}", language)
    if isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping):
        items = [_shown(item, language, timezone) for item in value]
        return format_list(
            sorted(items) if isinstance(value, set | frozenset) else items,
            style="or" if isinstance(value, OneOf) else "standard",
            locale=language.value,
        )
    return neutralise(str(value))


def _instant(at: datetime, language: Language, timezone: str) -> str:
    """Write an instant as wall time with its offset, without which one hour a year would be two."""
    local = at.astimezone(zone_of(timezone))
    minutes = round((local.utcoffset() or timedelta(0)) / timedelta(minutes=1))
    hours, rest = divmod(abs(minutes), 60)
    offset = f"{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")
    wall = format_datetime(local, _PATTERNS[language], locale=language.value)
    return f"{wall} (UTC{offset if minutes else ''})"


def _duration(length: timedelta, language: Language) -> str:
    seconds = max(0, round(length / timedelta(seconds=1)))
    hours, rest = divmod(seconds, 3600)
    amounts = {"hour": hours, "minute": rest // 60, "second": rest % 60}
    parts = [
        format_unit(amount, f"duration-{unit}", locale=language.value)
        for unit, amount in amounts.items()
        if amount
    ]
    return " ".join(parts) or format_unit(0, "duration-second", locale=language.value)


def _unprintable(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}


def _check(messages: Mapping[Language, Mapping[str, str]]) -> None:
    keys = {key for templates in messages.values() for key in templates}
    for key in sorted(keys):
        placeholders = {
            language: _placeholders(key, templates.get(key, "")) for language, templates in messages.items()
        }
        if len(set(placeholders.values())) > 1:
            raise MissingMessage(f"the languages give {key!r} different placeholders")


def _placeholders(key: str, template: str) -> frozenset[str]:
    if not template:
        raise MissingMessage(f"{key!r} is not in every language")
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as malformed:
        raise MissingMessage(f"{key!r}: {malformed}") from malformed
    for _, name, specification, conversion in parts:
        if name is not None and (not name.isidentifier() or specification or conversion):
            raise MissingMessage(f"{key!r}: a placeholder is a plain name in braces")
    return frozenset(name for _, name, _, _ in parts if name is not None)
