"""Hands alarms to the hospital's webhook: JSON, signed with a shared secret, over TLS, until each has arrived."""

import asyncio
import hashlib
import hmac
import json
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import httpx
import structlog

from admin_api.alarms.words import words
from admin_api.settings import WebhookSettings
from policy.clock import Clock
from policy.domain.alarms import Call
from policy.domain.ids import HospitalId
from policy.domain.people import Language
from policy.errors import CallRefused, PolicyUnavailable
from policy.i18n import Catalog
from policy.services.calls import CallService
from policy.vault.secret import Secret

log = structlog.get_logger()

SIGNATURE: Final = "Ecluse-Signature"
IDEMPOTENCY: Final = "Idempotency-Key"
_INTERVAL_SECONDS: Final = 1.0
_ANSWER_SECONDS: Final = 10.0


class Webhook:
    """One task of the console. What it cannot deliver now it delivers later, with the same identifier."""

    def __init__(
        self,
        calls: CallService,
        hospital_id: HospitalId,
        settings: WebhookSettings,
        clock: Clock,
        vocabulary: Sequence[Catalog] = (),
    ) -> None:
        """Deliver the messages of *hospital_id* by *settings*, in the words of *vocabulary* too.

        Raises OSError, ssl.SSLError for a CA that is unusable.
        """
        self._calls = calls
        self._hospital_id = hospital_id
        self._settings = settings
        self._clock = clock
        self._vocabulary = vocabulary
        authority = None if settings.authority is None else str(settings.authority)
        self._trust = ssl.create_default_context(cafile=authority)
        self._trust.minimum_version = ssl.TLSVersion.TLSv1_2

    async def run(self) -> None:
        """Empty the queue until cancelled. A database that does not answer is tried again."""
        async with httpx.AsyncClient(
            verify=self._trust, follow_redirects=False, trust_env=False, timeout=_ANSWER_SECONDS
        ) as client:

            async def send(call: Call) -> None:
                await self._send(client, call)

            while True:
                with suppress(PolicyUnavailable):
                    while await self._calls.deliver(self._hospital_id, send):
                        pass
                await asyncio.sleep(_INTERVAL_SECONDS)

    async def _send(self, client: httpx.AsyncClient, call: Call) -> None:
        body = body_of(call, self._vocabulary)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "ecluse",
            IDEMPOTENCY: call.id,
            SIGNATURE: signature(self._settings.secret, int(self._clock.now().timestamp()), body),
        }
        try:
            async with (
                asyncio.timeout(_ANSWER_SECONDS),
                client.stream("POST", self._settings.url, content=body, headers=headers) as answer,
            ):
                status = (
                    answer.status_code
                )  # what it says beside its status is not read: it is anybody's text
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            word = f"{type(error).__name__}: {error}"
            log.warning("webhook.failed", error=word[:200])
            raise CallRefused(word) from error
        if not httpx.codes.is_success(status):
            log.warning("webhook.refused", status=status)
            raise CallRefused(f"HTTP {status}")


def body_of(call: Call, vocabulary: Sequence[Catalog] = ()) -> bytes:
    """Return what is sent: the same bytes at each try. *vocabulary* is that of ``words``."""
    facts = call.alarm.get("facts")
    told = facts if isinstance(facts, dict) else {}
    document = {
        "version": 1,
        "id": call.id,
        "event": f"alarm.{call.event}",
        "queued_at": call.queued_at.isoformat(),
        "alarm": dict(call.alarm),
        "words": {
            language.value: {
                "title": said.title,
                "sentence": said.sentence,
                "act": said.act,
            }
            for language in Language
            for said in (words(str(call.alarm["kind"]), told, language, vocabulary),)
        },
    }
    return json.dumps(document, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()


def signature(secret: Secret, at: int, body: bytes) -> str:
    """Return the header's value: ``t=<seconds since 1970>,v1=<HMAC-SHA-256 of "t.body", in hexadecimal>``."""
    signed = f"{at}.".encode() + body
    return f"t={at},v1={hmac.new(secret.reveal().encode(), signed, hashlib.sha256).hexdigest()}"
