import inspect
import re

import pytest

from policy import errors
from policy.errors import (
    AmbiguousLocalTime,
    AuthenticationFailed,
    Conflict,
    InvalidInput,
    LockedOut,
    NotFound,
    PolicyError,
    SecretReused,
)
from tests.support.facts import OPENS


def test_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    """The drawing at the head of the module names each error under its base, no more and no less."""
    classes = {
        name: cls for name, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, PolicyError)
    }
    drawn: dict[int, str] = {}
    found = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^([│├└─ ]*)([A-Z]\w+)(?:\s{2,}|$)", line)
        if match is None:
            continue
        depth = len(match[1]) // 4
        drawn[depth] = match[2]
        found[match[2]] = drawn[depth - 1] if depth else None
    assert found == {
        name: None if cls is PolicyError else cls.__bases__[0].__name__ for name, cls in classes.items()
    }


def test_refused_value_names_its_field() -> None:
    """An invalid value says which field, and what to write instead."""
    error = InvalidInput("device.port", "write a number from 1 to 65535")
    assert (error.field, str(error)) == ("device.port", "device.port: write a number from 1 to 65535")


def test_doubtful_time_is_an_invalid_value_with_choices() -> None:
    """Whoever catches invalid values catches doubtful times, and may offer the choices."""
    error = AmbiguousLocalTime("end", "say which", local=OPENS.replace(tzinfo=None), choices=(OPENS,))
    with pytest.raises(InvalidInput):
        raise error
    assert error.choices == (OPENS,)


def test_not_found_quotes_what_was_looked_for() -> None:
    """A hostile key is quoted, so that it cannot forge a message."""
    assert str(NotFound("device", "a\n\x1b[31m")) == "no device 'a\\n\\x1b[31m'"


def test_lock_out_looks_like_a_failure() -> None:
    """Somebody locked out is refused as anybody: only the instant is added."""
    error = LockedOut(OPENS)
    assert isinstance(error, AuthenticationFailed)
    assert error.until == OPENS


def test_reused_secret_is_a_conflict() -> None:
    """The same secret on two devices is a conflict of the stored state."""
    assert issubclass(SecretReused, Conflict)
