"""The import contracts hold, and each of them breaks when its direction is broken."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.tree import PACKAGES, ROOT

CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "tool"
]["importlinter"]["contracts"]
PLANTED = [
    ("layers", "policy/services/open.py", "import gateway"),
    ("layers", "recorder/capture/session.py", "import policy"),
    ("layers", "policy/services/open.py", "def f():\n    from recorder import audit"),
    ("layers", "gateway/server/front.py", "import admin_api"),
    ("layers", "admin_api/v1/sessions.py", "from gateway import session"),
    ("layers", "embedded/sqlite.py", "import policy"),
    ("layers", "schema/contract.py", "import embedded"),
    ("layers", "schema/migrations.py", "from policy.store import database"),
    ("layers", "embedded/sqlite.py", "def f():\n    from recorder import store"),
    ("composition-root", "admin_api/v1/sessions.py", "import ecluse"),
    ("composition-root", "embedded/sqlite.py", "import ecluse"),
    ("domain-inward", "policy/domain/people.py", "import policy.store"),
    ("domain-inward", "policy/domain/people.py", "import embedded"),
    ("engine-inward", "policy/engine/decide.py", "import policy.authn"),
    ("engine-inward", "policy/engine/decide.py", "import embedded"),
    ("asyncssh-in-gateway", "policy/authn/keys.py", "import asyncssh"),
    ("asyncssh-in-gateway", "ecluse/commands/serve.py", "import asyncssh"),
    ("asyncssh-in-gateway", "embedded/sqlite.py", "import asyncssh"),
    ("http-in-admin-api", "gateway/server/front.py", "import fastapi"),
    ("http-in-admin-api", "embedded/sqlite.py", "import fastapi"),
    ("recorder-cryptography", "recorder/capture/session.py", "import cryptography"),
    ("recorder-cryptography", "embedded/sqlite.py", "import cryptography"),
    ("verifier-alone", "recorder/proof/verifier.py", "import recorder.seal"),
    ("verifier-alone", "recorder/proof/verifier.py", "import embedded"),
    ("flows-alone", "ecluse/flows/broker.py", "import ecluse.settings"),
    ("flows-alone", "ecluse/flows/broker.py", "import embedded"),
    ("trace-pure", "recorder/trace/frames.py", "import recorder.store"),
    ("trace-pure", "recorder/trace/frames.py", "import embedded"),
]
MODULES = [
    path
    for entry in CONTRACTS
    for name in (*entry.get("source_modules", ()), *entry.get("forbidden_modules", ()))
    if (ROOT / (path := name.replace(".", "/") + ".py")).exists()
]
"""Contracts that name one module want it to be there."""


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of the pyproject.toml in *folder* against the packages beside it."""
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_contracts_hold() -> None:
    """The product's imports keep every contract."""
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in done.stdout


@pytest.mark.parametrize(("contract", "path", "text"), PLANTED)
def test_planted_imports_break_their_contract(tmp_path: Path, contract: str, path: str, text: str) -> None:
    """An import against the direction breaks the contract that forbids it."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for package in PACKAGES:
        for marker in (ROOT / package).rglob("__init__.py"):
            copy = tmp_path / marker.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.touch()
    for module in MODULES:
        (tmp_path / module).touch()
    (tmp_path / path).write_text(f"{text}\n", encoding="utf-8")
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    name = next(entry["name"] for entry in CONTRACTS if entry["id"] == contract)
    assert f"{name} BROKEN" in done.stdout


def test_every_contract_has_a_planted_fault() -> None:
    """No contract goes unproven."""
    assert {contract for contract, _, _ in PLANTED} == {entry["id"] for entry in CONTRACTS}
