"""Whose a further gateway's files are once the operator's page was followed: its user audits nothing to its own liking."""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ecluse import settings
from ecluse.diagnosis import users
from ecluse.diagnosis.symptom import Level
from tests.support.installed import change, ecluse, install

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other users")
PAGE = Path(__file__).parents[3] / "docs/operator.md"
GATEWAY, GROUP = 64101, 64103


def steps() -> list[str]:
    """What the page has root do with the folder, in each of its languages: the lines about owners and modes."""
    blocks = re.findall(r"^   ```sh\n((?:   .*\n)+?)   ```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    found = [block for block in blocks if "systemctl mask ecluse-console.socket" in block]
    assert len(found) == 2
    return [
        "\n".join(line for line in block.splitlines() if re.search(r"\bch(own|mod)\b", line))
        for block in found
    ]


@pytest.fixture
def brought() -> Iterator[Path]:
    """The settings of a further gateway's folder, as it is brought to its machine, where others may enter."""
    above = Path(tempfile.mkdtemp(prefix="ecluse-node-"))
    above.chmod(0o755)
    try:
        made = install(above / "first")
        for section in ("policy_database", "trace_database"):
            change(made, section, 'url = "postgresql://ecluse@db.hospital.example/ecluse"')
        change(made, "gateway", 'user = "ecluse-gateway"')
        change(made, "console", 'user = "ecluse-console"')
        change(made, "store", 'bucket = "ecluse-traces"')
        change(made, "store", 'ca = "tls/s3-ca.pem"')
        for name in ("tls/s3-ca.pem", "keys/store-credentials"):
            (made.parent / name).touch(0o600)
        done = ecluse("nodes", "new", "node2", str(above / "data"), "--config", str(made))
        assert done.exit_code == 0, done.output
        yield above / "data/ecluse.toml"
    finally:
        shutil.rmtree(above)


@pytest.mark.parametrize("language", [0, 1])
def test_the_page_leaves_the_gateway_s_user_what_it_needs_and_nothing_that_audits_it(
    brought: Path, language: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No command gives it the audit's key, not for a moment; doctor finds all in reach, and names what it could change."""
    account = SimpleNamespace(pw_uid=GATEWAY, pw_gid=GROUP)
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: account)
    monkeypatch.setattr(os, "getgrouplist", lambda _name, _gid: [GROUP])
    data = brought.parent
    key = data / "keys/self-audit.pem"
    follow = steps()[language].replace("/var/lib/ecluse", str(data))
    follow = follow.replace("ecluse-gateway:", f"{GATEWAY}:{GROUP}").replace("root:ecluse", f"0:{GROUP}")
    for part in re.split(r"&&|\n", follow):
        subprocess.run(["/bin/sh", "-ec", part], cwd=data, check=True)
        assert (key.stat().st_uid, key.stat().st_mode & 0o077) == (0, 0), part
    for shown in (data / "tls", data / "tls/s3-ca.pem"):
        assert (shown.stat().st_uid, shown.stat().st_gid, shown.stat().st_mode & 0o060) == (0, GROUP, 0o040)
    assert not (data / "keys/store-credentials").stat().st_mode & 0o077

    chosen = settings.load(brought)

    def found(name: str) -> list[tuple[Level, str]]:
        return [
            (one.level, one.finding.key)
            for one in users.accounts(chosen)
            if one.subject.key == f"doctor.{name}"
        ]

    assert found("audit_key") == [(Level.GOOD, "doctor.audit_key.good")]
    assert found("reach") == [(Level.GOOD, "doctor.reach.good")]
    for place in (brought, data, key.parent, key):
        before = place.stat()
        os.chown(place, GATEWAY, GROUP)
        place.chmod(0o700 if place.is_dir() else 0)  # an owner gives herself the rest
        assert found("audit_key") == [(Level.FAILED, "doctor.audit_key.changeable")], place
        os.chown(place, before.st_uid, before.st_gid)
        place.chmod(before.st_mode & 0o7777)
    change(brought, "console", 'user = "ecluse-gateway"')
    chosen = settings.load(brought)
    assert found("audit_key") == [(Level.GOOD, "doctor.audit_key.good")], (
        "one user for both is no reason not to look"
    )
