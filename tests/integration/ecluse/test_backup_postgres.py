"""A backup of an installation on PostgreSQL, restored into other databases, by PostgreSQL's own programs."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import postgres
from tests.support.installed import change, doctor, ecluse, install
from tests.support.restored import PASSPHRASE, backup_key

pytestmark = pytest.mark.postgres


def run(*words: str | Path, passphrase: Path) -> Any:
    """Run ``ecluse``."""
    return ecluse(*[str(word) for word in words], ECLUSE_READER_PASSPHRASE_FILE=str(passphrase))


def test_two_databases_are_dumped_and_filled_again_or_not_at_all(tmp_path: Path) -> None:
    """Restored into two empty databases, the doctor is content; where one cannot be filled, the other stays empty."""
    server = postgres.shared()
    old, new, full = ([server.url(server.create()) for _ in range(2)] for _ in range(3))
    blocked = server.url(server.create())
    config = install(tmp_path / "data")
    passphrase, key, archive = tmp_path / "passphrase", tmp_path / "backup.pem", tmp_path / "one.backup"
    passphrase.write_text(PASSPHRASE)
    backup_key(key)
    shutil.copy(f"{key}.pub", config.parent / "keys/backup.pem.pub")
    change(config, "backup", 'recipients = ["keys/backup.pem.pub"]')
    moved = run("db", "migrate-to", old[0], "--traces-url", old[1], "--config", config, passphrase=passphrase)
    assert moved.exit_code == 0, moved.output
    use(config, old)
    for name in ("policy.db", "traces.db"):
        (config.parent / name).unlink()
    made = run("backup", "make", archive, "--config", config, passphrase=passphrase)
    assert made.exit_code == 0, made.output

    def restore(directory: Path, urls: list[str]) -> Any:
        where = ("--policy-url", urls[0], "--traces-url", urls[1])
        keys = ("--key", key, "--signer", config.parent / "keys/checkpoint-signing.pem.pub")
        return run("backup", "restore", archive, directory, *keys, *where, "--json", passphrase=passphrase)

    used = run("db", "migrate", "--config", config, passphrase=passphrase)
    assert used.exit_code == 0
    refused = restore(tmp_path / "refused", [full[0], old[1]])
    assert (refused.exit_code, "is not empty (table" in refused.stderr) == (1, True), refused.output
    # the second of the two that are filled has something in the way, which nobody sees before
    subprocess.run(
        ["psql", "-q", "-d", blocked, "-c", "CREATE VIEW hospitals AS SELECT 1 AS one"],
        check=True,
        timeout=60,
    )
    broken = restore(tmp_path / "refused", [blocked, full[1]])
    assert (broken.exit_code, "hospitals" in broken.stderr) == (1, True), broken.output
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "backup.pem", "backup.pem.pub", "data", "one.backup", "passphrase",
    ]  # fmt: skip

    done = restore(tmp_path / "restored", new)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["journal"]["intact"] is True
    restored = tmp_path / "restored/ecluse.toml"
    use(restored, new)
    assert [one for one in doctor(restored).values() if one["level"] == "failed"] == []
    again = restore(tmp_path / "again", full)
    assert again.exit_code == 0, "what was refused had left something in the first database"


def use(config: Path, urls: list[str]) -> None:
    """Let the installation use these databases."""
    for section, url in zip(("policy_database", "trace_database"), urls, strict=True):
        change(config, section, f'url = "{url}"')
