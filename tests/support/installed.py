"""An installation as ``ecluse init`` makes it, and the command line run on it."""

import atexit
import functools
import grp
import json
import os
import pwd
import re
import shutil
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from ecluse.demo.leftovers import temporary_folder
from ecluse.demo.ports import free_port
from ecluse.main import app

ADMINISTRATORS = (
    "dsi:Denise Martin:denise.martin@hospital.example",
    "denis:Denis Leroy:denis.leroy@hospital.example",
)


def ecluse(*arguments: str, language: str = "en", typed: str | None = None, **environment: str) -> Result:
    """Run the command line in this process, its screen 300 columns wide; *typed* answers its questions."""
    variables = {"COLUMNS": "300", "ECLUSE_STATE": "/nonexistent", **environment}
    return CliRunner().invoke(app, ["--lang", language, *arguments], env=variables, input=typed)


def init(directory: Path, *further: str, language: str = "en") -> Result:
    """Run ``ecluse init`` for the fixture hospital in *directory*; *further* arguments come last."""
    people = [word for person in ADMINISTRATORS for word in ("--administrator", person)]
    hospital = ("--hospital", "CH de Brive", "--contact", "RSSI, poste 4242")
    return ecluse("init", str(directory), *hospital, *people, *further, language=language)


@functools.cache
def _mould() -> Path:
    """An installation that is only copied, made on the first call."""
    folder = temporary_folder("installation")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    done = init(folder / "data")
    if done.exit_code:
        raise RuntimeError(done.output)
    return folder / "data"


def install(directory: Path) -> Path:
    """Copy into *directory* what ``ecluse init`` makes, on two free ports of its own; return its settings file."""
    shutil.copytree(_mould(), directory, symlinks=True)
    config = directory / "ecluse.toml"
    on_own_ports(config)
    return config


def on_own_ports(config: Path) -> None:
    """Give the installation whose settings are in *config* two free ports, in place of those that all are made with."""
    text = config.read_text()
    for port in ("2222", "8443"):
        text = text.replace(f"port = {port}", f"port = {free_port()}")
    config.write_text(text)


def change(config: Path, section: str, line: str) -> None:
    """Write *line* first in *section* of the settings, in place of a line of the same key."""
    key = line.partition("=")[0].strip()
    kept: list[str] = []
    inside = False
    for old in config.read_text().splitlines():
        inside = old == f"[{section}]" if old.startswith("[") else inside
        if not (inside and re.match(rf"{re.escape(key)}\s*=", old)):
            kept.append(old)
    if f"[{section}]" not in kept:
        kept.append(f"[{section}]")
    kept.insert(kept.index(f"[{section}]") + 1, line)
    config.write_text("\n".join(kept) + "\n")


def doctor(config: Path) -> dict[str, dict[str, Any]]:
    """Run ``ecluse doctor --json`` and return what it found, by finding and subject."""
    done = ecluse("doctor", "--config", str(config), "--json")
    found = json.loads(done.stdout)
    failed = any(symptom["level"] == "failed" for symptom in found)
    if done.exit_code != int(failed):
        raise RuntimeError(done.output)
    return {f"{symptom['finding']} {symptom['subject']}": symptom for symptom in found}


def findings(config: Path, check: str) -> list[tuple[str, str]]:
    """What the doctor finds of *check*: the last part of the finding's key, and its level."""
    return [
        (symptom["finding"].removeprefix(f"doctor.{check}."), symptom["level"])
        for symptom in doctor(config).values()
        if symptom["check"] == f"doctor.{check}"
    ]


def tree(directory: Path) -> list[str]:
    """Return every path under *directory*, sorted."""
    return sorted(os.path.relpath(path, directory) for path in directory.rglob("*"))


def members(group: str) -> list[str]:
    """Return the names of two system users whose own group that is; fewer where this machine has none, or we are not root."""
    try:
        number = grp.getgrnam(group).gr_gid
    except KeyError:
        return []
    found = [one.pw_name for one in pwd.getpwall() if one.pw_gid == number]
    return found[:2] if os.geteuid() == 0 else []
