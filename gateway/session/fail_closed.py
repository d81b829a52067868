"""An error of our own in the middle of a session ends it, with an alarm: nobody is left before a silent screen."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar


class Breakable(Protocol):
    """What can be ended by an error."""

    def broke_down(self, error: Exception) -> None:
        """End the session for *error*."""


P = ParamSpec("P")
B = TypeVar("B", bound=Breakable)


def fails_closed(method: Callable[Concatenate[B, P], None]) -> Callable[Concatenate[B, P], None]:
    """Wrap a callback of the library or of the loop: what it raises would only be logged there."""

    @wraps(method)
    def guarded(self: B, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self.broke_down(error)

    return guarded
