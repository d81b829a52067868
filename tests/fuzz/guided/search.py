"""Runs targets under atheris: ``python -m tests.fuzz.guided.search FOLDER [libFuzzer option...] -- TARGET=RUNS...``.

Each target's own folder in FOLDER gets the seeds and keeps what was found, FOLDER/TARGET.log what was said; ``-seed``
fixes the search, which goes on until the bound or the first defect. On the output is one line a target, with how its
search ended: 0 where nothing was found. The modules under attack are imported again with instrumentation, for coverage
is what leads the search; that takes longer than to search, so it is done once, and each target gets a fork of it.
"""

import os
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["gateway", "policy", "recorder", "embedded", "tests"]):
    from tests.fuzz.guided.targets import TARGETS


def main() -> None:
    """Search one target after the other."""
    words = sys.argv[2:]
    options, searches = words[: words.index("--")], words[words.index("--") + 1 :]
    for search in searches:
        name, _, runs = search.partition("=")
        forked = os.fork()
        if not forked:
            _search(name, Path(sys.argv[1]), [*options, f"-runs={runs}"])
        _, status = os.waitpid(forked, 0)
        sys.stdout.write(f"{name} {os.waitstatus_to_exitcode(status)}\n")


def _search(name: str, folder: Path, options: list[str]) -> None:
    """Search until the bound or the first defect, and end this process as libFuzzer does."""
    target, seeds = TARGETS[name]
    corpus = folder / name
    corpus.mkdir(parents=True)
    for number, seed in enumerate(seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    log = os.open(folder / f"{name}.log", os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={corpus}/", str(corpus)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
