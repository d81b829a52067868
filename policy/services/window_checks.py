"""What a window may name, and what its planner should know before she asks for approval."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from policy.domain.devices import Device
from policy.domain.ids import DeviceId, HospitalId, PersonId
from policy.domain.interventions import Intervention
from policy.domain.people import Role
from policy.domain.windows import Channel, Forward, IdleRule, Window
from policy.engine.rules.traces import CENTRAL_ONLY
from policy.errors import InvalidInput
from policy.services import inputs
from policy.store.unit_of_work import View

LONGEST_SILENCE: Final = timedelta(hours=1)
LONGEST_OUTPUT: Final = timedelta(hours=24)
LONGEST_GRACE: Final = timedelta(hours=4)
LONGEST_LABEL: Final = 40
MOST_FORWARDS: Final = 16
SSH_PORT: Final = 22
_DIRECTIONS: Final = frozenset({Channel.SFTP_UP, Channel.SFTP_DOWN})
_COMMANDS: Final = frozenset({Channel.SHELL, Channel.EXEC})


async def check_people(
    view: View, hospital_id: HospitalId, people: Iterable[PersonId], intervention: Intervention
) -> frozenset[PersonId]:
    """Return the people of a window: active technicians of the intervention's supplier, at least one."""
    found = frozenset(people)
    if not found:
        raise InvalidInput("people", "name at least one technician")
    for person_id in sorted(found):
        person = await view.people.get(hospital_id, person_id)
        if Role.TECHNICIAN not in person.roles or person.supplier_id != intervention.supplier_id:
            raise InvalidInput("people", f"{person.login} is no technician of the intervention's supplier")
        if not person.active:
            raise InvalidInput("people", f"{person.login} is suspended")
    return found


async def check_devices(
    view: View, hospital_id: HospitalId, devices: Iterable[DeviceId], groups: Iterable[str]
) -> tuple[frozenset[DeviceId], frozenset[str]]:
    """Return what a window may reach: devices of this hospital, or groups; at least one of either."""
    named = frozenset(devices)
    grouped = frozenset(inputs.name(group, "groups") for group in groups)
    if not named and not grouped:
        raise InvalidInput("devices", "name at least one device or one group")
    for device_id in sorted(named):
        await view.devices.get(hospital_id, device_id)
    return named, grouped


def check_channels(channels: Iterable[Channel], forwards: tuple[Forward, ...] = ()) -> frozenset[Channel]:
    """Return the channels: at least one, but where a port is all that is needed."""
    found = frozenset(inputs.choice(Channel, channel, "channels") for channel in channels)
    if not found and not forwards:
        raise InvalidInput(
            "channels", "allow at least one of: " + ", ".join(channel.value for channel in Channel)
        )
    return found


async def check_forwards(
    view: View, hospital_id: HospitalId, forwards: Iterable[Forward], devices: Iterable[DeviceId]
) -> tuple[Forward, ...]:
    """Return the ports of the device that a window lets through, by number, each once.

    Never its SSH port: a session inside the session would be sealed, and nobody could read it again.
    """
    found = sorted(
        (
            Forward(
                port=inputs.port(forward.port, "forwards"),
                label=None
                if forward.label is None
                else inputs.line(forward.label, "forwards", longest=LONGEST_LABEL),
            )
            for forward in forwards
        ),
        key=lambda forward: forward.port,
    )
    if len(found) > MOST_FORWARDS:
        raise InvalidInput("forwards", f"name at most {MOST_FORWARDS} ports")
    ports = {forward.port for forward in found}
    if len(ports) < len(found):
        raise InvalidInput("forwards", "name each port once")
    own = {SSH_PORT} | {(await view.devices.get(hospital_id, each)).port for each in sorted(devices)}
    if not ports.isdisjoint(own):
        raise InvalidInput("forwards", "leave out the port of SSH: allow a shell or files instead")
    return tuple(found)


def check_grace(asked: timedelta | None, least: timedelta, intervention: Intervention) -> timedelta:
    """Return how long a session outlasts an unreachable trace store (T11): *least*, or longer where it was asked."""
    if asked is None:
        return least
    if intervention.kind not in CENTRAL_ONLY:
        raise InvalidInput(
            "outage_grace_seconds", "leave it out: only a télémaintenance ends with the trace store (T12)"
        )
    if not least <= asked <= LONGEST_GRACE:
        raise InvalidInput(
            "outage_grace_seconds",
            "write at least the installation's grace and at most 4 hours",
        )
    return asked


def check_idle(idle: IdleRule) -> IdleRule:
    """Return the idle rule (T10): a delay always, and a ceiling where output counts as activity."""
    if not timedelta(0) < idle.limit <= LONGEST_SILENCE:
        raise InvalidInput("idle.limit", "write more than zero and at most an hour")
    if not idle.output_counts:
        if idle.ceiling is not None:
            raise InvalidInput("idle.ceiling", "leave it out, or let output count")
        return idle
    if idle.ceiling is None or not idle.limit <= idle.ceiling <= LONGEST_OUTPUT:
        raise InvalidInput("idle.ceiling", "write at least the idle limit and at most 24 hours")
    return idle


async def warnings(view: View, window: Window, intervention: Intervention) -> tuple[str, ...]:
    """Return the message keys of what the planner should know of *window*; none of them refuses it."""
    found: list[str] = []
    if window.channels & _COMMANDS and len(window.channels & _DIRECTIONS) == 1:
        found.append("warning.shell-makes-direction-moot")
    if window.forwards:
        found.append("warning.forward-unreadable")
    reached = {
        device.id: device for device in await view.devices.in_groups(window.hospital_id, list(window.groups))
    }
    if any(not any(group in device.groups for device in reached.values()) for group in window.groups):
        found.append("warning.group-empty")
    for device_id in window.devices:
        reached[device_id] = await view.devices.get(window.hospital_id, device_id)
    if any(not device.host_keys for device in reached.values()):
        found.append("warning.no-host-key")
    if await _account_missing(view, window, reached):
        found.append("warning.no-account")
    if await _others_there(view, window, intervention, reached.values()):
        found.append("warning.other-supplier-at-same-time")
    return tuple(found)


async def _account_missing(view: View, window: Window, reached: Iterable[DeviceId]) -> bool:
    for device_id in reached:
        accounts = await view.accounts.list(window.hospital_id, device_id)
        if not any(
            account.active and account.vaulted and window.allows_account(account.name) for account in accounts
        ):
            return True
    return False


async def _others_there(
    view: View, window: Window, intervention: Intervention, reached: Iterable[Device]
) -> bool:
    devices = list(reached)
    groups = window.groups.union(*(device.groups for device in devices))
    others = await view.windows.on_devices(
        window.hospital_id,
        [device.id for device in devices],
        groups,
        min(one.start for one in window.occurrences),
        max(one.end for one in window.occurrences),
    )
    for other in others:
        if other.id == window.id or not _overlap(window, other):
            continue
        theirs = await view.interventions.get(other.hospital_id, other.intervention_id)
        if theirs.supplier_id != intervention.supplier_id:
            return True
    return False


def _overlap(one: Window, other: Window) -> bool:
    return any(
        mine.start < theirs.end and theirs.start < mine.end
        for mine in one.occurrences
        for theirs in other.occurrences
    )
