"""The collector that the journal is sent to: whether it takes what is sent, and how much waits for it."""

from datetime import timedelta
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from admin_api.syslog.errors import ExportError
from admin_api.syslog.exporter import READER, open_sender
from admin_api.syslog.senders import trust
from admin_api.syslog.settings import SyslogSettings, SyslogTransport
from ecluse import composition
from ecluse.diagnosis.databases import opened, policy_is_absent, traces_are_absent
from ecluse.diagnosis.symptom import Symptom, look
from ecluse.errors import SettingsError
from ecluse.settings import Settings
from policy.clock import Clock
from policy.domain.ids import HospitalId
from policy.errors import PolicyError
from recorder.audit.feed import JournalFeed, Position
from recorder.errors import RecorderError
from recorder.seal.signing import PublicKey
from recorder.store.database import Database

_PAGE: Final = 200


async def collector(settings: Settings, clock: Clock) -> list[Symptom]:
    """Look at the collector; nothing is said where none is named."""
    if settings.syslog.host is None:
        return []
    check = look("collector", place=f"{settings.syslog.host}:{settings.syslog.port}")
    try:
        told = composition.syslog_settings(settings)
    except SettingsError as error:
        return [check.failed("unusable", why=str(error))]
    if told is None:
        return []
    try:
        sender = await open_sender(told, trust(told))
    except ExportError as error:
        return [check.failed(error.key, why=str(error))]
    await sender.close()
    return [
        check.good() if told.transport is SyslogTransport.RELP else check.notice("unacknowledged"),
        *await _lag(settings, told, clock),
    ]


async def _lag(settings: Settings, told: SyslogSettings, clock: Clock) -> list[Symptom]:
    check = look("collector_lag")
    if policy_is_absent(settings) or traces_are_absent(settings):
        return []  # told by the databases' own checks
    hospital = HospitalId(settings.hospital_id)
    try:
        async with opened(settings) as database, database.read() as view:
            places = await view.bookmarks.get(hospital, READER)
        known = {writer: Position(at.seq, at.digest) for writer, at in places.items()}
        traces = Database(settings.trace_url())
        try:
            keys = [PublicKey.load(path) for path in settings.checkpoint_public_keys]
            feed = JournalFeed(traces, hospital, keys)
            waiting = await feed.behind(known)
            found = await feed.look(known, limit=_PAGE)
        finally:
            await traces.dispose()
    except (PolicyError, RecorderError, SettingsError, SQLAlchemyError):
        return []  # the same
    oldest = min((fed.entry.event.at for fed in found.fed if fed.entry is not None), default=None)
    age = timedelta(0) if oldest is None else clock.now() - oldest
    if age > told.late:
        return [check.notice("late", entries=waiting, age=age)]
    return [check.good(entries=waiting)]
