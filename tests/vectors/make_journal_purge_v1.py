"""Made `journal-purge-v1` once: an export of a store whose journal lost what was past its time. Kept to show how.

Usage: python -m tests.vectors.make_journal_purge_v1 FOLDER
"""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.integration.recorder.test_journal_purge import Archive, build


async def make(target: Path) -> None:
    """Two chains of fourteen months: one gone as a whole, one from its front up to its last old head."""
    with tempfile.TemporaryDirectory() as scratch:
        archive = Archive(await build(Path(scratch)))
        await archive.purge()
        await archive.store.exported(target)
        await archive.store.close()
        shutil.copyfile(archive.store.anchors, target / "anchors.jsonl")


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1])))
