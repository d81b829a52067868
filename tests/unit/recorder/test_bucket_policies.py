"""The policies in ``deploy/s3``: what each grants, and what the bucket's own refuses everybody."""

import json
from fnmatch import fnmatch

from ecluse.sections import StoreSection
from policy.domain.keeping import LONGEST
from recorder.trace.place import MANIFEST, SIGNATURE
from tests.support import s3


def test_no_policy_lets_a_lock_be_lifted() -> None:
    """The gateway's policy lifts no hold, and neither has the right to pass over a retention or to change the bucket."""
    told = {name: (s3.POLICIES / f"{name}-policy.json").read_text() for name in ("gateway", "console")}
    assert "s3:PutObjectLegalHold" not in told["gateway"]
    assert "s3:GetObject" not in told["gateway"]
    adding = [one for one in json.loads(told["console"])["Statement"] if "s3:PutObject" in one["Action"]]
    added = ["checkpoints/*", "purge.json", "purge.sig"]
    wraps = [f"arn:aws:s3:::{s3.BUCKET}/*.wrap"]
    assert [one["Resource"] for one in adding] == [
        [f"arn:aws:s3:::{s3.BUCKET}/*/{name}" for name in added],
        wraps,
    ]
    for text in told.values():
        for right in ("s3:*", "Bypass", "s3:PutBucket", "s3:DeleteBucket"):
            assert right not in text


def test_the_buckets_own_policy_bounds_what_a_gateway_may_ask() -> None:
    """It denies everybody a trace without retention, for less than is asked of us, and for longer than a hospital keeps one."""
    told = json.loads((s3.POLICIES / "bucket-policy.json").read_text())["Statement"]
    remaining = "s3:object-lock-remaining-retention-days"
    bounds = {kind: one["Condition"][kind][remaining] for one in told for kind in one["Condition"]}
    least = StoreSection().retention_days - 1  # less the time that a request takes
    assert bounds == {"Null": "true", "NumericLessThan": str(least), "NumericGreaterThan": str(LONGEST)}
    assert {(one["Effect"], *one["Principal"]["AWS"]) for one in told} == {("Deny", "*")}
    locked = {"trace-000001.ecl", "tail-1.bin", MANIFEST, SIGNATURE}
    for one in told[:2]:
        patterns = [each.removeprefix("arn:aws:s3:::ecluse-traces/*/") for each in one["Resource"]]
        assert all(any(fnmatch(name, each) for each in patterns) for name in locked)
        assert not any(fnmatch(name, each) for each in patterns for name in ("0" * 16 + ".wrap", "0" * 20))
