"""The console's templates, and what every screen shows: the menu, the hospital, whom to call, the language."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from jinja2 import Environment, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response

from admin_api.console.staff import assets, moments
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.screens import AUDITORS, Entry
from admin_api.console.staff.words import knows, say
from admin_api.templating import environment
from policy import i18n
from policy.domain.people import Language
from policy.errors import PolicyError
from recorder.replay.neutral import neutralise

SEE_OTHER: Final = 303
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Of every screen; Bootstrap's own pictures are ``data:``."""
PLAYER_POLICY: Final = POLICY.replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'")
"""Of a screen with the player, whose terminal is WebAssembly."""
_OTHER: Final = {Language.FRENCH: Language.ENGLISH, Language.ENGLISH: Language.FRENCH}
_LONGEST: Final = 300
_POWERS: Final = ("", "Ki", "Mi", "Gi", "Ti")
_MENU: list[Entry] = []


def set_menu(entries: list[Entry]) -> None:
    """Let these be the menu's lines, in their order."""
    _MENU[:] = sorted(entries, key=lambda entry: entry.order)


@cache
def _templates() -> Environment:
    made = environment("admin_api.console")
    made.filters["harmless"] = harmless
    made.filters["lasting"] = moments.lasting
    made.filters["size"] = size_here
    made.filters["clock"] = lambda seconds: moments.lasting(timedelta(seconds=seconds))
    made.globals["asset"] = assets.url
    return made


def harmless(text: object, longest: int = _LONGEST) -> str:
    """Return what a stranger said with nothing in it that acts, cut to *longest* characters."""
    told = str(text)
    return neutralise(told if len(told) <= longest else f"{told[:longest]}…")


def size(number: int | None, language: str = Language.FRENCH) -> str:
    """Return a number of bytes in the largest unit that leaves one digit before the point, as *language* writes it."""
    if number is None:
        return ""
    value, power = float(number), 0
    while value >= 1024 and power < len(_POWERS) - 1:
        value, power = value / 1024, power + 1
    digits = f"{value:.0f}" if power == 0 or value >= 100 else f"{value:.1f}"
    if language == Language.FRENCH:
        return f"{digits.replace('.', ',')} {_POWERS[power]}o"
    return f"{digits} {_POWERS[power]}B"


@pass_context
def size_here(context: Context, number: int | None) -> str:
    """Return a number of bytes as the page's language writes it: the templates' ``size``."""
    return size(number, context["language"])


async def page(
    caller: StaffCaller,
    template: str,
    *,
    status: int = 200,
    policy: str = POLICY,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Return the screen *template* with *values*, in the caller's language; everything put into it is escaped."""
    language, here, now = caller.language, caller.here, caller.context.clock.now()
    further = (i18n.load("policy"), *caller.context.vocabulary)

    badges = {**dict.fromkeys((entry.key for entry in _MENU), 0), **await _badges(caller)}

    def told(key: str, **arguments: object) -> str:
        return say(key, language, timezone=here.timezone, **arguments)

    def word(prefix: str, value: object) -> str:
        """The word for a value under a prefix; the value itself, made harmless, where no catalogue has one."""
        key = f"{prefix}.{value}"
        if knows(key):
            return told(key)
        found = next((one for one in further if one.knows(key)), None)
        return harmless(value, 80) if found is None else found.translate(key, language)

    def moment(at: datetime | None, *, relative: bool = True) -> Markup:
        if at is None:
            return Markup("–")
        return moments.when(at, now, language, here.timezone, relative=relative)

    html = (
        _templates()
        .get_template(template)
        .render(
            t=told,
            word=word,
            when=moment,
            since=lambda at: moments.lasting(max(timedelta(), now - at)),
            language=language.value,
            other=_OTHER[language].value,
            hospital=here,
            visitor=caller.visitor,
            roles={role.value for role in caller.roles},
            fresh=caller.visitor is not None and caller.visitor.fresh,
            menu=[entry for entry in _MENU if not entry.roles.isdisjoint(caller.roles)],
            path=caller.request.url.path,
            form_token=caller.form_token,
            fault=caller.fault,
            kept=caller.kept,
            missing=assets.missing(),
            badges=badges,
            **values,
        )
    )
    response = HTMLResponse(html, status, headers={"Content-Security-Policy": policy, **(headers or {})})
    caller.remember(response)
    return response


async def _badges(caller: StaffCaller) -> Mapping[str, int]:
    """Return how many things wait behind a line of the menu; nothing where nobody can tell just now."""
    if caller.visitor is None or AUDITORS.isdisjoint(caller.roles):
        return {}
    services, actor, here = caller.context.services, caller.actor, caller.hospital_id
    with suppress(PolicyError):
        return {
            "menu.alarms": await services.alarms.waiting(actor, here),
            "menu.retention": await services.retention.waiting(actor, here),
        }
    return {}


def go(path: str) -> Response:
    """Lead to another screen after a form was taken."""
    return RedirectResponse(path, SEE_OTHER)
