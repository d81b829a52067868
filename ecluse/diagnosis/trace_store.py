"""Where traces are kept: whether it serves, whether it refuses to forget, and whether each side may do what it must."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from ecluse import composition
from ecluse.diagnosis.symptom import Check, Symptom, look
from ecluse.errors import SettingsError
from ecluse.settings import Settings
from policy.clock import Clock
from recorder.errors import (
    RecorderError,
    StoreForbidden,
    StoreFull,
    StoreUnavailable,
    StoreUnfit,
    StoreUnreachable,
)
from recorder.settings import BucketSettings

PROBED = timedelta(minutes=1)
"""For how long the object is locked that shows that a lock holds."""
PROBE_SECONDS = 5.0
_KINDS = (
    (StoreForbidden, "forbidden"),
    (StoreUnreachable, "unreachable"),
    (StoreFull, "full"),
    (StoreUnfit, "unfit"),
)


async def trace_store(settings: Settings, clock: Clock) -> list[Symptom]:
    """Look at the bucket with the credentials of both sides, or of the one that is here; in a folder's place, say what it is fit for."""
    check = look("trace_store", place=settings.store.bucket or str(settings.trace_folder))
    if settings.store.bucket is None:
        return [check.notice("folder")]
    try:
        adding = composition.bucket_settings(settings, settings.store_credentials)
        reading = (
            None
            if settings.console.elsewhere
            else composition.bucket_settings(settings, settings.console_store_credentials)
        )
    except SettingsError as error:
        return [check.failed("settings", why=error)]
    if adding is None:
        return []
    return await asyncio.to_thread(_examine, check, adding, reading, clock)


def _examine(
    check: Check, adding: BucketSettings, reading: BucketSettings | None, clock: Clock
) -> list[Symptom]:
    from recorder.store.bucket import Bucket

    gateway = Bucket(adding)
    live = f"{adding.prefix}/live/".removeprefix("/")
    key, digest = f"{live}.locked-probe", hashlib.sha256(b"probe").hexdigest()
    until = clock.now() + PROBED

    def adds() -> Symptom:
        gateway.probe(key, PROBE_SECONDS)
        gateway.examine()
        gateway.put_locked(key, b"probe", digest, until=until, held=False)
        return check.good("good", retention=adding.lock_mode)

    def reads(chosen: BucketSettings) -> Symptom:
        if adding.credentials == chosen.credentials:
            return check.notice("shared")
        console = Bucket(chosen)
        lock = console.lock(key)
        if (
            console.read(key, 0, 5) != b"probe"
            or lock.retain_until is None
            or lock.retain_until <= clock.now()
        ):
            return check.failed("unlocked")
        return check.good("console")

    def short() -> Symptom:
        """Whether the bucket's own policy refuses what a taken-over gateway might ask: a trace that is soon free."""
        try:
            gateway.put_locked(f"{key}s/manifest.json", b"probe", digest, until=until, held=False)
        except StoreForbidden:
            return check.good("bounded")
        return check.notice("unbounded")

    def ends() -> Symptom:
        rules = gateway.lifecycle()
        if rules is None:
            return check.notice("lifecycle_unknown")
        if taken := next((rule for rule in rules if _takes_traces(rule, live)), None):
            return check.failed("expires", rule=taken.get("ID") or "?")
        tails = any(
            live.startswith(_prefix(rule)) and "NoncurrentVersionExpiration" in rule for rule in rules
        )
        return check.good("lifecycle") if tails else check.notice("no_lifecycle")

    first = _told(check, adds)
    if first.level != "good":
        return [first]
    others = (short, ends) if reading is None else (partial(reads, reading), short, ends)
    return [first, *(_told(check, one) for one in others)]


def _takes_traces(rule: Mapping[str, Any], live: str) -> bool:
    """Whether a lifecycle rule takes objects, or versions of them, that are no tails: a lock only delays it."""
    takes = {"Days", "Date"} & set(rule.get("Expiration", ())) or "NoncurrentVersionExpiration" in rule
    return bool(takes) and not _prefix(rule).startswith(live)


def _prefix(rule: Mapping[str, Any]) -> str:
    chosen = rule.get("Filter", {})
    return str(rule.get("Prefix") or chosen.get("Prefix") or chosen.get("And", {}).get("Prefix") or "")


def _told(check: Check, look_at: Callable[[], Symptom]) -> Symptom:
    try:
        return look_at()
    except StoreUnavailable as error:
        kind = next((name for kind, name in _KINDS if isinstance(error, kind)), "refuses")
        return check.failed(kind, why=str(error))
    except RecorderError as error:  # what was put a moment ago is not there
        return check.failed("refuses", why=str(error))
