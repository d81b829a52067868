"""A real S3 server for the tests: a process of its own that honours object lock and permissions, or any other one.

``ECLUSE_TEST_S3_ENDPOINT`` points the tests at another server, with ``ECLUSE_TEST_S3_BUCKET`` (made with object lock),
``ECLUSE_TEST_S3_ACCESS_KEY``, ``ECLUSE_TEST_S3_SECRET_KEY`` and, where wanted, ``ECLUSE_TEST_S3_REGION`` and
``ECLUSE_TEST_S3_CA``. What the tests put there stays until its retention of some seconds is over.
"""

from __future__ import annotations

import atexit
import copy
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from ecluse.demo.ports import free_port
from ecluse.demo.processes import with_us
from recorder.settings import BucketSettings, LockMode, StoreCredentials

BUCKET = "ecluse-traces"
REGION = "us-east-1"
HOLDING = "s3:PutObjectLegalHold"
POLICIES = Path(__file__).parents[2] / "deploy" / "s3"
_EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}],
}
_ROOT = StoreCredentials("root", "root")


class S3Server:
    """A server of our own, which dies with this process; three users have the policies that operators are given."""

    def __init__(self) -> None:
        """Start it, make a bucket with object lock and the users, and from then on believe no stranger."""
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._process = subprocess.Popen(
            [*with_us(), sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        atexit.register(self.stop)
        self._wait()
        self._client("s3").create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
        self.owner = self._user("owner", _EVERYTHING)
        self.gateway = self._user("gateway", json.loads((POLICIES / "gateway-policy.json").read_text()))
        console = json.loads((POLICIES / "console-policy.json").read_text())
        self.console = self._user("console", console)
        self.holder = self._user("holder", _as_this_server_asks(console))
        """The console, where it sets holds: see `_as_this_server_asks`."""
        self._post("/moto-api/reset-auth", b"0")

    def settings(self, cache: Path, credentials: StoreCredentials | None = None) -> BucketSettings:
        """Return how to reach the bucket, by default as its owner."""
        return BucketSettings(
            bucket=BUCKET,
            endpoint=self.endpoint,
            region=REGION,
            credentials=credentials or self.owner,
            lock_mode=LockMode.COMPLIANCE,
            timeout_seconds=20,
            cache=cache,
        )

    def bucket(self, name: str, **more: Any) -> None:
        """Make another bucket."""
        self._client("s3", self.owner).create_bucket(Bucket=name, **more)

    def lifecycle(self, rules: dict[str, Any] | None) -> None:
        """Give the bucket these lifecycle rules; None: none."""
        client = self._client("s3", self.owner)
        if rules is None:
            client.delete_bucket_lifecycle(Bucket=BUCKET)
        else:
            client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration=rules)

    def pause(self) -> None:
        """Let it stand still: it accepts connections and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop it at once; a second time does nothing."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(60)
        atexit.unregister(self.stop)

    def _user(self, name: str, policy: dict[str, Any]) -> StoreCredentials:
        iam = self._client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return StoreCredentials(key["AccessKeyId"], key["SecretAccessKey"])

    def _client(self, service: Any, credentials: StoreCredentials = _ROOT) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
        )

    def _post(self, path: str, body: bytes) -> None:
        headers = {"Content-Type": "text/plain"}
        httpx.post(self.endpoint + path, content=body, headers=headers, timeout=60).raise_for_status()

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the S3 server does not start") from error
                time.sleep(0.05)
            else:
                return


def _as_this_server_asks(policy: dict[str, Any]) -> dict[str, Any]:
    """Return the policy with the one right that this server takes for another: it asks for PutObject to set a legal hold.

    Amazon's and MinIO's ask for PutObjectLegalHold alone. A test holds that nothing else differs, and that it still does.
    """
    asked = copy.deepcopy(policy)
    for statement in asked["Statement"]:
        if HOLDING in statement["Action"]:
            statement["Action"].append("s3:PutObject")
    return asked


@functools.cache
def shared() -> S3Server:
    """Return the server that all tests of this process share."""
    return S3Server()


def settings(cache: Path, prefix: str = "") -> BucketSettings:
    """Return how to reach the bucket that the tests may fill, as somebody who may do everything in it."""
    endpoint = os.environ.get("ECLUSE_TEST_S3_ENDPOINT")
    if endpoint is None:
        return replace(shared().settings(cache), prefix=prefix)
    told = {
        name: os.environ.get(f"ECLUSE_TEST_S3_{name}", "") for name in ("ACCESS_KEY", "SECRET_KEY", "BUCKET")
    }
    authority = os.environ.get("ECLUSE_TEST_S3_CA")
    return BucketSettings(
        bucket=told["BUCKET"],
        endpoint=endpoint,
        region=os.environ.get("ECLUSE_TEST_S3_REGION", REGION),
        prefix=prefix,
        credentials=StoreCredentials(told["ACCESS_KEY"], told["SECRET_KEY"]),
        authority=Path(authority) if authority else None,
        lock_mode=LockMode.GOVERNANCE,
        cache=cache,
    )


def own() -> S3Server:
    """Return the shared server, where its users and faults are the test; skips where the tests use another one."""
    if "ECLUSE_TEST_S3_ENDPOINT" in os.environ:
        pytest.skip("this test needs the users of the server that the tests start themselves")
    return shared()
