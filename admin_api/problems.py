"""Every refusal of the API as one kind of document: ``application/problem+json`` (RFC 9457).

Each names what was refused, the fields at fault, and what to do next; none holds a stack trace, a secret or the
name of something that the caller has no right to know of.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from admin_api import errors as mine
from admin_api.sayings import alternatives, said
from admin_api.v1.schemas.base import IDENTIFIER_FORM, NAME_FORM
from admin_api.v1.schemas.windows import LOCAL_TIME
from admin_api.wording import knows, say, say_in
from embedded.patience import refuses
from policy import errors as policy
from policy.domain.people import Language
from recorder import errors as recorder

MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """One field of the request and what is wrong with it."""

    field: str = Field(examples=["sites.0.networks"])
    message: str = Field(examples=["write a network such as 192.0.2.0/24"])


class Problem(BaseModel):
    """A refusal (RFC 9457), with the fields at fault and the next step."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:ecluse:problem:not-found",
                    "title": "Not found",
                    "status": 404,
                    "detail": "There is no device 'scan09' in this hospital.",
                    "next": "Check the name or the identifier; the list shows those that exist.",
                    "errors": [],
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    next: str = Field(description="What the caller can do about it.")
    errors: list[FieldError] = Field(default_factory=list)
    choices: list[str] = Field(
        default_factory=list,
        description="For a local time that exists twice (`fold`) or never (`shift`): what may be said of it.",
    )


@dataclass(frozen=True, slots=True)
class Refusal:
    """A problem before it is put into words; its instants are told by the clock of ``timezone`` (IANA name)."""

    slug: str
    status: int
    arguments: Mapping[str, object] = field(default_factory=dict)
    errors: Sequence[tuple[str, str]] = ()
    choices: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    timezone: str = "UTC"


_FORMS: Mapping[object, str] = {
    LOCAL_TIME: "invalid.local_time",
    NAME_FORM: "invalid.name",
    IDENTIFIER_FORM: "invalid.identifier",
}
"""What people are told instead of a regular expression."""
INTERNAL = Refusal("internal", 500)


def refusal_of(error: Exception, language: Language, now: datetime) -> Refusal:
    """Say how *error* is answered; anything unforeseen is an internal error that tells nothing. *now*: UTC."""
    match error:
        case RequestValidationError():
            return Refusal("invalid-input", 422, errors=_validation_errors(error, language))
        case HTTPException():
            return _of_routing(error)
        case mine.ApiError():
            return _of_edge(error, language)
        case policy.PolicyError():
            return _of_policy(error, language, now)
        case recorder.RecorderError():
            return _of_recorder(error, language, now)
        case SQLAlchemyError() if not refuses(error):
            return Refusal("recorder-unavailable", 503, headers={"Retry-After": "5"})
        case _:
            return INTERNAL


def problem_response(refusal: Refusal, language: Language) -> JSONResponse:
    """Put *refusal* into words and into a response."""
    title, detail, following = (
        say_in(refusal.timezone, f"problem.{refusal.slug}.{part}", language, **refusal.arguments)
        for part in ("title", "detail", "next")
    )
    document = Problem(
        type=f"urn:ecluse:problem:{refusal.slug}",
        title=title,
        status=refusal.status,
        detail=detail,
        next=following,
        errors=[FieldError(field=name, message=message) for name, message in refusal.errors],
        choices=list(refusal.choices),
    )
    return JSONResponse(
        document.model_dump(), refusal.status, headers=dict(refusal.headers), media_type=MEDIA_TYPE
    )


def _of_edge(error: mine.ApiError, language: Language) -> Refusal:
    match error:
        case mine.Unauthenticated():
            return Refusal("unauthenticated", 401, headers={"WWW-Authenticate": "Bearer"})
        case mine.InvitationRefused():
            return Refusal("invitation-refused", 401, headers={"WWW-Authenticate": "Bearer"})
        case mine.RoleMissing():
            spoken = ", ".join(say(f"role.{role}", language) for role in sorted(error.wanted))
            return Refusal("role-missing", 403, {"roles": spoken})
        case mine.BodyTooLarge():
            return Refusal("body-too-large", 413, {"limit": error.limit})
        case mine.BadCursor():
            return Refusal("invalid-input", 422, errors=[("after", say("invalid.cursor", language))])
        case mine.BadTimestamp():
            key = "invalid.moment" if error.bare else "invalid.timestamp"
            return Refusal("invalid-input", 422, errors=[(error.field, say(key, language))])
        case mine.TracePurged():
            return Refusal("trace-purged", 410, {"at": error.at}, timezone=error.timezone)
        case mine.TraceUnreadable():
            return Refusal("trace-unreadable", 409, {"why": said(error.why, language)})
        case _:
            return INTERNAL


