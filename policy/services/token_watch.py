"""Responders asked again about the tokens of live sessions; what they call revoked is a fact from then on."""

from collections.abc import Collection

from policy.authn import held_keys
from policy.authn.x509_revocation import Standing
from policy.clock import Clock
from policy.domain.access import Grant
from policy.domain.certificates import TokenCertificate
from policy.domain.credentials import KeyKind
from policy.domain.factors import Factor
from policy.ports import Responder
from policy.services.token_check import TokenCheck, read_token_facts
from policy.store.database import Database


class RevokedTokens:
    """Keeps what responders call revoked: each gateway reads it, and ends what was opened with it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Keep it in *database*."""
        self._database = database
        self._clock = clock

    async def note(self, certificate: TokenCertificate, standing: Standing, url: str) -> None:
        """Keep that the responder at *url* said so of *certificate*; a second time changes nothing."""
        async with self._database.unit_of_work(None, self._clock) as work:
            at = self._clock.now()
            if await work.certificates.mark_revoked(certificate, standing.value, at, url):
                facts: dict[str, object] = {
                    "fingerprint": certificate.key_fingerprint,
                    "certificate": certificate.fingerprint,
                    "subject": certificate.subject,
                    "source": url,
                }
                hospital, person = certificate.hospital_id, certificate.person_id
                await work.emit("person.token_revoked", hospital, person, {}, facts)


class TokenWatch:
    """Asks about live sessions."""

    def __init__(self, database: Database, clock: Clock, responder: Responder | None) -> None:
        """Ask *responder*; without one, nothing is learned."""
        self._database = database
        self._clock = clock
        self._check = TokenCheck(responder, RevokedTokens(database, clock).note)

    async def look(self, grants: Collection[Grant]) -> None:
        """Ask about the tokens that *grants* were proved with; raises PolicyUnavailable.

        A responder that does not answer changes nothing: the log-in was let in by an answer (ADR 24).
        """
        asked = {
            (grant.hospital_id, grant.person_id, grant.proved_key)
            for grant in grants
            if Factor.TOKEN_CERTIFICATE in grant.factors and grant.proved_key is not None
        }
        for hospital_id, person_id, blob in asked:
            async with self._database.read() as view:
                person = await view.people.find(hospital_id, person_id)
                keys = await view.credentials.ssh_keys(person_id)
                key = held_keys.enrolled_as(blob, keys)
                if person is None or key is None or key.kind is not KeyKind.TOKEN:
                    continue
                facts = await read_token_facts(view, hospital_id, person)
            await self._check.ask_again(facts, key, self._clock.now())
