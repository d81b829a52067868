"""The keys that open recordings: which there are, and unlocking one for a time."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from starlette.datastructures import FormData
from starlette.responses import Response

from admin_api.console.caller import text
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.listing import registry
from admin_api.console.staff.screens import AUDITORS, REPLAYERS, Screens
from admin_api.console.staff.view import go, harmless, page
from admin_api.problems import refusal_of
from admin_api.v1.readers import unlocked
from admin_api.wording import say as told
from policy.errors import InvalidInput, NotFound
from recorder.errors import ReaderKeyRefused, ReaderKeyUnusable
from recorder.seal.ring import Guard, ReaderState

screens = Screens()
screens.entry("menu.readers", "/console/readers", icon="lock", order=80, roles=AUDITORS)
MINUTES: Final = (15, 30, 60, 240, 720)
_USUAL: Final = "30"
_HOUR: Final = 60
_UNLOCKABLE: Final = frozenset({Guard.PASSPHRASE, Guard.TOKEN})


@screens.get("/console/readers", roles=AUDITORS)
async def show(caller: StaffCaller) -> Response:
    """List the keys, and which are unlocked, by whom, until when."""
    return await page(
        caller,
        "staff/readers.html",
        keys=[(state, standing(state)) for state in await caller.context.readers.states()],
        known=await registry(caller),
        may_unlock=not REPLAYERS.isdisjoint(caller.roles),
    )


@screens.get("/console/readers/{name}/unlock", roles=REPLAYERS)
async def ask(caller: StaffCaller) -> Response:
    """Ask for the passphrase or PIN of a key, and for how long it is to be open."""
    return await _asked(caller)


@screens.post("/console/readers/{name}/unlock", roles=REPLAYERS, fresh=True)
async def unlock(caller: StaffCaller, form: FormData) -> Response:
    """Unlock it; a wrong passphrase shows the form again."""
    state = await _lockable(caller)
    caller.kept = {"minutes": text(form, "minutes", longest=4)}
    secret = text(form, "password")
    if not secret:
        raise InvalidInput("secret", "is empty")
    lasting = timedelta(minutes=_minutes(caller.kept))
    try:
        await unlocked(caller.context, caller.principal, state.name, secret, lasting)
    except (ReaderKeyRefused, ReaderKeyUnusable) as refused:
        refusal = refusal_of(refused, caller.language, caller.context.clock.now())
        caller.fault = harmless(
            " ".join(
                told(f"problem.{refusal.slug}.{part}", caller.language, **refusal.arguments)
                for part in ("detail", "next")
            ),
            600,
        )
        return await _asked(caller, status=refusal.status)
    return go("/console/readers")


@screens.post("/console/readers/{name}/lock", roles=AUDITORS)
async def lock(caller: StaffCaller, _form: FormData) -> Response:
    """Lock it at once."""
    state = await _lockable(caller)
    await caller.context.readers.lock(caller.actor, state.name)
    return go("/console/readers")


def standing(state: ReaderState) -> str:
    """Return what a key is just now, in one word: elsewhere, always open, unlocked or locked."""
    if state.guard is Guard.ELSEWHERE:
        return "elsewhere"
    if state.guard is Guard.FILE:
        return "always"
    return "unlocked" if state.opened else "locked"


async def _asked(caller: StaffCaller, *, status: int = 200) -> Response:
    chosen = caller.kept.get("minutes", _USUAL)
    return await page(
        caller,
        "staff/reader_unlock.html",
        status=status,
        key=await _lockable(caller),
        spans=[(str(each), _span(each), str(each) == chosen) for each in MINUTES],
    )


async def _lockable(caller: StaffCaller) -> ReaderState:
    name = caller.path("name")
    for state in await caller.context.readers.states():
        if state.name == name and state.guard in _UNLOCKABLE:
            return state
    raise NotFound("reader key", name)


def _span(minutes: int) -> str:
    return f"{minutes} min" if minutes < _HOUR else f"{minutes // _HOUR} h"


def _minutes(kept: Mapping[str, str]) -> int:
    found = next((each for each in MINUTES if str(each) == kept["minutes"]), None)
    if found is None:
        raise InvalidInput("minutes", "choose one of the times")
    return found
