"""The templates, and what every page shows: the hospital, whom to call, the language, the steps."""

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Final

from jinja2 import Environment
from starlette.responses import HTMLResponse

from admin_api.console.caller import Caller
from admin_api.console.words import say
from admin_api.templating import environment
from policy.domain.hospitals import Hospital
from policy.domain.people import Language
from policy.errors import PolicyUnavailable

_OTHER: Final = {Language.FRENCH: Language.ENGLISH, Language.ENGLISH: Language.FRENCH}


@cache
def _templates() -> Environment:
    return environment("admin_api.console")


async def page(
    caller: Caller,
    template: str,
    *,
    status: int = 200,
    language: Language | None = None,
    hospital: Hospital | None = None,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Return the page *template* with *values*, in the caller's *language* unless told.

    Everything put into it is escaped; templates hold no other way in.
    """
    here = hospital or await _here(caller)
    return _rendered(caller, template, here, status, language or caller.language, headers or {}, values)


async def unavailable(caller: Caller) -> HTMLResponse:
    """Return the page that says that nothing can be done now; where policy is away, without the hospital's name."""
    here: Hospital | None = None
    with suppress(PolicyUnavailable):
        here = await _here(caller)
    return _rendered(caller, "unavailable.html", here, 503, caller.language, {"Retry-After": "5"}, {})


async def _here(caller: Caller) -> Hospital:
    return await caller.context.services.hospitals.get(caller.context.settings.hospital_id)


def _rendered(
    caller: Caller,
    template: str,
    here: Hospital | None,
    status: int,
    spoken: Language,
    headers: Mapping[str, str],
    values: Mapping[str, Any],
) -> HTMLResponse:
    def told(key: str, **arguments: object) -> str:
        return say(key, spoken, timezone="UTC" if here is None else here.timezone, **arguments)

    html = (
        _templates()
        .get_template(template)
        .render(
            t=told,
            language=spoken.value,
            other=_OTHER[spoken].value,
            hospital=here,
            form_token=caller.form_token,
            path=caller.request.url.path if not caller.request.url.path.startswith("/i/") else "/account",
            **values,
        )
    )
    response = HTMLResponse(html, status, headers=dict(headers))
    caller.remember(response)
    return response
