"""The words of this package, in the language that the caller asked for."""

from collections.abc import Mapping

from policy import i18n
from policy.domain.people import Language


def catalog() -> i18n.Catalog:
    """Return this package's sentences; raises MissingMessage where the two languages do not match."""
    return i18n.load("admin_api")


def say(key: str, language: Language, **arguments: object) -> str:
    """Return the sentence under *key* in *language*, with its arguments in place."""
    return say_in("UTC", key, language, **arguments)


def say_in(timezone: str, key: str, language: Language, **arguments: object) -> str:
    """Return the sentence under *key* in *language*, its instants on the wall clock of *timezone* (IANA name)."""
    return catalog().translate(key, language, timezone=timezone, **arguments)


def knows(key: str) -> bool:
    """Tell whether the catalogues hold a sentence under *key*."""
    return catalog().knows(key)


def templates(prefix: str, language: Language) -> Mapping[str, str]:
    """Return the sentences whose key starts with *prefix*, by key, their placeholders still in braces."""
    return catalog().templates(prefix, language)


def preferred(accept_language: str | None, fallback: Language) -> Language:
    """Choose among the product's languages by an ``Accept-Language`` header (RFC 9110 §12.5.4).

    Malformed parts are passed over: a header is a wish, never a reason to refuse. *fallback* is returned where
    nothing in it is spoken here.
    """
    best: tuple[float, Language] | None = None
    for part in (accept_language or "")[:200].split(","):
        tag, _, parameters = part.strip().partition(";")
        code = tag.strip().lower().partition("-")[0]
        if code not in {language.value for language in Language}:
            continue
        weight = _weight(parameters)
        if weight > 0 and (best is None or weight > best[0]):
            best = (weight, Language(code))
    return best[1] if best is not None else fallback


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
