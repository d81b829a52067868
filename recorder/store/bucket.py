"""A bucket of an S3-compatible server: objects, their versions and their locks, and no word of traces."""

from __future__ import annotations

import base64
import functools
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import boto3.session
import botocore.session
from botocore.config import Config

from recorder.errors import StoreForbidden, StoreUnfit, TraceNotFound
from recorder.settings import BucketSettings
from recorder.store.refusals import lacks, told

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectVersionsOutputTypeDef

CONNECTIONS: Final = 32
AT_ONCE: Final = 1000
"""Objects that one page of a list holds."""
_CHUNK: Final = 1 << 20
_making = threading.Lock()  # a session makes one client at a time


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing tells of an object's newest version; ``tag`` changes with its bytes."""

    key: str
    size: int
    tag: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What a listing tells of one version of an object; ``newest``: a reader who names no version is given it."""

    key: str
    version: str
    size: int
    tag: str
    newest: bool


@dataclass(frozen=True, slots=True)
class Lock:
    """What keeps one version of an object, and its size."""

    size: int
    retain_until: datetime | None
    held: bool


class Bucket:
    """Blocking calls, each bounded by the settings' time limit between two signs of life of the server.

    Every method raises `StoreUnavailable` by its kinds.

    Args:
        settings: Where it is, and with which credentials.
    """

    def __init__(self, settings: BucketSettings) -> None:
        self._settings = settings
        self.name = settings.bucket
        self._client = client_of(settings, settings.timeout_seconds, attempts=2)
        self._probing: dict[float, S3Client] = {}
        self.where = f"the bucket {settings.bucket} at {settings.endpoint or 'Amazon, ' + settings.region}"

    def put(self, key: str, body: bytes) -> None:
        """Put an object that nothing keeps."""
        with told(self.where):
            self._client.put_object(Bucket=self.name, Key=key, Body=body)

    def put_locked(
        self, key: str, body: bytes | IO[bytes], sha256: str, *, until: datetime | None, held: bool
    ) -> None:
        """Put an object under retention and, where asked, a legal hold; the server refuses other bytes than told."""
        lock: dict[str, Any] = {}
        if until is not None:
            lock |= {"ObjectLockMode": self._settings.lock_mode.upper(), "ObjectLockRetainUntilDate": until}
        if held:
            lock |= {"ObjectLockLegalHoldStatus": "ON"}
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        with told(self.where):
            self._client.put_object(
                Bucket=self.name,
                Key=key,
                Body=body,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=checksum,
                **lock,
            )

    def listed(self, prefix: str, *, after: str = "", at_most: int | None = None) -> Iterator[Listed]:
        """The objects whose keys begin with the prefix and come after a key, in the order of their keys."""
        asked: dict[str, Any] = {"Bucket": self.name, "Prefix": prefix, "StartAfter": after}
        if at_most is not None:
            asked["PaginationConfig"] = {"MaxItems": at_most, "PageSize": min(at_most, AT_ONCE)}
        with told(self.where):
            for page in self._client.get_paginator("list_objects_v2").paginate(**asked):
                for each in page.get("Contents", ()):
                    yield Listed(each["Key"], each["Size"], each["ETag"])

    def folders(self, prefix: str) -> Iterator[str]:
        """The prefixes one level below, without the slash at their end."""
        with told(self.where):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix, Delimiter="/"
            )
            for page in pages:
                for each in page.get("CommonPrefixes", ()):
                    yield each["Prefix"].rstrip("/")

    def read(self, key: str, offset: int, limit: int) -> bytes:
        """Some bytes of an object, fewer at its end. Raises TraceNotFound where there is none."""
        with told(self.where, f"{self.where} has no object {key}"):
            answer = self._client.get_object(
                Bucket=self.name, Key=key, Range=f"bytes={offset}-{offset + limit - 1}"
            )
            return answer["Body"].read()

    def fetch(self, key: str, path: Path) -> None:
        """Copy an object to a new local file. Raises TraceNotFound where there is none, OSError for the disk."""
        with told(self.where, f"{self.where} has no object {key}"), path.open("xb") as file:
            answer = self._client.get_object(Bucket=self.name, Key=key)
            for chunk in answer["Body"].iter_chunks(_CHUNK):
                file.write(chunk)

    def lock(self, key: str, version: str | None = None) -> Lock:
        """What keeps an object's version, by default the newest. Raises TraceNotFound where there is none."""
        with told(self.where, f"{self.where} has no object {key}"):
            head = self._client.head_object(Bucket=self.name, Key=key, **_version(version))
        held = head.get("ObjectLockLegalHoldStatus") == "ON"
        return Lock(head["ContentLength"], head.get("ObjectLockRetainUntilDate"), held)

    def hold(self, key: str, version: str, *, held: bool) -> None:
        """Set or lift the legal hold on a version."""
        with told(self.where):
            self._client.put_object_legal_hold(
                Bucket=self.name, Key=key, VersionId=version, LegalHold={"Status": "ON" if held else "OFF"}
            )

    def versions(self, prefix: str, *, marks: bool = True) -> Iterator[tuple[str, str]]:
        """Key and version of everything whose key begins with the prefix, by default marks of deletion too."""
        for page in self._pages(prefix):
            for version in page.get("Versions", ()):
                yield version["Key"], version["VersionId"]
            for mark in page.get("DeleteMarkers", ()) if marks else ():
                yield mark["Key"], mark["VersionId"]

    def kept(self, prefix: str) -> Iterator[Kept]:
        """Every version of every object whose key begins with the prefix, in the order of their keys."""
        for page in self._pages(prefix):
            for each in page.get("Versions", ()):
                yield Kept(each["Key"], each["VersionId"], each["Size"], each["ETag"], each["IsLatest"])

    def _pages(self, prefix: str) -> Iterator[ListObjectVersionsOutputTypeDef]:
        with told(self.where):
            yield from self._client.get_paginator("list_object_versions").paginate(
                Bucket=self.name, Prefix=prefix
            )

    def delete(self, versions: Iterable[tuple[str, str]]) -> None:
        """Delete versions for good, in the order given. Raises StoreForbidden where the server keeps one."""
        # one by one: the right that is asked for is then of that object alone, on every kind of server
        for key, version in versions:
            try:
                with told(self.where):
                    self._client.delete_object(Bucket=self.name, Key=key, VersionId=version)
            except StoreForbidden as error:
                raise StoreForbidden(f"{self.where} keeps {key}: {error}") from error

    def remove(self, key: str) -> None:
        """Take an object off the lists; its versions stay until the bucket's lifecycle ends them."""
        with told(self.where):
            self._client.delete_object(Bucket=self.name, Key=key)

    def probe(self, key: str, timeout: float) -> None:
        """Put an object and take it off the lists again, without a second try."""
        client = self._probing.get(timeout)
        if client is None:  # once to connect, once to answer
            client = self._probing[timeout] = client_of(self._settings, timeout / 2, attempts=1)
        with told(self.where):
            client.put_object(Bucket=self.name, Key=key, Body=b"probe")
            client.delete_object(Bucket=self.name, Key=key)

    def examine(self) -> None:
        """Make sure that the bucket keeps versions and can lock objects, and locks none that is not told to.

        Raises:
            StoreUnfit: It does not.
        """
        with told(self.where):
            if self._client.get_bucket_versioning(Bucket=self.name).get("Status") != "Enabled":
                raise StoreUnfit(f"{self.where} keeps no versions: enable versioning, with object lock")
            found = self._client.get_object_lock_configuration(Bucket=self.name)
        configuration = found.get("ObjectLockConfiguration", {})
        if configuration.get("ObjectLockEnabled") != "Enabled":
            raise StoreUnfit(f"{self.where} has no object lock: make a bucket with it")
        if configuration.get("Rule"):
            raise StoreUnfit(
                f"{self.where} locks every object by a default retention, wraps and tails too: take the rule away"
            )

    def lifecycle(self) -> list[dict[str, Any]] | None:
        """The bucket's lifecycle rules that are enabled, as the server tells them; None where it knows no such thing."""
        try:
            with told(self.where, f"{self.where} has no lifecycle"):
                found = self._client.get_bucket_lifecycle_configuration(Bucket=self.name)
        except TraceNotFound:
            return []
        except StoreUnfit as error:
            if lacks(error):
                return None
            raise
        return [dict(rule) for rule in found.get("Rules", ()) if rule.get("Status") == "Enabled"]


def client_of(settings: BucketSettings, timeout: float, *, attempts: int) -> S3Client:
    """A client for these settings; its time limits are those between two signs of life."""
    credentials = settings.credentials
    config = Config(
        connect_timeout=timeout,
        read_timeout=timeout,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        max_pool_connections=CONNECTIONS,
        proxies={},  # the store is reached directly, whatever the environment says
        s3={"addressing_style": "path" if settings.endpoint is not None else "auto"},
        # other servers than Amazon's do not all know the checksums that newer clients add by themselves
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    with _making:
        return _session().client(
            "s3",
            region_name=settings.region,
            endpoint_url=settings.endpoint,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.session_token,
            verify=str(settings.authority) if settings.authority is not None else True,
            config=config,
        )


@functools.cache
def _session() -> boto3.session.Session:
    """What makes clients, one a process: it reads the library's large description of S3 once."""
    # what lies about in an environment or a home directory is no setting of ours
    lying_about = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return boto3.session.Session(botocore_session=botocore.session.Session(lying_about))


def _version(version: str | None) -> dict[str, Any]:
    return {} if version is None else {"VersionId": version}
