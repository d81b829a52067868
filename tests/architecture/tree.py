"""The files of this repository, as the rules look at them."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ecluse", "policy", "recorder", "gateway", "admin_api", "embedded", "schema")
CODE = (*PACKAGES, "tests", "bench", "tools", "docs", "deploy", ".ci")
PASSED_OVER = frozenset({"__pycache__", "build", "dist", "node_modules"})


def every_file() -> Iterator[PurePosixPath]:
    """Give each file that belongs to the project, by its path from the root."""
    for entry in sorted(ROOT.iterdir()):
        if entry.is_file() and (not entry.name.startswith(".") or entry.name == ".gitignore"):
            yield PurePosixPath(entry.name)
        elif entry.is_dir() and entry.name in CODE:
            yield from _under(entry)


def python_files(*tops: str) -> list[PurePosixPath]:
    """Give the Python files, of the top folders *tops* or of all."""
    return [path for path in every_file() if path.suffix == ".py" and (not tops or path.parts[0] in tops)]


def read(path: PurePosixPath) -> str:
    """Give a file's text; what is not UTF-8 in it shows as replacement characters."""
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def _under(folder: Path) -> Iterator[PurePosixPath]:
    for entry in sorted(folder.iterdir()):
        if entry.name in PASSED_OVER or entry.name.endswith(".egg-info"):
            continue
        if entry.is_dir():
            yield from _under(entry)
        else:
            yield PurePosixPath(entry.relative_to(ROOT).as_posix())
