"""How revocations are learned over HTTP: lists fetched by the console, responders asked by the gateway."""

from datetime import timedelta
from typing import Final

import structlog

from ecluse.exchanges import Exchanges
from policy.authn.ocsp import LARGEST_ANSWER
from policy.authn.x509_revocation import LARGEST_LIST

RESPONDER_SECONDS: Final = 3.0
"""How long a log-in waits for a responder before it counts as unreachable."""
LIST_SECONDS: Final = 60.0
REFRESH_EVERY: Final = timedelta(hours=1)
_HEADERS: Final = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}
_log = structlog.get_logger()


class Revocations(Exchanges):
    """Speaks with whom the hospital configured, and with nobody that a certificate or an answer names."""

    async def ask(self, url: str, request: bytes) -> bytes | None:
        """Return the answer of the OCSP responder at *url*; None where there is none within three seconds."""
        try:
            return await self.exchange(
                "POST", url, most=LARGEST_ANSWER, seconds=RESPONDER_SECONDS, content=request, headers=_HEADERS
            )
        except OSError as error:
            _log.warning("ocsp.failed", url=url, error=str(error))
            return None

    async def fetch(self, url: str) -> bytes:
        """Return the list at *url*; raises OSError where it cannot be had whole within a minute."""
        return await self.exchange("GET", url, most=LARGEST_LIST, seconds=LIST_SECONDS)
