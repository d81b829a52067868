"""An alarm in words: what it is called, what happened, and what to do now."""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from admin_api.alarms.causes import MIB, OTHER
from admin_api.sayings import said
from admin_api.selfaudit import words as selfaudit
from admin_api.wording import knows, say, templates
from policy.domain.people import Language
from policy.i18n import Catalog
from policy.services.alarms import FURTHER

_UNTOLD = "–"
_BYTES = "bytes_out"
_WHY = ("detail", "error", "why", "reason")
_CODED = frozenset({"what", "place"})
"""Facts that say in one word what was touched."""


@dataclass(frozen=True, slots=True)
class AlarmWords:
    """Title, sentence and suggested act, in one language."""

    title: str
    sentence: str
    act: str


def words(
    kind: str, facts: Mapping[str, object], language: Language, vocabulary: Sequence[Catalog] = ()
) -> AlarmWords:
    """Return the words of an alarm of that *kind*; *facts* may come from strangers, and are shown, never obeyed.

    *vocabulary* has the sentences of what a machine found of itself; without it they are told in English.
    """
    found = selfaudit.findings(facts, language, vocabulary)
    if found is not None:
        facts = {**facts, "found": found}
    known = kind if knows(f"alarm.{kind}.title") else OTHER
    title, sentence, act = (
        _said(f"alarm.{known}.{part}", facts, language) for part in ("title", "sentence", "act")
    )
    if facts.get(FURTHER):
        sentence = f"{sentence} {say('alarm.further', language)}"
    return AlarmWords(title, sentence, act)


def _said(key: str, facts: Mapping[str, object], language: Language) -> str:
    template = templates(key, language)[key]
    wanted = {name for _, name, _, _ in string.Formatter().parse(template) if name}
    return say(key, language, **{name: _fact(name, facts, language) for name in wanted})


def _fact(name: str, facts: Mapping[str, object], language: Language) -> object:
    """Return the fact of that name, in *language* where it is one of ours; why something failed is said under several."""
    told = str(facts.get(name))
    if name in _CODED and knows(coded := f"alarm.{name}.{told}"):
        return say(coded, language)
    if name == _BYTES and told.isdecimal():  # a mail keeps its facts as texts
        return f"{int(told) / MIB:.0f}"
    names = _WHY if name == "detail" else (name,)
    found = next((facts[one] for one in names if facts.get(one) not in (None, "")), _UNTOLD)
    return said(found, language) if name in _WHY and isinstance(found, str) else found
