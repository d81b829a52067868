"""What a run of the tests imports, compiled before its workers would each do it: a file once, on every processor."""

from compileall import compile_dir
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import pytest
from _pytest.assertion import (
    rewrite,
)  # pytest has no public way to fill its cache without running what it imports

PACKAGES: Final = (
    "ecluse",
    "admin_api",
    "gateway",
    "policy",
    "recorder",
    "embedded",
    "schema",
    "tests/support",
)
"""Compiled once, for the tests start some hundred processes, and none of them would keep what it compiled where
PYTHONDONTWRITEBYTECODE is set."""
_ROOT: Final = Path(__file__).parents[2]


def compile_all(config: pytest.Config) -> None:
    """Compile the product and, where workers share the tests, every test module as pytest rewrites it."""
    for package in PACKAGES:
        compile_dir(_ROOT / package, quiet=2)
    if getattr(config.option, "numprocesses", None):
        # the children inherit *config*, which cannot be sent
        with get_context("fork").Pool(initializer=_Rewriter.inherit, initargs=(config,)) as pool:
            pool.map(_Rewriter.rewrite, sorted((_ROOT / "tests").rglob("test_*.py")), chunksize=8)


class _Rewriter:
    """Fills pytest's cache, which it offers no public way to without running what is imported."""

    config: pytest.Config

    @classmethod
    def inherit(cls, config: pytest.Config) -> None:
        cls.config = config

    @classmethod
    def rewrite(cls, module: Path) -> None:
        kept = rewrite.get_cache_dir(module) / (module.stem + rewrite.PYC_TAIL)
        if rewrite._read_pyc(module, kept) is None and rewrite.try_makedirs(kept.parent):
            source, code = rewrite._rewrite_test(module, cls.config)
            rewrite._write_pyc(cls.config.stash[rewrite.assertstate_key], code, source, kept)
