"""How time-stamping authorities are asked, over HTTP."""

import asyncio
from types import TracebackType
from typing import Final, Self

import httpx

from recorder.seal.timestamping import MAX_ANSWER

PATIENCE_SECONDS: Final = 15.0
_ASKED = "application/timestamp-query"
_ANSWERED = "application/timestamp-reply"


class Authorities:
    """Speaks HTTP with the authorities that the hospital configured. Close it, or use it in ``async with``.

    Redirections are not followed, and the environment's proxies are not used.
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

    async def post(self, url: str, request: bytes) -> bytes:
        """Return what the authority at *url* answers; raises OSError where no answer comes whole in fifteen seconds."""
        headers = {"Content-Type": _ASKED, "Accept": _ANSWERED}
        try:
            async with (
                asyncio.timeout(PATIENCE_SECONDS),
                self._client.stream("POST", url, content=request, headers=headers) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise OSError(f"it answered {response.status_code}")
                taken = bytearray()
                async for piece in response.aiter_raw():
                    taken += piece
                    if len(taken) > MAX_ANSWER:
                        raise OSError(f"its answer takes more than {MAX_ANSWER} bytes")
                return bytes(taken)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise OSError(str(error) or type(error).__name__) from error
