"""How time-stamping authorities are asked, over HTTP."""

from typing import Final

from ecluse.exchanges import Exchanges
from recorder.seal.timestamping import MAX_ANSWER

PATIENCE_SECONDS: Final = 15.0
_HEADERS: Final = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}


class Authorities(Exchanges):
    """Speaks with the authorities that the hospital configured."""

    async def post(self, url: str, request: bytes) -> bytes:
        """Return what the authority at *url* answers; raises OSError where no answer comes whole in fifteen seconds."""
        return await self.exchange(
            "POST", url, most=MAX_ANSWER, seconds=PATIENCE_SECONDS, content=request, headers=_HEADERS
        )
