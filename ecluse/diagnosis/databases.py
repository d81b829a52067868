"""The two databases and the vault's keyring: whether they answer, and whether this version can use them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from ecluse import database_roles
from ecluse.diagnosis.symptom import Symptom, look
from ecluse.errors import SettingsError, StoreError
from ecluse.sections import Part
from ecluse.settings import Settings
from policy.errors import PolicyError
from policy.store.database import Database as PolicyDatabase
from policy.vault.keyring import Keyring
from recorder.errors import RecorderError
from recorder.store.database import Database as TraceDatabase

TOLD_RIGHTS = 5
"""How many of a role's rights are named at most."""

MANY = 1000
"""How many secrets under an old key are counted at most."""


async def stores(settings: Settings) -> list[Symptom]:
    """Look at whether both databases can be reached and have this version's schema, and of which kind they are."""
    symptoms = [await _policy(settings), await _traces(settings)]
    check = look("stores")
    symptoms.append(check.notice("embedded") if settings.evaluation_stores else check.good())
    return symptoms


async def roles(settings: Settings) -> list[Symptom]:
    """Look at whether the gateway's user of each PostgreSQL database can do what it must, and nothing more."""
    symptoms = []
    try:
        places = list(database_roles.databases(settings))
    except SettingsError:
        return []  # told by the databases' own checks
    for store, section, url in places:
        check, role = look("database_roles", store=store.name), section.user(Part.GATEWAY)
        if role is None:
            symptoms.append(check.notice("one"))
            continue
        try:
            async with database_roles.connected(url) as connection:
                found = await database_roles.compare(connection, role)
        except (StoreError, SQLAlchemyError) as error:
            symptoms.append(check.failed("unseen", why=error))
            continue
        if not found.known:
            symptoms.append(check.failed("unknown", role=role))
        for finding, rights in (("more", found.more), ("less", found.less)):
            if rights:
                told = [str(right) for right in rights]
                symptoms.append(check.failed(finding, role=role, rights=_some(told)))
        if found.known and not found.more and not found.less:
            symptoms.append(check.good(role=role))
    return symptoms


def _some(rights: list[str]) -> str:
    more = len(rights) - TOLD_RIGHTS
    return ", ".join(rights[:TOLD_RIGHTS]) + (f" (+{more})" if more > 0 else "")


async def keyring(settings: Settings) -> list[Symptom]:
    """Look at the vault's keys, and at what is still sealed under a retired one."""
    check = look("keyring", path=str(settings.keyring))
    try:
        keys = Keyring.load(settings.keyring)
        retired = keys.retired
    except PolicyError as error:
        return [check.failed("unusable", why=str(error))]
    if _absent(settings.policy_url) is not None:
        return [check.good(current=keys.current)]  # told by the database's own check
    try:
        async with opened(settings) as database, database.read() as view:
            stale = len(await view.sealed.not_under(keys.current, MANY))
    except (PolicyError, SettingsError):
        return [check.good(current=keys.current)]  # that the database fails is told by its own check
    if stale:
        return [check.notice("stale", count=stale, current=keys.current)]
    if retired:
        return [check.notice("retired", count=len(retired), current=keys.current)]
    return [check.good(current=keys.current)]


async def _policy(settings: Settings) -> Symptom:
    check = look("policy_database")
    absent = _absent(settings.policy_url)
    if absent is not None:
        return check.failed("absent", path=str(absent))
    try:
        async with opened(settings) as database, database.read() as view:
            hospitals = {hospital.id for hospital in await view.hospitals.list()}
    except (PolicyError, SettingsError) as error:
        return check.failed("unusable", why=error)
    return check.good() if settings.hospital_id in hospitals else check.failed("other_hospital")


async def _traces(settings: Settings) -> Symptom:
    check = look("trace_database")
    absent = _absent(settings.trace_url)
    if absent is not None:
        return check.failed("absent", path=str(absent))
    try:
        async with opened_traces(settings):
            return check.good()
    except (RecorderError, SettingsError) as error:
        return check.failed("unusable", why=error)


def _absent(url_of: Callable[[], str]) -> Path | None:
    """Return the file of an embedded database that is not there: to open it would make an empty one."""
    try:
        url = make_url(url_of())
    except SettingsError:
        return None
    if url.drivername != "sqlite" or not url.database or Path(url.database).exists():
        return None
    return Path(url.database)


def policy_is_absent(settings: Settings) -> bool:
    """Tell whether the embedded policy database is not there: to open it would make an empty one."""
    return _absent(settings.policy_url) is not None


def traces_are_absent(settings: Settings) -> bool:
    """Tell whether the embedded trace database is not there: to open it would make an empty one."""
    return _absent(settings.trace_url) is not None


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[PolicyDatabase]:
    """Open the policy database, as it is; raises PolicyUnavailable, SettingsError."""
    database = await PolicyDatabase.open(settings.policy_url())
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def opened_traces(settings: Settings) -> AsyncIterator[TraceDatabase]:
    """Open the trace database, as it is; raises RecorderError, SettingsError."""
    database = TraceDatabase(settings.trace_url())
    try:
        await database.check()
        yield database
    finally:
        await database.dispose()
