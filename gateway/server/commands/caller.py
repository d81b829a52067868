"""Who types a command, and where from."""

from dataclasses import dataclass

from policy.domain.people import Factor, Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A person who is logged in: ``source`` is an IP literal, ``typed`` what she sent on standard input."""

    person: Person
    source: str
    factors: frozenset[Factor] = frozenset()
    typed: bytes = b""
