"""Checkpoints: the key that signs them, who stamps them, and whether anybody elsewhere remembers them."""

import os
from collections.abc import Iterator
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from admin_api.verification import LastVerified, last_verified
from ecluse.diagnosis.databases import opened_traces, traces_are_absent
from ecluse.diagnosis.symptom import Check, Symptom, look
from ecluse.errors import SettingsError
from ecluse.settings import Settings
from policy.clock import Clock
from recorder.audit.journal import Journal
from recorder.errors import RecorderError, SignatureInvalid, StampInvalid
from recorder.proof.notary import IDLE, newest_at
from recorder.seal.signing import PublicKey, SigningKey
from recorder.seal.timestamping import load_roots


def checkpoints(settings: Settings) -> Iterator[Symptom]:
    """Look at everything that checkpoints need on this machine; no authority and no other place is asked."""
    yield from _key(settings)
    yield from _authorities(settings)
    yield from _anchors(settings)


async def newest(settings: Settings, clock: Clock) -> list[Symptom]:
    """Look at how old the newest checkpoint is, a console that runs makes one a day at least, and the last verification."""
    check = look("checkpoints")
    if traces_are_absent(settings):
        return []  # told by the database's own check
    try:
        async with opened_traces(settings) as database:
            at = await newest_at(database, settings.hospital_id)
            journal = Journal(database, node=settings.node, now=clock.now)  # read, not written to
            verified = await last_verified(journal, settings.hospital_id)
    except (RecorderError, SettingsError, SQLAlchemyError):
        return []  # the same
    return [_checkpoint_of(check, at, clock.now()), *_verification_of(settings, verified, clock.now())]


def _checkpoint_of(check: Check, at: datetime | None, now: datetime) -> Symptom:
    if at is None:
        return check.good("none")
    hours = round((now - at).total_seconds() / 3600)
    return check.failed("old", hours=hours) if now - at > 2 * IDLE else check.good(hours=hours)


def _verification_of(settings: Settings, last: LastVerified | None, now: datetime) -> Iterator[Symptom]:
    check, every = look("verification"), settings.verification.every_days
    if last is not None and not last.intact:
        yield check.failed(
            "touched", detail=str(last.details.get("detail", "?")), at=f"{last.at:%Y-%m-%d %H:%M} UTC"
        )
    elif not every:
        yield check.notice("off")
    elif last is None:
        yield check.good("none")
    else:
        days = (now - last.at).days
        yield check.failed("old", days=days) if days > 2 * every else check.good(days=days)


def _key(settings: Settings) -> Iterator[Symptom]:
    path = settings.checkpoint_key
    check = look("checkpoint_key", path=str(path))
    if not path.exists():
        yield check.failed("missing")
        return
    try:
        key = SigningKey.load(path)
        known = {PublicKey.load(public).key_id for public in settings.checkpoint_public_keys}
    except SignatureInvalid as error:
        yield check.failed("unusable", why=str(error))
        return
    yield check.good(id=key.public.key_id) if key.public.key_id in known else check.failed("other")


def _authorities(settings: Settings) -> Iterator[Symptom]:
    for one in settings.checkpoints.authorities:
        check = look("stamp_authority", authority=one.name)
        try:
            load_roots(settings.data_dir / one.ca)
        except StampInvalid as error:
            yield check.failed("unusable", why=str(error))
        else:
            yield check.good(url=one.url)


def _anchors(settings: Settings) -> Iterator[Symptom]:
    chosen = settings.checkpoints
    check = look("checkpoint_anchors")
    if chosen.anchor_file is not None:
        path = settings.data_dir / chosen.anchor_file
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            yield check.failed("unwritable", path=str(path))
            return
    places = (chosen.anchor_file, chosen.anchor_syslog, chosen.anchor_bucket.bucket)
    count = sum(place is not None for place in places)
    if count:
        yield check.good(count=count)
    else:
        yield check.notice("stamped" if chosen.authorities else "none")
