"""Checkpoints: the key that signs them, who stamps them, and whether anybody elsewhere remembers them."""

import os
from collections.abc import Iterator

from ecluse.diagnosis.symptom import Symptom, look
from ecluse.settings import Settings
from recorder.errors import SignatureInvalid, StampInvalid
from recorder.seal.signing import PublicKey, SigningKey
from recorder.seal.timestamping import load_roots


def checkpoints(settings: Settings) -> Iterator[Symptom]:
    """Look at everything that checkpoints need on this machine; no authority and no other place is asked."""
    yield from _key(settings)
    yield from _authorities(settings)
    yield from _anchors(settings)


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
