"""The network filter: the broker that opens ways, whether this machine routes, and what probes from outside found."""

import json
import socket
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from admin_api.alarms.causes import PROBE_LASTS, proves
from admin_api.probes import PROBED, genuine
from admin_api.registered_keys import RegisteredKeys
from ecluse.diagnosis.databases import opened_traces, traces_are_absent
from ecluse.diagnosis.symptom import Symptom, look
from ecluse.errors import SettingsError
from ecluse.sections import Flows
from ecluse.settings import Settings
from policy.clock import Clock
from recorder.audit.entries import JournalEntry
from recorder.audit.journal import Journal, JournalFilters
from recorder.errors import RecorderError

_PATIENCE: Final = 5.0
_ROUTING: Final = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")
_SWITCHES: Final = Path("/proc/sys/net")
_LOOKED_AT: Final = 100


def flows(settings: Settings) -> Symptom:
    """Look at whether the network filter is asked before a device is dialled, and whether its broker answers."""
    path = settings.data_dir / settings.gateway.flow_broker
    check = look("flows", path=str(path))
    if settings.gateway.flows is Flows.OFF:
        return check.notice("off")
    try:
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(_PATIENCE)
            caller.connect(str(path))
            caller.sendall(b"\n")  # no request: it opens nothing
            answer = json.loads(caller.makefile("rb").readline(256))
    except (OSError, ValueError) as error:
        return check.failed("silent", why=str(error))
    if answer != {"refused": "request"}:
        return check.failed("other", why=json.dumps(answer)[:100])
    return check.good("answers")


def routing() -> Symptom:
    """Look at whether this machine forwards packets: then it is a way around itself (T1, T2)."""
    check = look("routing")
    on: list[str] = []
    if not _SWITCHES.is_dir():  # a unit's ProcSubset=pid: hidden is not off
        return check.notice("unknown", why=f"{_SWITCHES} is not shown here")
    for name in _ROUTING:
        try:
            if (_SWITCHES / name).read_text().strip() != "0":
                on.append(f"net.{name.replace('/', '.')}")
        except FileNotFoundError:
            continue  # a kernel without that family forwards nothing of it
        except OSError as error:
            return check.notice("unknown", why=error.strerror or str(error))
    return check.notice("on", switches=", ".join(on)) if on else check.good("off")


async def probes(settings: Settings, clock: Clock) -> list[Symptom]:
    """Look at the newest probe of each vantage: that it was made, and what it found."""
    entries = await _reported(settings, clock)
    if entries is None:
        return []
    newest: dict[str, JournalEntry] = {}
    keys = RegisteredKeys(settings.probe_keys)
    for entry in entries:
        told = entry.event.details
        if not told.get("answered") and not told.get("refused") and not genuine(entry.event, keys):
            continue  # it says that nothing is wrong, and nobody who may say so signed it
        newest.setdefault(str(entry.event.details.get("vantage")), entry)
    if not newest:
        return [look("probes").notice("none")]
    return [_probe(vantage, entry, clock) for vantage, entry in sorted(newest.items())]


def _probe(vantage: str, entry: JournalEntry, clock: Clock) -> Symptom:
    check, told = look("probe", vantage=vantage), entry.event.details
    if told.get("answered") or told.get("refused"):
        return check.failed("bypass", found=str(told.get("found")))
    if told.get("missing"):
        return check.notice("unproved")
    # when it was made, not when it was handed in
    age = clock.now() - min(entry.event.at, datetime.fromisoformat(str(told["probed_at"])))
    if age > PROBE_LASTS:
        return check.notice("old", days=age.days)
    if not proves(told, entry.event.at):
        return check.notice("unproved")
    return check.good(hours=round(age.total_seconds() / 3600))


async def _reported(settings: Settings, clock: Clock) -> Sequence[JournalEntry] | None:
    """Return the newest probes' entries; None where the journal does not answer, which other checks tell."""
    if traces_are_absent(settings):
        return None
    asked = JournalFilters(hospital_id=settings.hospital_id, name=PROBED, newest_first=True)
    try:
        async with opened_traces(settings) as database:
            journal = Journal(database, node=settings.node, now=clock.now)
            return (await journal.entries(asked, limit=_LOOKED_AT)).entries
    except (RecorderError, SettingsError, SQLAlchemyError):
        return None
