"""What a release holds is listed, under licences that we accept, and an audit that asked nobody never reads as clean."""

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.test_locks import pins
from tests.architecture.tree import ROOT

ROW = re.compile(r"^\| (\S+) \| (\S+) \| ([^|]+) \| (Python|console’s pages) \|$", re.MULTILINE)
FAULT = {"id": "PYSEC-2026-1", "fix_versions": ["2.24.2"], "aliases": []}


@pytest.fixture(scope="module")
def licence() -> Callable[[dict[str, Any]], str]:
    """What the program that writes the bill of materials says of a component's licence."""
    return runpy.run_path(str(ROOT / "tools/bom"))["licence"]  # type: ignore[no-any-return]  # run_path gives Any


def test_the_page_of_licences_is_of_these_locks() -> None:
    """docs/licences.md names each pinned package that is shipped, at its version, and each of the console's."""
    rows = ROW.findall((ROOT / "docs/licences.md").read_text(encoding="utf-8"))
    listed = {
        re.sub(r"[-_.]+", "-", name).lower(): version for name, version, _, kind in rows if kind == "Python"
    }
    pinned = {
        name: version
        for name, version in pins((ROOT / "requirements.txt").read_text(encoding="utf-8")).items()
        if name != "setuptools"
    }
    assert listed == pinned
    wanted = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert wanted.items() <= {name: version for name, version, _, kind in rows if kind != "Python"}.items()


@pytest.mark.parametrize(
    ("licences", "accepted"),
    [
        ([{"expression": "EPL-2.0 OR GPL-2.0-or-later"}], True),
        ([{"license": {"name": "License :: OSI Approved :: BSD License"}}], True),
        ([{"license": {"id": "MIT"}}, {"license": {"name": "License :: OSI Approved :: BSD License"}}], True),
        ([{"expression": "MIT AND GPL-3.0-only"}], False),
        ([{"license": {"id": "AGPL-3.0-only"}}], False),
        ([{"license": {"name": "As is"}}], False),
        ([], False),
    ],
)
def test_a_licence_that_nobody_accepted_stops_the_bill(
    licence: Callable[[dict[str, Any]], str], licences: list[dict[str, Any]], *, accepted: bool
) -> None:
    """A component is listed if its author leaves a licence that we accept, and stops the making otherwise."""
    part = {"name": "part", "version": "1", "licenses": licences}
    if accepted:
        assert licence(part)
    else:
        with pytest.raises(SystemExit, match=r"part 1: .* is not accepted"):
            licence(part)


@pytest.mark.parametrize(
    ("dependency", "options", "status", "said"),
    [
        ({"name": "asyncssh", "version": "2.24.1", "vulns": []}, [], 0, "none known to be vulnerable (osv)"),
        (
            {"name": "asyncssh", "version": "2.24.1", "vulns": [FAULT]},
            [],
            1,
            "PYSEC-2026-1, mended in 2.24.2",
        ),
        ({"name": "asyncssh", "skip_reason": "not found"}, [], 0, "NOT AUDITED"),
        ({"name": "asyncssh", "skip_reason": "not found"}, ["--required"], 3, "asyncssh the first"),
        (None, ["--required"], 3, "osv: name resolution"),
    ],
)
def test_an_audit_says_what_it_could_not_look_up(
    tmp_path: Path, dependency: Mapping[str, object] | None, options: list[str], status: int, said: str
) -> None:
    """Unknown to the advisories, or no advisories at all, is told as not audited and never as clean."""
    answer = "" if dependency is None else json.dumps({"dependencies": [dependency]})
    (tmp_path / "pip_audit.py").write_text(
        f"import sys\nprint({answer!r})\nprint('name resolution', file=sys.stderr)\n", encoding="utf-8"
    )
    run = subprocess.run(
        [sys.executable, ROOT / "tools/audit", *options],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (run.returncode, said in run.stdout) == (status, True), run.stdout + run.stderr
