"""Made `proof-v1` once: an export of a small store with its traces, a time stamp and anchors. Kept to show how.

Usage: python -m tests.vectors.make_proof_v1 FOLDER
"""

import asyncio
import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ecluse.timestamps import Authorities
from recorder.proof.stamps import Stamper
from recorder.seal.timestamping import Authority, load_roots
from tests.support.proof_store import build
from tests.support.timestamp_authority import POLICY, timestamp_authority
from tests.support.traces import HOSPITAL

HOUR = timedelta(hours=1)


async def make(target: Path) -> None:
    """Record four sealed sessions, one of them in segments and one purged since, and export everything that proves."""
    with tempfile.TemporaryDirectory() as scratch, timestamp_authority(Path(scratch) / "tsa") as tsa:
        made, _ = await build(Path(scratch) / "store", start=datetime.now(UTC) - HOUR, apart=HOUR)
        for path in (made.folder / "traces").rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
        await made.purge(2)
        await made.checkpoint()
        known = Authority(name="test", url=tsa.url, roots=load_roots(tsa.ca), policy=POLICY)
        async with Authorities() as http:
            stamper = Stamper(
                made.database(),
                HOSPITAL,
                [known],
                post=http.post,
                tell=_unexpected,
                node="console",
                late_after=HOUR,
                now=made.clock,
            )
            failed = await stamper.stamp()
        if failed:
            raise SystemExit(f"no time stamp came: {failed}")
        await made.exported(target)
        shutil.move(target / "keys", target.with_name(f"{target.name}-keys"))
        await made.close()
        shutil.copytree(
            made.folder / "traces", target / "traces", ignore=shutil.ignore_patterns(".*", "live")
        )
        shutil.copyfile(made.anchors, target / "anchors.jsonl")
        shutil.copyfile(tsa.ca, target / "authority.pem")
        shutil.copyfile(made.folder / "reader-0.pem", target / "reader.pem")


async def _unexpected(name: str, facts: dict[str, object]) -> None:
    raise SystemExit(f"{name}: {facts}")


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1])))
