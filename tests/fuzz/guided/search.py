"""Runs one target under atheris: ``python -m tests.fuzz.guided.search TARGET FOLDER [libFuzzer option...]``.

FOLDER gets the seeds and keeps what was found; ``-runs`` and ``-seed`` bound and fix the search. The modules
under attack are imported again with instrumentation, for coverage is what leads it.
"""

import sys
from pathlib import Path

import atheris


def main() -> None:
    """Search until the bound or the first defect; exits as libFuzzer does, 0 where nothing was found."""
    name, folder, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["gateway", "policy", "recorder", "tests"]):
        from tests.fuzz.guided.targets import TARGETS

    target, seeds = TARGETS[name]
    corpus = Path(folder)
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={corpus}/", str(corpus)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
