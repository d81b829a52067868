"""One request to the pages: who asks, in which language, and whether a form really comes from one of them."""

import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from admin_api.console.errors import FormRefused
from admin_api.deps import Context, source_of
from admin_api.wording import preferred
from policy.domain.people import Language
from policy.vault.secret import Secret

VISIT: Final = "__Host-ecluse-visit"
"""The bearer's secret of a visit; gone with the browser, unseen by scripts, sent from our own pages only."""
FORMS: Final = "__Host-ecluse-forms"
"""What the forms' tokens are made from before there is a visit."""
LANGUAGE: Final = "__Host-ecluse-language"
CONSOLE: Final = "__Host-ecluse-console"
"""The bearer's secret of a session of the console, kept as the visit's is."""
_FIELD: Final = "form_token"
_LONGEST_COOKIE: Final = 200
_YEAR_SECONDS: Final = 365 * 24 * 3600
_MOST_FIELDS: Final = 20


@dataclass(slots=True)
class Caller:
    """What a page knows of its request. ``visit`` is what the browser showed, judged by nobody yet."""

    request: Request
    context: Context
    visit: Secret | None
    forms: str
    language: Language
    chose_language: bool

    @classmethod
    def of(cls, request: Request, context: Context, cookie: str = VISIT) -> Self:
        """Read the request's cookies and wishes; nothing in it is believed. *cookie* holds the bearer's secret."""
        shown = _cookie(request, cookie)
        spoken = _cookie(request, LANGUAGE)
        chosen = spoken in {language.value for language in Language}
        wish = preferred(request.headers.get("accept-language"), Language.FRENCH)
        return cls(
            request=request,
            context=context,
            visit=Secret(shown) if shown else None,
            forms=_cookie(request, FORMS) or secrets.token_urlsafe(32),
            language=Language(spoken) if chosen else wish,
            chose_language=chosen,
        )

    @property
    def source(self) -> str:
        """The peer's address."""
        return source_of(self.request)

    @property
    def form_token(self) -> str:
        """What every form of ours carries, and no page from elsewhere can know."""
        bound = self.visit.reveal() if self.visit is not None else ""
        return hashlib.sha256(f"form {self.forms} {bound}".encode()).hexdigest()

    @asynccontextmanager
    async def form(self) -> AsyncIterator[FormData]:
        """Give the form, and let go of its files at the end.

        Raises FormRefused for one that does not come from these pages, or is malformed.

        The browser says where it comes from (Fetch metadata, Origin); the token says it too, for those that do not.
        """
        headers = self.request.headers
        site = headers.get("sec-fetch-site")
        origin = headers.get("origin")
        if site is not None and site != "same-origin":
            raise FormRefused
        # without a referrer, browsers send "null" as the origin of their own pages' forms
        if site is None and origin not in {None, "null", f"https://{headers.get('host')}"}:
            raise FormRefused
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in {"application/x-www-form-urlencoded", "multipart/form-data"}:
            raise FormRefused
        try:
            form = await self.request.form(max_files=1, max_fields=_MOST_FIELDS)
        except Exception as malformed:  # whatever the parser raises, the form is not ours
            raise FormRefused from malformed
        try:
            token = form.get(_FIELD)
            if not isinstance(token, str) or not hmac.compare_digest(
                token.encode("utf-8", "surrogatepass"), self.form_token.encode()
            ):
                raise FormRefused
            yield form
        finally:
            await form.close()

    def remember(self, response: Response) -> Response:
        """Set the cookies that this caller goes on with."""
        if _cookie(self.request, FORMS) != self.forms:
            _set(response, FORMS, self.forms)
        return response


def text(form: FormData, name: str, *, longest: int = 1024) -> str:
    """Return a field of text, bounded; empty where there is none."""
    value = form.get(name)
    return value[: longest + 1] if isinstance(value, str) else ""


def begin_visit(response: Response, secret: Secret, cookie: str = VISIT) -> Response:
    """Hand the bearer's secret of a visit to the browser."""
    _set(response, cookie, secret.reveal())
    return response


def end_visit(response: Response, cookie: str = VISIT) -> Response:
    """Take the visit back from the browser."""
    response.delete_cookie(cookie, path="/", secure=True, httponly=True, samesite="strict")
    return response


def keep_language(response: Response, language: Language) -> Response:
    """Remember the language chosen."""
    _set(response, LANGUAGE, language.value, age=_YEAR_SECONDS)
    return response


def _set(response: Response, name: str, value: str, age: int | None = None) -> None:
    response.set_cookie(name, value, max_age=age, path="/", secure=True, httponly=True, samesite="strict")


def _cookie(request: Request, name: str) -> str:
    value = request.cookies.get(name, "")
    return value if len(value) <= _LONGEST_COOKIE and value.isascii() else ""
