"""Puts the errors of this machine's own commands into words, in the language of the screen.

The packages below speak English, to developers and logs. Each of their errors that can end a command has a sentence
of its own here, with their detail in it where it says something that the sentence cannot.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from admin_api.sayings import REASONS, said
from ecluse.errors import EcluseError, MachineError
from gateway.errors import GatewayError, UnsupportedLibrary
from policy import i18n
from policy.domain.people import Language
from policy.errors import Forbidden, InvalidInput, NotFound, PolicyError, PolicyUnavailable, VaultError
from recorder.errors import CatalogUnavailable, RecorderError, SignatureInvalid, SpoolUnavailable

SPOKEN: Final = (PolicyError, RecorderError, GatewayError)
"""Errors of the packages below: each has a sentence here."""

_PLACEHOLDER: Final = re.compile(r"\\\{([a-z]+)\\\}")
_SENTENCES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (PolicyUnavailable, "machine.database"),
    (VaultError, "machine.keyring"),
    (Forbidden, "machine.forbidden"),
    (CatalogUnavailable, "machine.database"),
    (SignatureInvalid, "machine.signing_key"),
    (SpoolUnavailable, "machine.spool"),
    (UnsupportedLibrary, "machine.library"),
)


def spoken(error: Exception, language: Language | str) -> EcluseError:
    """Return *error* as one of ours, whose sentence says it in *language* and English alike."""
    if isinstance(error, EcluseError):
        return error
    if isinstance(error, InvalidInput):
        told = said(error.message, Language(language))
        return MachineError("machine.refused_value", field=error.field, why=told)
    if isinstance(error, NotFound) and error.noun == "hospital":
        return MachineError("machine.other_hospital", hospital=error.key)
    key = next((key for kind, key in _SENTENCES if isinstance(error, kind)), "machine.failed")
    why = detail(str(error) or type(error).__name__, language)
    return MachineError(key, why=why[:1].upper() + why[1:] if key == "machine.database" else why)


def detailed(arguments: Mapping[str, object], language: Language | str) -> dict[str, object]:
    """Return the *arguments* of a sentence, its reason, an error or what one said in English, in *language*."""
    return {name: _why(value, language) if name in REASONS else value for name, value in arguments.items()}


def _why(value: object, language: Language | str) -> object:
    if isinstance(value, EcluseError):
        return value.said(language)
    return detail(str(value), language) if isinstance(value, (str, Exception)) else value


def detail(message: str, language: Language | str) -> str:
    """Return what a package below said in English in *language*; as it is where it is none of the known sentences."""
    told = _recognised(message, "detail.", language)
    return told if told != message else said(message, Language(language))


def usage(message: str, language: Language | str) -> str:
    """Return what the parser of the command line said in English in *language*, and so for what it quotes."""
    told = _recognised(message, "usage.", language)
    return told if told != message else _recognised(message, "asked.", language)


def _recognised(message: str, prefix: str, language: Language | str) -> str:
    if language == Language.ENGLISH:
        return message
    for key, pattern in _patterns(prefix):
        found = pattern.fullmatch(message)
        if found is not None:
            facts = found.groupdict()
            if "asked" in facts:
                facts["asked"] = usage(facts["asked"], language)
            if "why" in facts:
                facts["why"] = detail(facts["why"], language)
            return i18n.load("ecluse").translate(key, language, timezone="UTC", **facts)
    return message


@cache
def _patterns(prefix: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return the English sentences under *prefix* as patterns, each placeholder of a template standing for a value."""
    english = i18n.load("ecluse").templates(prefix, Language.ENGLISH)
    return tuple(
        (key, re.compile(_PLACEHOLDER.sub(r"(?P<\1>.+?)", re.escape(text)), re.DOTALL))
        for key, text in english.items()
    )
