"""The words of the API: languages, and a sentence for every refusal it can give."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from admin_api import errors as mine
from admin_api.problems import problem_response, refusal_of
from admin_api.wording import knows, preferred, say
from policy import errors as policy
from policy.domain.people import Language, Role
from recorder import errors as recorder

NOW = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
EVERY = [
    mine.Unauthenticated(),
    mine.InvitationRefused(),
    mine.RoleMissing(frozenset({"planner", "security"})),
    mine.BodyTooLarge(10),
    mine.BadCursor(),
    mine.BadTimestamp("from"),
    mine.TraceUnreadable("record 3"),
    policy.InvalidInput("name", "write a name"),
    policy.AmbiguousLocalTime("start", "twice", local=datetime(2027, 10, 31, 2, 30), choices=(NOW, NOW)),  # noqa: DTZ001 - wall time
    policy.NotFound("device", "scan09"),
    policy.NotFound("gadget", "x"),
    policy.Conflict("changed"),
    policy.SecretReused("reused"),
    policy.NameTaken("taken"),
    policy.AlreadySo("so"),
    policy.Forbidden("four eyes"),
    policy.AuthenticationFailed("no"),
    policy.LockedOut(NOW + timedelta(seconds=60)),
    policy.PolicyUnavailable("down"),
    policy.VaultError("no"),
    policy.KeyMissing("no"),
    recorder.TraceNotFound("no"),
    recorder.StoreUnreachable("/etc/hidden"),
    recorder.StoreForbidden("/etc/hidden"),
    recorder.ChainBroken(3, "digest", "record 3"),
    recorder.JournalBroken("no"),
    RequestValidationError([{"type": "missing", "loc": ("body", "name"), "msg": "x", "input": None}]),
    RequestValidationError([{"type": "odd", "loc": ("query", "a"), "msg": "x", "input": None}]),
    HTTPException(404),
    HTTPException(405),
    HTTPException(408),
    HTTPException(400),
    HTTPException(503),
    RuntimeError("/etc/hidden"),
]


@pytest.mark.parametrize("error", EVERY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("language", list(Language))
def test_every_refusal_has_its_words(error: Exception, language: Language) -> None:
    """Each error becomes a document with title, detail and next step in the language asked for."""
    answer = problem_response(refusal_of(error, language, NOW), language)
    assert answer.media_type == "application/problem+json"
    assert answer.status_code >= 400
    assert b"hidden" not in bytes(answer.body)


def test_the_lock_out_says_for_how_long() -> None:
    """Seconds are rounded up, so that whoever waits them is not locked out still."""
    assert refusal_of(policy.LockedOut(NOW + timedelta(seconds=59.5)), Language.FRENCH, NOW).headers == {
        "Retry-After": "60"
    }


def test_roles_and_notes_are_in_the_catalogues() -> None:
    """Each role, and each note that planning can give, has its words."""
    notes = (
        "shell-makes-direction-moot",
        "group-empty",
        "other-supplier-at-same-time",
        "no-account",
        "no-host-key",
    )
    assert all(knows(f"role.{role.value}") for role in Role)
    assert all(knows(f"warning.{note}") for note in notes)
    assert say("role.planner", Language.FRENCH) == "planificateur"


@given(st.text(max_size=300))
def test_no_header_is_a_reason_to_fail(header: str) -> None:
    """Whatever an Accept-Language header holds, a language comes out."""
    assert preferred(header, Language.FRENCH) in Language
