"""What ``ecluse backup restore`` gives to whom, where the two programs have two system users."""

import shutil
from pathlib import Path

import pytest

from tests.support.installed import change, ecluse, install, members
from tests.support.restored import Safe

pytestmark = pytest.mark.integration


def test_what_is_made_anew_is_the_programs_users_too(tmp_path: Path) -> None:
    """Restored by root, the data directory, its folders and the databases let both users in, as ``init`` made them."""
    accounts = members("nogroup")
    if len(accounts) < 2:
        pytest.skip("not root, or no two users of one group")
    config, archive = install(tmp_path / "first"), tmp_path / "one.backup"
    safe = Safe.made(tmp_path, config)
    shutil.chown(config, group="nogroup")
    for part, user in zip(("gateway", "console"), accounts, strict=True):
        change(config, part, f'user = "{user}"')
    (config.parent / "databases").mkdir()
    for part, name in (("policy_database", "policy.db"), ("trace_database", "traces.db")):
        shutil.move(config.parent / name, config.parent / "databases" / name)
        change(config, part, f'url = "sqlite:///{config.parent}/databases/{name}"')
    assert ecluse("backup", "make", str(archive), "--config", str(config)).exit_code == 0
    data = tmp_path / "restored"
    words = (str(archive), str(data), "--key", str(safe.key), "--signer", str(safe.signer))
    done = ecluse("backup", "restore", *words, ECLUSE_READER_PASSPHRASE_FILE=str(safe.passphrase))
    assert done.exit_code == 0, done.output
    found = {name: f"{data.joinpath(name).stat().st_mode & 0o7777:o}" for name in (".", "run", "search")}
    assert found == {".": "750", "run": "3770", "search": "700"}
    assert {data.joinpath(name).group() for name in (".", "run")} == {"nogroup"}
    assert (data / "search").owner() == accounts[1]
    for name in ("policy.db", "traces.db"):
        kept = data / "databases" / name
        assert (kept.group(), f"{kept.stat().st_mode & 0o777:o}") == ("nogroup", "660")
