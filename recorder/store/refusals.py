"""What an S3 store, or the way to it, says no with, in this package's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own, not the builtin
    HTTPClientError,
    SSLError,
)

from recorder.errors import (
    RecorderError,
    StoreForbidden,
    StoreFull,
    StoreUnavailable,
    StoreUnfit,
    StoreUnreachable,
    TraceNotFound,
)

_KEYS: Final = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
)
_FULL: Final = frozenset(
    {"QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity", "XMinioAdminBucketQuotaExceeded"}
)
_GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchLifecycleConfiguration", "404", "NotFound"})
_UNFIT: Final = frozenset(
    {
        "NoSuchBucket", "PermanentRedirect", "AuthorizationHeaderMalformed", "InvalidBucketName", "InvalidRequest",
        "ObjectLockConfigurationNotFoundError", "InvalidBucketState", "NotImplemented",
    }
)  # fmt: skip


def lacks(error: StoreUnfit) -> bool:
    """Tell whether the server refused because it has nothing of the kind, whoever asks."""
    cause = error.__cause__
    return isinstance(cause, ClientError) and cause.response.get("Error", {}).get("Code") == "NotImplemented"


@contextmanager
def told(where: str, missing: str | None = None) -> Iterator[None]:
    """Turn what botocore raises into `StoreUnavailable` by its kinds, or `TraceNotFound`.

    Args:
        where: The bucket and its address, for the message.
        missing: What is not there when the store knows no such object.
    """
    try:
        yield
    except ClientError as error:
        raise _refused(error, where, missing) from error
    except SSLError as error:
        raise StoreUnfit(f"{where} shows a certificate that cannot be trusted: {error}") from error
    except (ConnectionError, HTTPClientError) as error:
        raise StoreUnreachable(f"{where} does not answer: {error}") from error
    except BotoCoreError as error:
        raise StoreUnavailable(f"{where} cannot be asked: {error}") from error


def _refused(error: ClientError, where: str, missing: str | None) -> RecorderError:
    told = error.response.get("Error", {})
    code, said = str(told.get("Code", "")), str(told.get("Message", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _KEYS:
        return StoreForbidden(
            f"{where} does not accept the credentials ({code}): check the access key and its secret"
        )
    if code in _FULL or status == 507:
        return StoreFull(f"{where} has no room left ({code})")
    if missing is not None and code in _GONE:
        return TraceNotFound(missing)
    if code in _UNFIT or (status == 404 and missing is None):
        return StoreUnfit(f"{where} is not fit for traces ({code}): {said}")
    if status in {401, 403}:
        return StoreForbidden(f"{where} forbids {error.operation_name} to these credentials ({code})")
    if status >= 500 or status in {408, 429} or code in {"SlowDown", "RequestTimeout"}:
        return StoreUnreachable(f"{where} cannot serve now ({code or status})")
    return StoreUnavailable(f"{where} refuses {error.operation_name} ({code or status}): {said}")