def _of_policy(error: policy.PolicyError, language: Language, now: datetime) -> Refusal:
    match error:
        case policy.AmbiguousLocalTime():
            choices = ("first", "second") if error.choices else ("shift",)
            return Refusal(
                "ambiguous-local-time",
                422,
                errors=[(error.field, said(error.message, language))],
                choices=choices,
            )
        case policy.InvalidInput():
            return Refusal("invalid-input", 422, errors=[(error.field, said(error.message, language))])
        case policy.NotFound():
            noun = say(f"noun.{error.noun}", language) if knows(f"noun.{error.noun}") else error.noun
            return Refusal("not-found", 404, {"noun": noun, "name": error.key})
        case policy.SecretReused():
            return Refusal("secret-reused", 409)
        case policy.NameTaken():
            return Refusal("name-taken", 409, {"why": said(str(error), language)})
        case policy.AlreadySo():
            return Refusal("already-so", 409, {"why": said(str(error), language)})
        case policy.Conflict():
            return Refusal("conflict", 409, {"why": said(str(error), language)})
        case policy.Forbidden():
            return Refusal("forbidden", 403, {"why": said(str(error), language)})
        case policy.LockedOut():
            seconds = max(1, int((error.until - now).total_seconds()) + 1)
            return Refusal("locked-out", 429, {"seconds": seconds}, headers={"Retry-After": str(seconds)})
        case policy.AuthenticationFailed():
            return Refusal("authentication-failed", 401, headers={"WWW-Authenticate": "Bearer"})
        case policy.PolicyUnavailable():
            return Refusal("policy-unavailable", 503, headers={"Retry-After": "5"})
        case policy.VaultError():
            return Refusal("vault-unavailable", 503)
        case _:
            return INTERNAL


def _of_recorder(error: recorder.RecorderError, language: Language, now: datetime) -> Refusal:
    match error:
        case recorder.StoreUnreachable():
            return Refusal("store-unreachable", 503, headers={"Retry-After": "5"})
        case recorder.StoreUnavailable():
            return Refusal("store-unfit", 503)
        case recorder.QueryRefused():
            why = say(f"search.refused.{error.reason}", language, word=error.word)
            return Refusal("invalid-input", 422, errors=[("q", why)])
        case recorder.IndexUnavailable():
            return Refusal("search-unavailable", 503, headers={"Retry-After": "5"})
        case recorder.TraceNotFound():
            return Refusal("not-found", 404, {"noun": say("noun.trace", language), "name": ""})
        case recorder.ReaderKeyLocked():
            return Refusal("reader-locked", 423, {"names": ", ".join(error.names), "name": error.names[0]})
        case recorder.TraceSealed():
            return Refusal("trace-sealed", 409, {"why": said(str(error), language)})
        case recorder.ReaderKeyLockedOut():
            seconds = max(1, int((error.until - now).total_seconds()) + 1)
            return Refusal(
                "reader-locked-out", 429, {"seconds": seconds}, headers={"Retry-After": str(seconds)}
            )
        case recorder.ReaderKeyRefused():
            return Refusal("reader-refused", 403)
        case recorder.ReaderKeyUnusable():
            return Refusal("reader-unusable", 409, {"why": said(str(error), language)})
        case recorder.TraceFormatError() | recorder.SignatureInvalid():
            return Refusal("trace-unreadable", 409, {"why": str(error)})
        case _:
            return Refusal("recorder-unavailable", 503, headers={"Retry-After": "5"})


def _of_routing(error: HTTPException) -> Refusal:
    known = {404: "no-such-route", 405: "method-not-allowed"}
    slug = known.get(error.status_code, "bad-request" if error.status_code < 500 else "internal")
    return Refusal(slug, error.status_code, headers=error.headers or {})


def _validation_errors(error: RequestValidationError, language: Language) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for item in error.errors():
        place = [str(part) for part in item["loc"] if part not in ("body", "query", "path")]
        key = f"invalid.{item['type']}"
        limits = {
            str(name): alternatives(value, language) if name == "expected" else value
            for name, value in (item.get("ctx") or {}).items()
        }
        key = _FORMS.get(limits.get("pattern", ""), key)
        if not knows(key):
            key, limits = "invalid.value", {"why": str(item["msg"])[:200]}
        found.append((".".join(place) or "body", say(key, language, **limits)))
    return found
