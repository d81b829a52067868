"""A report's sentences in the reader's language, as far as this version knows them."""

from collections.abc import Iterable, Mapping

from policy.domain.people import Language
from policy.errors import MissingMessage
from policy.i18n import Catalog


def worded(
    key: str,
    arguments: Mapping[str, object],
    english: str,
    language: Language | str,
    catalogs: Iterable[Catalog],
) -> str:
    """Return the sentence under *key*; the report's own *english* one where no catalogue has it with these arguments."""
    for catalog in catalogs:
        if catalog.knows(key):
            try:
                return catalog.translate(key, language, timezone="UTC", **arguments)
            except (MissingMessage, TypeError):  # of another version: an argument that lacks, or that is none
                continue
    return english
