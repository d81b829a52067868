"""One PKCS#11 token for the reader keys of a test run: its library reads its settings once a process."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from recorder.seal.token import TokenPlace
from tests.support.softhsm import LIBRARY, Token


@pytest.fixture(scope="session")
def reader_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    """An initialised token that this process finds."""
    token = asyncio.run(Token.make(tmp_path_factory.mktemp("reader-token")))
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ.update(token.environment)
    yield token
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


def place(key: str) -> TokenPlace:
    """Where the key of that label is."""
    return TokenPlace(str(LIBRARY), "card", key)
