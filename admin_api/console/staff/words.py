"""The words of the console's screens."""

from policy import i18n
from policy.domain.people import Language

_CATALOG = i18n.load("admin_api.console.staff")


def say(key: str, language: Language, *, timezone: str = "UTC", **arguments: object) -> str:
    """Return the sentence under *key* in *language*, its arguments in place and instants in *timezone*."""
    return _CATALOG.translate(key, language, timezone=timezone, **arguments)


def knows(key: str) -> bool:
    """Tell whether the catalogues hold a sentence under *key*."""
    return _CATALOG.knows(key)
