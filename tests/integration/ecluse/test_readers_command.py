"""``ecluse readers``: keys are made, listed, and never written over; without one the gateway does not start."""

import json
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from recorder.seal.wrapping import generate_reader_key
from tests.support.installed import ecluse, init


def test_a_new_key_is_its_owners_and_is_sealed_for_next(tmp_path: Path) -> None:
    """The private half is 0600, the list shows both keys, and a second of the same name is refused."""
    init(tmp_path / "data")
    config = ("--config", str(tmp_path / "data/ecluse.toml"))
    made = json.loads(ecluse("readers", "new", "rssi", *config, "--json").stdout)
    assert stat.S_IMODE(Path(made["path"]).stat().st_mode) == 0o600
    listed = json.loads(ecluse("readers", "list", *config, "--json").stdout)
    assert [(row["path"].rsplit("/", 1)[1], row["private"]) for row in listed] == [
        ("hospital.pem.pub", True),
        ("rssi.pem.pub", True),
    ]
    assert made["id"] in {row["id"] for row in listed}
    with closing(sqlite3.connect(tmp_path / "data/traces.db")) as journal:
        [(actor, content)] = journal.execute(
            "SELECT actor, content FROM journal_entries WHERE name = 'readers.made'"
        ).fetchall()
    assert actor.startswith("system user ")
    assert json.loads(content)["event"]["details"] == {"name": "rssi", "key": made["id"]}
    again = ecluse("readers", "new", "rssi", *config)
    assert again.exit_code == 1
    assert "rssi.pem" in again.output
    assert "choose another name" in again.output
    assert "'../x'" in ecluse("readers", "new", "../x", *config).output


def test_without_a_reader_nothing_is_recorded_that_nobody_could_read(tmp_path: Path) -> None:
    """The gateway does not start without a reader's key, and the doctor says what to run."""
    init(tmp_path / "data")
    for path in (tmp_path / "data/keys/readers").iterdir():
        path.unlink()
    config = ("--config", str(tmp_path / "data/ecluse.toml"))
    # in a process of its own: a server sets up the logs of whatever process it is in
    command = [sys.executable, "-P", "-m", "ecluse", "--lang", "en", "gateway", *config]
    started = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert started.returncode == 1
    assert "ecluse readers new" in started.stderr
    assert "ecluse readers new" in ecluse("doctor", *config).output


def test_a_keys_life_in_the_files(tmp_path: Path) -> None:
    """A key behind a passphrase, one from elsewhere, a retired one: each as the list says; the last is never retired."""
    init(tmp_path / "data")
    config = ("--config", str(tmp_path / "data/ecluse.toml"))
    phrase = "cheval agrafe pile correct"
    short = ecluse("readers", "new", "rssi", "--passphrase", *config, typed="court\ncourt\n")
    assert short.exit_code == 1
    assert "12 characters" in short.output
    made = ecluse("readers", "new", "rssi", "--passphrase", *config, typed=f"{phrase}\n{phrase}\n")
    assert made.exit_code == 0, made.output
    private = tmp_path / "data/keys/readers/rssi.pem"
    assert private.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    key = generate_reader_key(tmp_path / "court.pem").public.key_id
    taken = ecluse("readers", "new", "court", "--public-key", str(tmp_path / "court.pem.pub"), *config)
    assert taken.exit_code == 0, taken.output
    both = ecluse("readers", "new", "x", "--passphrase", "--public-key", "y", *config)
    assert "Choose one" in both.output
    assert ecluse("readers", "retire", "hospital", *config).exit_code == 0
    rows = {row["name"]: row for row in json.loads(ecluse("readers", "list", *config, "--json").stdout)}
    assert {name: (row["guard"], row["retired"]) for name, row in rows.items()} == {
        "court": ("elsewhere", False),
        "hospital": ("file", True),
        "rssi": ("passphrase", False),
    }
    assert rows["court"]["id"] == key
    assert "unlock" in ecluse("doctor", *config).output
    assert ecluse("readers", "retire", "nobody", *config).exit_code == 1
    assert ecluse("readers", "retire", "court", *config).exit_code == 0
    last = ecluse("readers", "retire", "rssi", *config)
    assert (last.exit_code, "last key" in last.output) == (1, True)
    (tmp_path / "data/traces.db").rename(tmp_path / "traces.db")
    assert "could not be told" in ecluse("readers", "new", "more", *config).output
