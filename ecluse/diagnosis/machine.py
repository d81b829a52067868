"""The machine itself: its clock, its limits, and the library the gateway's overrides are proven on."""

import ctypes
import resource
from contextlib import suppress
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version

from admin_api.console.staff.assets import missing
from ecluse.diagnosis.databases import policy_is_absent
from ecluse.diagnosis.symptom import Symptom, look
from ecluse.errors import SettingsError
from ecluse.settings import Settings
from ecluse.timekeepers import compare, synchronised
from policy.clock import Clock
from policy.errors import PolicyError
from policy.store.database import Database

ASYNCSSH_VERSION = "2.24.1"
LEAST_DESCRIPTORS = 4096
"""A session takes about four: the person's connection, the device's, the trace, a database."""
STA_UNSYNC = 0x0040  # adjtimex(2): the kernel's clock is not synchronised
LARGEST_DRIFT_MICROSECONDS = 1_000_000  # X17: one second
TIMEX_BYTES = 208  # sizeof(struct timex) on 64-bit Linux
TIMEX_LONG_FIELDS = 4  # modes (padded), offset, freq, maxerror come before esterror and status


async def clock() -> Symptom:
    """Look at whether the kernel's clock is synchronised: traces and codes are dated by it.

    Under systemd's ``ProtectClock=`` the kernel may not be asked, and systemd-timedated is.
    """
    check = look("clock")
    buffer = (ctypes.c_long * (TIMEX_BYTES // ctypes.sizeof(ctypes.c_long)))()
    library = ctypes.CDLL(None, use_errno=True)
    if library.adjtimex(ctypes.byref(buffer)) < 0:
        kept = await synchronised()
        if kept is None:
            return check.notice("unknown")
        return check.good("kept") if kept else check.notice("unsynchronised")
    error_microseconds = int(buffer[TIMEX_LONG_FIELDS - 1])
    status = int(buffer[TIMEX_LONG_FIELDS + 1]) & 0xFFFFFFFF
    if status & STA_UNSYNC:
        return check.notice("unsynchronised")
    if error_microseconds > LARGEST_DRIFT_MICROSECONDS:
        return check.failed("drifting", seconds=f"{error_microseconds / 1e6:.1f}")
    return check.good(milliseconds=f"{error_microseconds / 1000:.0f}")


async def timekeepers(settings: Settings, clock: Clock) -> list[Symptom]:
    """Look at how far the clock is from each one that can be asked; without any, nothing is said."""
    database: Database | None = None
    if not policy_is_absent(settings):
        with suppress(PolicyError, SettingsError):
            database = await Database.open(settings.policy_url())
    try:
        found = await compare(settings, database, clock)
    finally:
        if database is not None:
            await database.close()
    bound = timedelta(seconds=settings.start.clock_seconds)
    symptoms = []
    for one in found:
        check = look("timekeeper", keeper=one.keeper)
        told = f"{abs(one.drift.total_seconds()):.2f}"
        if one.beyond(bound):
            symptoms.append(check.failed("apart", seconds=told))
        elif one.unsure(bound):
            symptoms.append(check.notice("unsure", seconds=f"{one.offset.farthest.total_seconds():.2f}"))
        else:
            symptoms.append(check.good(seconds=told))
    if settings.start.despite_clock:
        symptoms.append(look("start_despite_clock").notice("set"))
    return symptoms


def descriptors() -> Symptom:
    """Look at how many files and connections a process may hold open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    check = look("descriptors")
    most = LEAST_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < LEAST_DESCRIPTORS:
        return check.notice("few", limit=soft, least=LEAST_DESCRIPTORS, most=most)
    return check.good(limit="∞" if soft == resource.RLIM_INFINITY else soft)


def assets() -> Symptom:
    """Look at whether the console has the files that set-up fetches for its screens."""
    check, absent = look("assets"), missing()
    return check.notice("missing", files=", ".join(absent)) if absent else check.good()


def library() -> Symptom:
    """Look at whether the SSH library is the one exact version."""
    check = look("asyncssh")
    try:
        found = version("asyncssh")
    except PackageNotFoundError:
        return check.failed("other", found="–", wanted=ASYNCSSH_VERSION)
    if found != ASYNCSSH_VERSION:
        return check.failed("other", found=found, wanted=ASYNCSSH_VERSION)
    return check.good(found=found)
