"""When a program opens its way to whom the hospital configured: with the first question, and once."""

import asyncio

import httpx
import pytest

from ecluse.exchanges import Exchanges


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[httpx.AsyncClient]:
    """The clients that were made, each of which gets an answer without any network."""
    real, clients = httpx.AsyncClient, list[httpx.AsyncClient]()

    def make(*, follow_redirects: bool, trust_env: bool) -> httpx.AsyncClient:
        there = httpx.MockTransport(lambda _request: httpx.Response(200, stream=httpx.ByteStream(b"yes")))
        clients.append(real(transport=there, follow_redirects=follow_redirects, trust_env=trust_env))
        return clients[-1]

    monkeypatch.setattr(httpx, "AsyncClient", make)
    return clients


async def test_who_asks_nobody_opens_nothing(made: list[httpx.AsyncClient]) -> None:
    """A program that has nobody to ask begins and ends without reading the authorities that the world trusts."""
    async with Exchanges():
        pass
    assert made == []


async def test_first_questions_at_once_share_a_client(made: list[httpx.AsyncClient]) -> None:
    """Two log-ins that come together ask by one client, which is closed at the end."""
    async with Exchanges() as exchanges:
        asked = (exchanges.exchange("GET", "http://responder.example/", most=3, seconds=60) for _ in range(2))
        assert await asyncio.gather(*asked) == [b"yes", b"yes"]
    [client] = made
    assert client.is_closed
    assert not client.follow_redirects
    assert not client.trust_env
