"""The general cut: whether one keeps everybody out, since when, by whom, and how to reopen."""

from datetime import datetime
from zoneinfo import ZoneInfo

from ecluse.diagnosis.databases import opened, policy_is_absent
from ecluse.diagnosis.symptom import Symptom, look
from ecluse.errors import SettingsError
from ecluse.settings import Settings
from policy.domain.ids import HospitalId
from policy.errors import NotFound, PolicyError


async def general_cut(settings: Settings) -> list[Symptom]:
    """Look at whether access is open; the line is there on either answer, for whoever finds that nobody gets in."""
    if policy_is_absent(settings):
        return []  # told by the database's own check
    try:
        async with opened(settings) as database, database.read() as view:
            hospital = await view.hospitals.get(HospitalId(settings.hospital_id))
            closure = hospital.closure
            if closure is None:
                return [look("general_cut").good()]
            try:
                by = (await view.people.get(hospital.id, closure.by)).full_name
            except NotFound:
                by = closure.by
    except (PolicyError, SettingsError):
        return []  # the same
    since = _wall(closure.at, hospital.timezone)
    return [look("general_cut").notice("closed", since=since, by=by, reason=closure.reason)]


def _wall(at: datetime, timezone: str) -> str:
    return at.astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M %Z")
