"""A report's sentences in the reader's language, as far as this version knows them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from admin_api.sayings import REASONS, said
from policy.domain.people import Language
from policy.errors import MissingMessage
from policy.i18n import Catalog

FINDINGS: Final = tuple(f"finding{number}" for number in range(1, 6))
"""The facts that an entry, and so an alarm, keeps of findings by themselves; the report has all."""
_CHECKS: Final = "doctor."
"""How the key of every check and finding begins: what a stranger put into the journal names no other sentence."""


def worded(
    key: str,
    arguments: Mapping[str, object],
    english: str,
    language: Language | str,
    catalogs: Iterable[Catalog],
) -> str:
    """Return the sentence under *key*; the report's own *english* one where no catalogue has it with these arguments.

    What a system or another package gave as the reason (``why``, ``detail``) is said in *language* too, as far as it is
    known.
    """
    arguments = {
        name: said(value, Language(language)) if name in REASONS and isinstance(value, str) else value
        for name, value in arguments.items()
    }
    for catalog in catalogs:
        if catalog.knows(key):
            try:
                return catalog.translate(key, language, timezone="UTC", **arguments)
            except (MissingMessage, TypeError):  # of another version: an argument that lacks, or that is none
                continue
    return english


def findings(facts: Mapping[str, object], language: Language, catalogs: Sequence[Catalog]) -> str | None:
    """Return what the *facts* of an alarm say of findings; None where a part of them cannot be said in *language*.

    The facts may come from strangers, or be cut: of whatever else they are made, nothing is told.
    """
    kept = [facts[name] for name in FINDINGS if name in facts]
    told = [_finding(one, language, catalogs) for one in kept]
    if not told or "" in told:
        return None
    new = str(facts.get("new"))  # a mail keeps its facts as texts
    more = int(new) - len(told) if new.isdecimal() and len(new) < 9 else 0
    between = " ; " if language is Language.FRENCH else "; "
    return between.join(told) + (f" (+{more})" if more > 0 else "")


def _finding(kept: object, language: Language, catalogs: Sequence[Catalog]) -> str:
    try:
        check, finding, arguments = json.loads(str(kept))
        known = {str(name): value for name, value in arguments.items()}
        keys = [key for key in (check, finding) if key.startswith(_CHECKS)]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ""
    said = [worded(key, known, "", language, catalogs) for key in keys]
    colon = " : " if language is Language.FRENCH else ": "
    return colon.join(said) if len(said) > 1 and all(said) else ""
