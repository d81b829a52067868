"""``ecluse vault`` on an installation as ``init`` makes it."""

import json
from pathlib import Path

from typer.testing import CliRunner

from ecluse.main import app

PEOPLE = (
    "dsi:Denise Martin:denise.martin@hospital.example",
    "denis:Denis Leroy:denis.leroy@hospital.example",
)


def vault(config: Path, *arguments: str) -> str:
    """Run the command, and return what it printed."""
    done = CliRunner().invoke(app, ["--lang", "en", "vault", *arguments, "--config", str(config)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_rotation_says_under_which_key_it_sealed(config: Path) -> None:
    """A rotation ends with a sentence that names the present key, which the keyring then holds."""
    said = vault(config, "rotate")
    current = (config.parent / "keys/vault/current").read_text(encoding="ascii").strip()
    assert current in said


def test_a_rotation_is_told_to_scripts(config: Path) -> None:
    """With --json a rotation prints one document and nothing else."""
    told = json.loads(vault(config, "rotate", "--json"))
    assert set(told) == {"key", "resealed", "resumed"}


def test_pruning_without_anything_to_prune_says_so(config: Path) -> None:
    """Where no retired key can go, the sentence says that, instead of an empty list."""
    vault(config, "rotate")
    assert "No retired key could be removed" in vault(config, "prune")
