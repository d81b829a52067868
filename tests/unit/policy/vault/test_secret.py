"""A secret shows nowhere by accident."""

import contextlib
import copy
import io
import json
import logging
import pickle
import traceback
from dataclasses import asdict, dataclass

import pytest
import structlog

from policy.vault.secret import Secret

HIDDEN = "s3cret-of-scan01"


@dataclass
class Holder:
    """Something that holds a secret, as product code does."""

    secret: Secret


def test_no_way_of_writing_a_secret_shows_it() -> None:
    """Every usual way to turn a value into text gives the redacted form."""
    secret = Secret(HIDDEN)
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r}",
        f"{secret:>40}",
        f"{secret}",
        "%s %r" % (secret, secret),  # noqa: UP031 - the old way is attacked too
        repr([secret]),
        repr(Holder(secret)),
        str(asdict(Holder(secret))),
        repr(vars(Holder(secret))),
    ]
    assert not [text for text in shown if HIDDEN in text]
    assert "Secret(…)" in shown[0]


def test_a_traceback_with_locals_does_not_show_a_secret() -> None:
    """A crash report that prints local variables prints the redacted form."""
    secret = Secret(HIDDEN)
    held = Holder(secret)
    try:
        raise RuntimeError(held, secret)
    except RuntimeError as error:
        report = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "held" in report
    assert HIDDEN not in report.replace(f'HIDDEN = "{HIDDEN}"', "")


def test_a_log_line_does_not_show_a_secret() -> None:
    """Neither the standard logger nor structlog's JSON writes it out."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("test-secret")
    logger.addHandler(handler)
    logger.warning("opened with %s", Secret(HIDDEN))
    logger.removeHandler(handler)
    line = structlog.processors.JSONRenderer(default=str)(None, "info", {"secret": Secret(HIDDEN)})
    assert HIDDEN not in stream.getvalue() + str(line)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_cannot_be_pickled(protocol: int) -> None:
    """No pickle protocol takes the value out, alone or inside another object."""
    for thing in (Secret(HIDDEN), Holder(Secret(HIDDEN))):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(thing, protocol)


def test_json_refuses_a_secret() -> None:
    """JSON has no form for it, rather than a revealing one."""
    with pytest.raises(TypeError):
        json.dumps({"secret": Secret(HIDDEN)})


def test_a_copy_is_the_secret_itself() -> None:
    """Copying, deep or not, makes no second value."""
    secret = Secret(HIDDEN)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_secrets_compare_by_value_and_never_with_text() -> None:
    """Two secrets of one value are equal; plain text is never equal to a secret."""
    assert Secret("é") == Secret("é")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("\ud800") == Secret("\ud800")


def test_a_secret_is_not_hashable_and_does_not_change() -> None:
    """It cannot be a dictionary key, nor be given another value or attribute."""
    secret = Secret(HIDDEN)
    with pytest.raises(TypeError):
        hash(secret)
    for name in ("value", "_Secret__value"):
        with pytest.raises(AttributeError):
            setattr(secret, name, "other")
    assert secret.reveal() == HIDDEN


def test_a_secret_has_no_attribute_that_vars_or_dir_would_print() -> None:
    """There is no instance dictionary to print."""
    with contextlib.suppress(TypeError):
        assert HIDDEN not in repr(vars(Secret(HIDDEN)))
    assert not hasattr(Secret(HIDDEN), "__dict__")


def test_only_text_is_a_secret() -> None:
    """Bytes or None are refused, so that no secret is made of ``b'…'`` or ``None`` by mistake."""
    for value in (b"bytes", None, 3):
        with pytest.raises(TypeError):
            Secret(value)  # type: ignore[arg-type]  # the mistake under test
