"""What policy says in English when it refuses, said in the caller's language.

Policy's errors carry one English sentence for developers and logs. The catalogues hold each sentence as a template
under a key that starts with ``said.``; the sentence is recognised by its English template, its values are taken out,
and put into the other language's; a value that is such a sentence itself, as a cause is, is said too. A test holds
that every sentence of policy is there.
"""

import re
from functools import cache
from typing import Final

from admin_api.wording import say, templates
from policy.domain.people import Language

REASONS: Final = frozenset({"why", "detail"})
"""The arguments of a finding or a fault that hold such a sentence."""
_PREFIX: Final = "said."
_STROKE: Final = " / "
_CUT_OFF: Final = "…"
_ALTERNATIVES: Final = re.compile(r"[^\s,]+(?:, [^\s,]+)*,? or [^\s,]+")
"""How values to choose from are listed in English: each of them one word."""
_VALUE = re.compile(r"\{[a-z]\}")
_ESCAPED_VALUE = re.compile(r"\\\{([a-z])\\\}")


def said(message: str, language: Language) -> str:
    """Return *message* in *language*; as it is where it is none of policy's sentences, or in English already."""
    if language is Language.ENGLISH:
        return message
    for key, pattern in _patterns():
        found = pattern.fullmatch(message)
        if found is not None:
            values = {name: said(value, language) for name, value in found.groupdict().items()}
            return say(key, language, **values)
    return message


def of_both(text: str, language: Language) -> str:
    """Return what a gateway wrote for whoever looks, in French and in English with a stroke between, in *language* alone.

    One that was cut off is told whole: where its half is cannot be known. Never for what a device or a person wrote.
    """
    parts = text.split(_STROKE)
    if len(parts) % 2 or text.endswith(_CUT_OFF):
        return said(text, language)
    half = len(parts) // 2
    return _STROKE.join(parts[:half] if language is Language.FRENCH else parts[half:])


def alternatives(text: str, language: Language) -> str:
    """Return *text* in *language* where it lists values to choose from (``a, b or c``); else as it is."""
    if language is Language.ENGLISH or _ALTERNATIVES.fullmatch(text) is None:
        return text
    return " ou ".join(part.removesuffix(",") for part in text.rsplit(" or ", 1))


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return the English templates as patterns, the most literal first: it is the most telling."""
    english = templates(_PREFIX, Language.ENGLISH)
    most_literal_first = sorted(english, key=lambda key: len(_VALUE.sub("", english[key])), reverse=True)
    return tuple((key, _pattern(english[key])) for key in most_literal_first)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(_ESCAPED_VALUE.sub(r"(?P<\1>.+?)", re.escape(text)), re.DOTALL)
