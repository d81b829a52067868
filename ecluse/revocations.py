"""How revocations are learned over HTTP: lists fetched by the console, responders asked by the gateway."""

import asyncio
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

import httpx
import structlog

from policy.authn.ocsp import LARGEST_ANSWER
from policy.authn.x509_revocation import LARGEST_LIST

RESPONDER_SECONDS: Final = 3.0
"""How long a log-in waits for a responder before it counts as unreachable."""
LIST_SECONDS: Final = 60.0
REFRESH_EVERY: Final = timedelta(hours=1)
_log = structlog.get_logger()


class Revocations:
    """Speaks HTTP with whom the hospital configured, and with nobody that a certificate or an answer names.

    Redirections are not followed, and the environment's proxies are not used. Close it, or use it in ``async with``.
    """

    def __init__(self) -> None:
        """Open nothing yet."""
        self._client = httpx.AsyncClient(follow_redirects=False, trust_env=False)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, url: str, request: bytes) -> bytes | None:
        """Return the answer of the OCSP responder at *url*; None where there is none within three seconds."""
        headers = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}
        try:
            async with asyncio.timeout(RESPONDER_SECONDS):
                return await self._read("POST", url, LARGEST_ANSWER, content=request, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            _log.warning("ocsp.failed", url=url, error=str(error) or type(error).__name__)
            return None

    async def fetch(self, url: str) -> bytes:
        """Return the list at *url*; raises OSError where it cannot be had whole within a minute."""
        try:
            async with asyncio.timeout(LIST_SECONDS):
                return await self._read("GET", url, LARGEST_LIST)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise OSError(str(error) or type(error).__name__) from error

    async def _read(
        self,
        method: str,
        url: str,
        most: int,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        async with self._client.stream(method, url, content=content, headers=headers) as response:
            if response.status_code != httpx.codes.OK:
                raise OSError(f"the server answered {response.status_code}")
            taken = bytearray()
            async for piece in response.aiter_raw():
                taken += piece
                if len(taken) > most:
                    raise OSError(f"the answer takes more than {most} bytes")
            return bytes(taken)
