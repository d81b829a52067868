import json
import pickle
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import pytest

from policy.domain.access import UNDISCLOSED, Denial, Explanation, Finding, Grant
from tests.support.facts import CLOSES, make_grant

FAILED = Finding(code="C2", held=False, key="finding.C2.undeclared", arguments={"source": "203.0.113.9"})
HELD = Finding(code="O3", held=True, key="finding.O3.open")


def test_nobody_but_the_engine_makes_a_grant() -> None:
    """A Grant is a proof: built by hand, with whatever seal, it does not exist."""
    grant = make_grant()
    values = {one.name: getattr(grant, one.name) for one in fields(Grant)}
    with pytest.raises(TypeError, match="seal"):
        Grant(**values)
    for forged in (None, object(), "seal"):
        with pytest.raises(TypeError, match=r"policy\.engine\.decide"):
            Grant(seal=forged, **values)


def test_no_grant_is_altered_by_copy() -> None:
    """A granted session cannot be turned into another device's by copying the grant with changes."""
    copy: Any = replace  # mypy refuses this attack already; somebody may look away from it
    with pytest.raises((TypeError, ValueError)):
        copy(make_grant(), device_name="ris02")


def test_grant_does_not_carry_its_seal() -> None:
    """The seal is shown at the making and kept nowhere: no repr, no bytes hold it."""
    grant = make_grant()
    assert "seal" not in repr(grant)
    assert b"seal" not in grant.canonical_bytes()
    assert not hasattr(grant, "seal")


def test_canonical_bytes_are_stable() -> None:
    """The same grant gives the same bytes, in this process and after a trip to another one."""
    grant = make_grant()
    assert grant.canonical_bytes() == grant.canonical_bytes()
    assert pickle.loads(pickle.dumps(grant)).canonical_bytes() == grant.canonical_bytes()  # noqa: S301 - our own bytes


def test_canonical_bytes_hold_every_field() -> None:
    """The canonical form is JSON with sorted keys, instants in ISO 8601 and sets in order."""
    grant = make_grant()
    told = json.loads(grant.canonical_bytes())
    assert set(told) == {one.name for one in fields(Grant)}
    assert list(told) == sorted(told)
    assert datetime.fromisoformat(told["obligations"]["hard_end"]) == CLOSES
    assert told["obligations"]["channels"] == ["sftp-up", "shell"]
    assert told["obligations"]["idle_limit"] == 600.0
    assert told["factors"] == ["password", "totp"]
    assert told["host_keys"] == list(grant.host_keys)


def test_denial_tells_the_failures_alone() -> None:
    """Somebody who may know is told every failed rule, and none that held."""
    denial = Denial(findings=(HELD, FAILED), disclose=True)
    assert denial.failed == (FAILED,)
    assert denial.told == (FAILED,)


def test_denial_that_discloses_nothing_tells_one_thing() -> None:
    """Somebody who may not know is told the same whatever failed; the journal still has it all."""
    denial = Denial(findings=(HELD, FAILED), disclose=False)
    assert denial.told == (UNDISCLOSED,)
    assert denial.failed == (FAILED,)


def test_explanation_that_discloses_nothing_tells_one_thing() -> None:
    """``why`` is no way round the neutral refusal."""
    explanation = Explanation(findings=(HELD, FAILED), allowed=False, disclose=False)
    assert explanation.told == (UNDISCLOSED,)
    assert replace(explanation, disclose=True).told == (HELD, FAILED)
