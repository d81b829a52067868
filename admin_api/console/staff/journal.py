"""The security journal, in the reader's words."""

from typing import Final

from starlette.responses import Response

from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.chronicle import Reader, tell, worded
from admin_api.console.staff.listing import PAGE, Choice, registry, wanted
from admin_api.console.staff.screens import AUDITORS, Screens
from admin_api.console.staff.view import go, page
from recorder.audit.journal import JournalFilters
from recorder.errors import JournalBroken

screens = Screens()
screens.entry("menu.journal", "/console/journal", icon="journal", order=60, roles=AUDITORS)
_KINDS: Final = (
    "access",
    "alarm",
    "authentication",
    "channel",
    "console",
    "derogation",
    "device",
    "hospital",
    "intervention",
    "journal",
    "person",
    "session",
    "supplier",
    "token",
    "trace",
    "window",
)
"""The first words of events' names, by which the list can be narrowed."""


@screens.get("/console/journal", roles=AUDITORS)
async def show(caller: StaffCaller) -> Response:
    """List the journal, the newest entry first."""
    known = await registry(caller)
    asked = wanted(caller, "name", "person", "device", "session")
    filters = JournalFilters(
        hospital_id=caller.hospital_id,
        name=asked.get("name"),
        person_id=asked.get("person"),
        device_id=asked.get("device"),
        session_id=asked.get("session"),
        since=asked.since,
        until=asked.until,
        newest_first=True,
    )
    try:
        found = await caller.context.journal.entries(filters, after=asked.after, limit=PAGE)
    except JournalBroken:
        if asked.after is None:
            raise
        return go(asked.link("/console/journal"))
    people = [
        Choice(value=one.id, label=f"{one.full_name} ({one.login})")
        for one in sorted(known.people.values(), key=lambda one: one.full_name.casefold())
    ]
    kinds = [*_KINDS, *([asked.values["name"]] if asked.get("name") not in {None, *_KINDS} else [])]
    return await page(
        caller,
        "staff/journal.html",
        entries=[tell(entry, Reader.of(caller), known) for entry in found.entries],
        asked=asked,
        known=known,
        people=people,
        kinds=kinds,
        event=lambda name: worded(Reader.of(caller), "event", name),
        older=None if found.after is None else asked.link("/console/journal", found.after),
        newest=asked.link("/console/journal") if asked.after is not None else None,
    )
