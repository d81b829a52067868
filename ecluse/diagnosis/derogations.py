"""Old devices: the derogations in force, those that end soon, and what nobody answers for any more."""

from collections.abc import Sequence
from datetime import datetime

from ecluse.diagnosis.databases import opened, policy_is_absent
from ecluse.diagnosis.symptom import Symptom, look
from ecluse.errors import SettingsError
from ecluse.settings import Settings
from policy.clock import Clock
from policy.domain.derogations import Derogation, covered_until, uncovered
from policy.domain.devices import Device
from policy.domain.ids import HospitalId
from policy.errors import PolicyError


async def derogations(settings: Settings, clock: Clock) -> list[Symptom]:
    """Look at each device that has a weakness; one line says so where none has."""
    if policy_is_absent(settings):
        return []  # told by the database's own check
    try:
        async with opened(settings) as database, database.read() as view:
            hospital = HospitalId(settings.hospital_id)
            devices = await view.devices.list(hospital)
            known = await view.derogations.list(hospital)
    except (PolicyError, SettingsError):
        return []  # the same
    old = [device for device in devices if device.algorithms.weaknesses]
    if not old:
        return [look("old_devices").good("none")]
    return [_of(device, [one for one in known if one.device_id == device.id], clock.now()) for device in old]


def _of(device: Device, known: Sequence[Derogation], at: datetime) -> Symptom:
    check = look("derogations", device=device.name)
    weaknesses = device.algorithms.weaknesses
    if open_ones := uncovered(weaknesses, known, at):
        over = any(one.weakness in open_ones for one in known)
        return check.notice("over" if over else "undecided", weaknesses=", ".join(open_ones))
    until = covered_until(weaknesses, known, at)
    standing = [one for one in known if one.in_force(at)]
    if any(one.expires_at == until and one.nearly_over(at) for one in standing):
        return check.notice("ending", until=until, weaknesses=", ".join(weaknesses))
    return check.good(until=until, weaknesses=", ".join(weaknesses))
