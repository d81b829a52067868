"""A value that must not be shown: the only type a secret travels in."""

import hmac
from typing import Final, NoReturn, Self, final

from typing_extensions import override

_REDACTED: Final = "Secret(…)"


@final
class Secret:
    """Holds one secret text. Every accidental way to show it shows ``Secret(…)``; ``reveal`` is the only other.

    Compares in constant time, is not hashable (a dictionary's lookup is not constant-time), cannot be
    pickled, and copies to itself, so that no second copy outlives it unseen.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        """Hold *value*; raises TypeError for anything but text."""
        if not isinstance(value, str):
            raise TypeError("a secret is text")
        object.__setattr__(self, "_Secret__value", value)

    def reveal(self) -> str:
        """Return the text in the open. Each call is a place to audit."""
        value: str = object.__getattribute__(self, "_Secret__value")
        return value

    @override
    def __repr__(self) -> str:
        """Return the redacted form."""
        return _REDACTED

    @override
    def __str__(self) -> str:
        """Return the redacted form."""
        return _REDACTED

    @override
    def __format__(self, format_spec: str) -> str:
        """Return the redacted form, whatever *format_spec* asks."""
        return _REDACTED

    @override
    def __eq__(self, other: object) -> bool:
        """Compare with another secret in constant time; never equal to plain text."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_octets(self.reveal()), _octets(other.reveal()))

    __hash__ = None  # type: ignore[assignment]  # unhashable on purpose, as the class says

    @override
    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse: a secret does not change."""
        raise AttributeError("a secret does not change")

    def __copy__(self) -> Self:
        """Return the secret itself."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Return the secret itself."""
        return self

    @override
    def __getstate__(self) -> NoReturn:
        """Refuse: nothing may take the value out unseen."""
        raise TypeError("a secret is not pickled")

    @override
    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse: a pickle would hold the value in the open."""
        raise TypeError("a secret is not pickled")


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
