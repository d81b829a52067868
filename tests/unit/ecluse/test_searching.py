"""What was made for the search and the player stays only while somebody takes out of it what is erased."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from ecluse.searching import search_of
from ecluse.settings import build
from recorder.search.indexer import Indexer

HOSPITAL = "0" * 32


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        ({"enabled": False}, {"notes.txt"}),
        ({"replay_mib": 0}, {"notes.txt", f"{HOSPITAL}.db", f"{HOSPITAL}.db-wal"}),
        ({}, {"notes.txt", f"{HOSPITAL}.db", f"{HOSPITAL}.db-wal", "replay"}),
    ],
    ids=["no search", "no recordings", "both"],
)
def test_what_is_switched_off_is_removed(tmp_path: Path, chosen: dict[str, object], left: set[str]) -> None:
    """The index holds screens in the clear, and kept recordings are as open as their traces; what is not ours stays."""
    folder = tmp_path / "search"
    (folder / "replay" / HOSPITAL).mkdir(parents=True)
    for name in ("notes.txt", f"{HOSPITAL}.db", f"{HOSPITAL}.db-wal", f"replay/{HOSPITAL}/one.zip"):
        (folder / name).touch()
    settings = build({"hospital_id": HOSPITAL, "data_dir": str(tmp_path), "search": chosen}, "ecluse.toml")
    unused = cast(Any, None)
    found = search_of(settings, cast(Any, _Nothing()), unused, unused, cast(Any, _Nothing()), unused)
    assert {path.name for path in folder.iterdir()} == left
    assert (found is None) == (chosen.get("enabled") is False)


async def test_a_console_indexes_its_own_hospital_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A neighbour in the same databases has readers' keys and an index elsewhere: this console never looks at its traces."""
    settings = build({"hospital_id": HOSPITAL, "data_dir": str(tmp_path)}, "ecluse.toml")
    unused = cast(Any, None)
    found = search_of(settings, cast(Any, _Nothing()), unused, unused, cast(Any, _Nothing()), unused)
    assert found is not None
    asked: list[str] = []

    async def step(self: Indexer, hospital_id: str) -> int:
        if hospital_id in asked:
            raise asyncio.CancelledError
        asked.append(hospital_id)
        self.wake()
        return 0

    monkeypatch.setattr(Indexer, "step", step)
    with pytest.raises(asyncio.CancelledError):
        await found.run()
    assert asked == [HOSPITAL]


class _Nothing:
    """What is not asked."""

    def __getattr__(self, _name: str) -> Any:
        return self

    def __call__(self) -> datetime:
        return datetime(2026, 3, 3, tzinfo=UTC)
