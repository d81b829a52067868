"""One question and one bounded answer over HTTP, put to whom the hospital configured and to nobody else."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx


class Exchanges:
    """Speaks HTTP. Redirections are not followed, the environment's proxies not used. Close it, or use it in ``async with``."""

    def __init__(self) -> None:
        """Open nothing yet: most hospitals ask nobody, and a client reads the whole world's authorities."""
        self._client: httpx.AsyncClient | None = None
        self._making = asyncio.Lock()

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
        if self._client is not None:
            await self._client.aclose()

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        most: int,
        seconds: float,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Return the answer; raises OSError where it does not come whole within *seconds*, or has more than *most* bytes."""
        try:
            async with (
                asyncio.timeout(seconds),
                (await self._opened()).stream(method, url, content=content, headers=headers) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise OSError(f"it answered {response.status_code}")
                taken = bytearray()
                async for piece in response.aiter_raw():
                    taken += piece
                    if len(taken) > most:
                        raise OSError(f"its answer takes more than {most} bytes")
                return bytes(taken)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise OSError(str(error) or type(error).__name__) from error

    async def _opened(self) -> httpx.AsyncClient:
        async with self._making:
            if self._client is None:
                # outside the loop: reading those takes 25 ms
                self._client = await asyncio.to_thread(
                    httpx.AsyncClient, follow_redirects=False, trust_env=False
                )
        return self._client
