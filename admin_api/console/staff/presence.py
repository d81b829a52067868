"""Who was on a device, at an instant: the question of the morning after."""

from datetime import datetime, timedelta
from typing import Final

from starlette.responses import Response

from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.listing import registry
from admin_api.console.staff.screens import READERS, Screens
from admin_api.console.staff.view import page
from admin_api.console.staff.words import say
from admin_api.sayings import said
from admin_api.v1.presence import PresenceOut, who_was
from admin_api.wording import say as sentence
from policy.domain.local_time import to_utc
from policy.errors import InvalidInput, NotFound, PolicyError

screens = Screens()
_MINUTE: Final = timedelta(minutes=1)
_FIELDS: Final = ("device", "person", "supplier", "at")


@screens.get("/console/presence", roles=READERS)
async def show(caller: StaffCaller) -> Response:
    """Say who was there within the minute that was asked about; now, where none was."""
    asked = {name: caller.query(name, longest=100) for name in _FIELDS}
    found: PresenceOut | None = None
    status = 200
    if any(asked.values()) or caller.query("now"):
        try:
            found = await _found(caller, asked)
        except InvalidInput as refused:
            caller.fault, status = said(refused.message, caller.language), 422
        except NotFound as missing:
            caller.fault, status = (
                sentence("problem.not-found.detail", caller.language, noun=missing.noun, name=missing.key),
                404,
            )
    return await page(
        caller,
        "staff/presence.html",
        status=status,
        asked=asked,
        found=found,
        known=await registry(caller),
    )


async def _found(caller: StaffCaller, asked: dict[str, str]) -> PresenceOut:
    now = caller.context.clock.now()
    since, until = (now, None) if not asked["at"] else _minute(asked["at"], caller, now)
    names = {name: asked[name] or None for name in ("device", "person", "supplier")}
    return await who_was(caller.context, caller.principal, caller.language, since, until, **names)


def _minute(text: str, caller: StaffCaller, now: datetime) -> tuple[datetime, datetime | None]:
    """Return the minute of the hospital's clock that *text* names: where it is there twice, from the first to the second."""
    try:
        local = datetime.fromisoformat(text).replace(second=0, microsecond=0)
    except ValueError:
        raise InvalidInput("at", say("presence.unread", caller.language)) from None
    zone = caller.here.timezone
    try:
        first, last = (to_utc(local, zone, fold=side, field="at") for side in (0, 1))
    except PolicyError as refused:  # an hour that the clock left out
        raise InvalidInput("at", str(refused)) from refused
    if first > now:
        raise InvalidInput("at", say("presence.future", caller.language))
    end = last + _MINUTE
    return (first, end) if end <= now else (first, now if now > first else None)
