"""``ecluse nodes new``: the data directory of one more gateway holds what a gateway needs and nothing of the console's."""

import os
import stat
from pathlib import Path

import pytest

from admin_api.registered_keys import RegisteredKeys
from ecluse import settings
from ecluse.selfaudit import signers
from recorder.seal.signing import PublicKey, SigningKey
from tests.support.installed import change, ecluse, init, install, tree


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings of an installation whose databases are on PostgreSQL, which nothing here asks anything."""
    made = install(tmp_path_factory.mktemp("first") / "data")
    for section in ("policy_database", "trace_database"):
        change(made, section, 'password_file = "/etc/ecluse/owner.pass"')
        change(made, section, 'url = "postgresql://ecluse@db.hospital.example/ecluse"')
    return made


def test_a_gateway_s_folder_holds_what_it_needs_and_no_more(config: Path, tmp_path: Path) -> None:
    """Vault, host keys and the readers' public halves are copied, its signing key is its own, and all is private."""
    folder = tmp_path / "node2"
    done = ecluse("nodes", "new", "node2", str(folder), "--config", str(config))
    assert done.exit_code == 0, done.output
    assert "/etc/ecluse/owner.pass" in done.output
    before, made = settings.load(config), settings.load(folder / "ecluse.toml")
    assert (made.node, made.data_dir, made.hospital_id) == ("node2", folder, before.hospital_id)
    assert (before.console.elsewhere, made.console.elsewhere) == (False, True)
    there = set(tree(folder))
    assert {"keys/host_ca", "keys/host_ed25519", "keys/readers/hospital.pem.pub", "spool"} <= there
    assert not there & {
        "keys/readers/hospital.pem",
        "keys/checkpoint-signing.pem",
        "tls",
        "search",
        "policy.db",
    }
    for path in ("keys/host_ed25519", *(f"keys/vault/{key.name}" for key in before.keyring.iterdir())):
        assert (folder / path).read_bytes() == (config.parent / path).read_bytes()
    own, first = (SigningKey.load(each.signing_key).public.key_id for each in (made, before))
    assert own != first
    assert {PublicKey.load(path).key_id for path in before.trace_public_keys} == {own, first}
    audits = SigningKey.load(signers.own_key(made)).public.key_id
    assert audits not in {own, first}, "who takes the gateway over does not audit it"
    assert [key.key_id for key in signers.known(before).of("node2")] == [audits]
    assert not any(
        (folder / path).stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) for path in ("", "keys", "spool")
    )
    again = ecluse("nodes", "new", "node2", str(tmp_path / "other"), "--config", str(config))
    assert (again.exit_code, (tmp_path / "other").exists()) == (1, False)
    assert "node2" in again.output


def test_a_gateway_that_could_not_be_made_takes_no_name(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its key cannot be registered, nothing of it is left, and the same name is made the next time."""

    def refuse(*_: object) -> None:
        raise OSError("read-only")

    def new() -> int:
        return ecluse("nodes", "new", "node6", str(tmp_path / "node6"), "--config", str(config)).exit_code

    with monkeypatch.context() as patch:
        patch.setattr(RegisteredKeys, "enter", refuse)
        assert new() == 1
    assert not settings.load(config).gateway_public_key("node6").exists()
    assert new() == 0


@pytest.mark.parametrize(
    ("name", "why"), [("node1", "node1"), ("Node 3", "names no gateway"), ("../node3", "names no gateway")]
)
def test_a_name_that_is_taken_or_no_name_makes_nothing(
    config: Path, tmp_path: Path, name: str, why: str
) -> None:
    """This gateway's own name, and what is none, are refused, and no key is left behind."""
    done = ecluse("nodes", "new", name, str(tmp_path / "node3"), "--config", str(config))
    assert done.exit_code == 1
    assert why in done.output
    assert not (tmp_path / "node3").exists()


def test_gateways_share_no_sqlite_and_no_folder_that_is_in_use(config: Path, tmp_path: Path) -> None:
    """An embedded database is refused with the way to PostgreSQL; a folder with something in it is left as it was."""
    (tmp_path / "used").mkdir()
    (tmp_path / "used/file").write_text("kept")
    done = ecluse("nodes", "new", "node4", str(tmp_path / "used"), "--config", str(config))
    assert done.exit_code == 1
    assert tree(tmp_path / "used") == ["file"]
    embedded = tmp_path / "embedded.toml"
    text = config.read_text().replace("[policy_database]", "[log]", 1).splitlines()
    embedded.write_text("\n".join(line for line in text if not line.startswith(("url =", "password_file ="))))
    change(embedded, "log", 'level = "info"')
    done = ecluse("nodes", "new", "node4", str(tmp_path / "node4"), "--config", str(embedded))
    assert done.exit_code == 1
    assert "migrate-to" in done.output
    assert not (tmp_path / "node4").exists()


@pytest.mark.parametrize("kind", ["another's", "open to all", "a link", "below what all may write to"])
def test_keys_are_brought_into_nobody_else_s_folder(config: Path, tmp_path: Path, kind: str) -> None:
    """An empty folder that somebody else owns, writes into or points away is refused, and nothing is written there."""
    folder, there = tmp_path / "node5", tmp_path / "there"
    there.mkdir()
    if kind == "a link":
        folder.symlink_to(there)
    elif kind == "below what all may write to":
        there.chmod(0o777)
        folder = there / "node5"
    else:
        folder.mkdir()
        if kind == "open to all":
            folder.chmod(0o777)
        elif os.geteuid() != 0:
            pytest.skip("root alone can give a folder away")
        else:
            os.chown(folder, 65534, 65534)
    done = ecluse("nodes", "new", "node5", str(folder), "--config", str(config))
    assert (done.exit_code, "belongs to somebody else" in done.output) == (1, True), done.output
    assert set(tree(tmp_path)) <= {"node5", "there"}
    refused = init(folder)
    assert (refused.exit_code, "belongs to somebody else" in refused.output) == (1, True), refused.output
    assert set(tree(tmp_path)) <= {"node5", "there"}
