"""The locks pin and hash everything, and nothing in the tree says where it was made or fetched."""

import re
import tomllib
from pathlib import PurePosixPath

import pytest

from tests.architecture.tree import ROOT, every_file, read

LOCKS = ("requirements.txt", "requirements-dev.txt")
REQUIREMENT = re.compile(r"^([a-z0-9][a-z0-9-]*)==([0-9][0-9a-z.+!]*)((?: ; [^\\]+)?) \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")
# Written in pieces, so that this file keeps the rule it states.
HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("crates", "io"),
        ("golang", "org"),
        ("docker", "io"),
        ("gcr", "io"),
        ("quay", "io"),
    )
)
OPTIONS = tuple("--" + name for name in ("index-url", "extra-index-url", "find-links", "trusted-host"))
PLACES = tuple("/" + name + "/" for name in ("work", "root", "home/runner"))


def faults_of_lock(text: str) -> list[str]:
    """Name the lines of a lock that are no pinned requirement, no SHA-256 of one and no comment."""
    faults: list[str] = []
    hashes_wanted = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip().startswith("#") or not line.strip():
            if hashes_wanted:
                faults.append(f"{number}: no hash above")
            hashes_wanted = False
        elif REQUIREMENT.match(line) and not hashes_wanted:
            hashes_wanted = True
        elif (found := HASH.match(line)) and hashes_wanted:
            hashes_wanted = found[1] is not None
        else:
            faults.append(f"{number}: {line}")
    return [*faults, *(["the end: no hash above"] if hashes_wanted else [])]


def strangers(path: PurePosixPath, text: str) -> list[str]:
    """Name the places in a file that tell of a registry's host or of the machine it was written on."""
    there = {word for word in (*HOSTS, *OPTIONS, *PLACES) if word in text}  # which most files are done with
    told = [
        word for word in HOSTS if word in there and re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)
    ]
    if path.name != "Makefile":  # which tells pip-compile to write none of them
        told += [word for word in OPTIONS if word in there and re.search(rf"(?<!no-emit){word}\b", text)]
    told += [
        word for word in PLACES if word in there and re.search(rf"(?<![\w./}}$*]){re.escape(word)}", text)
    ]
    return [f"{path}: {word}" for word in told]


@pytest.mark.parametrize("name", LOCKS)
def test_locks_are_pinned_and_hashed(name: str) -> None:
    """Each line of a lock is a pinned requirement with its SHA-256."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert faults_of_lock(text) == []
    assert len(pins(text)) > 30


@pytest.mark.parametrize(
    "text",
    [
        "rich==15.0.0\n",
        "rich==15.0.0 \\\n    # via typer\n",
        "rich>=15.0.0 \\\n    --hash=sha256:" + "0" * 64 + "\n",
        "rich==15.0.0 \\\n    --hash=md5:" + "0" * 32 + "\n",
        "rich==15.0.0 \\\n    --hash=sha256:" + "0" * 64 + " \\\n",
        OPTIONS[0] + " https://example.test/simple\n",
        "-e .\n",
        "rich @ https://example.test/rich.whl \\\n    --hash=sha256:" + "0" * 64 + "\n",
    ],
)
def test_a_loose_lock_is_caught(text: str) -> None:
    """What is not pinned, not hashed or fetched from elsewhere is seen."""
    assert faults_of_lock(text) != []


def test_locks_agree() -> None:
    """What the product runs on is what it is tested on, and asyncssh is the one whose inside we hook."""
    run, dev = (pins((ROOT / name).read_text(encoding="utf-8")) for name in LOCKS)
    assert run.items() <= dev.items()
    assert run["asyncssh"] == "2.24.1"
    assert int(run["cryptography"].split(".")[0]) == 50


def test_direct_dependencies_are_locked() -> None:
    """Every dependency that is asked for is in the lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.split(r"[^a-z0-9-]", line)[0] for line in project["dependencies"]}
    assert len(asked) > 15
    assert asked <= pins((ROOT / "requirements.txt").read_text(encoding="utf-8")).keys()


def test_no_strangers() -> None:
    """No file names a registry's host, an index or the place where it was written."""
    files = list(every_file())
    assert PurePosixPath("requirements.txt") in files
    assert [told for path in files for told in strangers(path, read(path))] == []


@pytest.mark.parametrize(
    "text",
    [
        f"see https://{HOSTS[0]}/project/rich",
        f"FROM {HOSTS[5]}/library/python",
        f"https://files.{HOSTS[1]}/x.whl",
        f"pip install {OPTIONS[0]} https://example.test",
        f"read {PLACES[0]}main/README.md",
        f'"{PLACES[1]}.cache"',
    ],
)
def test_strangers_are_caught(text: str) -> None:
    """Each way of telling is seen."""
    assert strangers(PurePosixPath("docs/page.md"), text) != []


def pins(text: str) -> dict[str, str]:
    """Give the version that a lock pins for each name."""
    found = (REQUIREMENT.match(line) for line in text.splitlines())
    return {match[1]: match[2] for match in found if match}
