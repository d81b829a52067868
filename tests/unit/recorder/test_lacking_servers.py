"""Servers that lack what others have: the refusals of one that was tried, which no server of the tests' own gives."""

from pathlib import Path

import pytest
from botocore.stub import Stubber

from recorder.errors import StoreForbidden
from recorder.settings import BucketSettings, StoreCredentials
from recorder.store.bucket import Bucket


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    """A bucket that is never reached."""
    settings = BucketSettings(
        bucket="traces",
        endpoint="http://127.0.0.1:1",
        region="us-east-1",
        credentials=StoreCredentials("key", "secret"),
        cache=tmp_path,
    )
    return Bucket(settings)


def test_a_server_without_lifecycles_is_told_from_a_bucket_without_one(bucket: Bucket) -> None:
    """One has none for anybody, another has none yet, a third does not show it."""
    with Stubber(bucket._client) as server:
        operation = "get_bucket_lifecycle_configuration"
        server.add_client_error(operation, "NotImplemented", http_status_code=501)
        server.add_client_error(operation, "NoSuchLifecycleConfiguration", http_status_code=404)
        server.add_client_error(operation, "AccessDenied", http_status_code=403)
        assert bucket.lifecycle() is None
        assert bucket.lifecycle() == []
        with pytest.raises(StoreForbidden):
            bucket.lifecycle()
