"""Hands the queue of mails to the hospital's mail server, again and again until each has left."""

import asyncio
import re
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import aiosmtplib
import structlog

from admin_api.console.letters import message
from admin_api.settings import MailSettings, MailTransport
from policy.domain.ids import HospitalId
from policy.domain.mails import MailState
from policy.errors import MailRefused, PolicyUnavailable
from policy.i18n import Catalog
from policy.services.mails import Letter, MailService

log = structlog.get_logger()

_INTERVAL_SECONDS: Final = 2.0
_SERVER_SECONDS: Final = 15.0
_LOOK_SECONDS: Final = 0.05
_TOKEN: Final = re.compile(r"ecl[a-z]{3}_[0-9a-f]{32}_\S*")


class Mailer:
    """One task of the console. What it cannot send now it sends later; nothing waits for it but on purpose."""

    def __init__(
        self,
        mails: MailService,
        hospital_id: HospitalId,
        settings: MailSettings,
        vocabulary: Sequence[Catalog] = (),
    ) -> None:
        """Send the mails of *hospital_id* by *settings*, alarms in the words of *vocabulary* too.

        Raises OSError, ssl.SSLError for a CA that is unusable.
        """
        self._mails = mails
        self._hospital_id = hospital_id
        self._settings = settings
        self._vocabulary = vocabulary
        self._trust: ssl.SSLContext | None = None
        if settings.transport is not MailTransport.PLAIN:
            authority = str(settings.authority) if settings.authority is not None else None
            self._trust = ssl.create_default_context(cafile=authority)
            self._trust.minimum_version = ssl.TLSVersion.TLSv1_2
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Empty the queue until cancelled. A database that does not answer is tried again."""
        while True:
            self._woken.clear()
            try:
                while await self._mails.deliver(self._hospital_id, self.send):
                    pass
            except PolicyUnavailable as error:
                log.warning("mails.queue_unreadable", error=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(_INTERVAL_SECONDS):
                    await self._woken.wait()

    async def settled(self, mail_id: str, patience: float) -> tuple[MailState, str]:
        """Have a mail tried now, and return what became of it within *patience* seconds, with the server's word."""
        self._woken.set()
        state, fault = MailState.WAITING, ""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while state is MailState.WAITING and not fault:
                    await asyncio.sleep(_LOOK_SECONDS)
                    state, fault = await self._mails.state(self._hospital_id, mail_id)
        return state, fault

    async def send(self, letter: Letter) -> None:
        """Hand one *letter* over; raises MailRefused with the server's word, the letter's own taken out."""
        settings = self._settings
        password = settings.password
        try:
            await aiosmtplib.send(
                message(letter, settings.sender, self._vocabulary),
                hostname=settings.host,
                port=settings.port,
                use_tls=settings.transport is MailTransport.TLS,
                start_tls=settings.transport is MailTransport.STARTTLS,
                tls_context=self._trust,
                username=settings.user,
                password=None if password is None else password.reveal(),
                timeout=_SERVER_SECONDS,
            )
        except (aiosmtplib.SMTPException, OSError, ValueError) as refused:
            word = _TOKEN.sub("…", f"{type(refused).__name__}: {refused}")
            log.warning("mails.refused", kind=letter.kind.value, error=word[:200])
            raise MailRefused(word) from None
