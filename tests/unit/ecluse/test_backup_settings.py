"""The settings of a backup, read where it is restored: each place that they name as it stands there."""

from pathlib import Path

from ecluse.backup import restoring


def test_settings_are_brought_along_by_whole_parts_of_a_path(tmp_path: Path) -> None:
    """A place that only begins as the data directory does stays what it was; one kept beside the tree is found there."""
    tree, elsewhere = tmp_path / "tree", tmp_path / "elsewhere"
    (elsewhere / "etc/ecluse").mkdir(parents=True)
    (elsewhere / "etc/ecluse/host").write_text("key")
    tree.mkdir()
    (tree / "ecluse.toml").write_text(
        f"""data_dir = "/srv/ec"
hospital_id = "{"0" * 32}"
[backup]
folder = "/srv/ecluse-backups"
recipients = ["/srv/ec/keys/backup.pem.pub"]
[gateway]
host_keys = ["/etc/ecluse/host", "/srv/ec/../ecluse/host"]
[policy_database]
url = "sqlite:////srv/ec/databases/policy.db"
[trace_database]
url = "sqlite:////srv/ecluse/traces.db"
"""
    )
    found = restoring.settings_of(tree, elsewhere, {"data_dir": "/srv/ec"})
    assert found.backup_folder == Path("/srv/ecluse-backups")
    assert list(found.backup_recipients) == [tree / "keys/backup.pem.pub"]
    assert list(found.host_keys) == [elsewhere / "etc/ecluse/host", Path("/srv/ec/../ecluse/host")]
    assert (found.policy_url(), found.trace_url()) == (
        f"sqlite:///{tree}/databases/policy.db",
        "sqlite:////srv/ecluse/traces.db",
    )
