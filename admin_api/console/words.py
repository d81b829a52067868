"""The words of the pages and of the mails."""

from policy import i18n
from policy.domain.people import Language

_CATALOG = i18n.load("admin_api.console")


def say(key: str, language: Language, *, timezone: str = "UTC", **arguments: object) -> str:
    """Return the sentence under *key* in *language*, its arguments in place and instants in *timezone*."""
    return _CATALOG.translate(key, language, timezone=timezone, **arguments)
