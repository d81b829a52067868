"""``keys``: what she logs in with, by fingerprint, and when each last served; never a secret."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol

from gateway.server.commands.caller import Caller
from gateway.server.commands.line import Shape, Typed
from gateway.server.commands.moments import wall
from gateway.server.commands.result import CommandResult, as_json, as_lines, columns
from gateway.server.commands.voice import Voice
from policy.domain.credentials import EnrolledKey, KeyKind
from policy.domain.ids import PersonId
from policy.domain.people import Factor, Person
from policy.i18n import neutralise
from policy.services.own_factors import OwnFactorService

KEYS: Final = Shape(name="keys")


class Uses(Protocol):
    """What is asked of the journal."""

    async def last_uses(self, person_id: PersonId) -> Mapping[str, datetime]:
        """Return when each factor, and each key by its fingerprint, last let her in."""
        ...


class KeysCommand:
    """``keys``."""

    shape = KEYS

    def __init__(self, factors: OwnFactorService, uses: Uses, voice: Voice) -> None:
        """Answer from *factors*, and from the journal's *uses*."""
        self._factors = factors
        self._uses = uses
        self._voice = voice

    async def run(self, caller: Caller, typed: Typed) -> CommandResult:
        """Return the table of her factors. Raises PolicyUnavailable."""
        person, voice = caller.person, self._voice
        held = await self._factors.held(person.id, voice.hospital.id)
        uses = await self._uses.last_uses(person.id)
        found: list[Mapping[str, object]] = [
            {"kind": factor.value, "last_used": uses.get(factor.value)}
            for factor, there in ((Factor.PASSWORD, held.password), (Factor.TOTP, held.codes))
            if there
        ]
        for key in held.keys:
            certificate = held.certificates.get(key.fingerprint)
            found.append(
                {
                    "kind": _factor(key).value,
                    "label": key.label,
                    "algorithm": key.algorithm,
                    "fingerprint": key.fingerprint,
                    "added": key.added_at,
                    "last_used": uses.get(key.fingerprint),
                    "valid_until": None if certificate is None else certificate.not_after,
                }
            )
        if typed.as_json:
            factors = [{name: _plain(value) for name, value in one.items()} for one in found]
            return as_json({"factors": factors, "recovery_codes": held.recovery_codes})
        keys = ("keys.factor", "keys.name", "keys.fingerprint", "keys.added", "keys.until", "keys.used")
        rows = [tuple(voice.say(person, key) for key in keys)]
        rows += [self._row(person, one) for one in found]
        notes = [
            voice.say(person, "keys.recovery", count=held.recovery_codes),
            voice.say(person, "keys.lost"),
        ]
        return as_lines([*columns(rows), "", *notes, voice.contact(person)])

    def _row(self, person: Person, one: Mapping[str, object]) -> tuple[str, ...]:
        factor = Factor(str(one["kind"]))
        label = f"{one['label']} ({one['algorithm']})" if "label" in one else ""
        return (
            self._voice.say(person, "keys.kind", factor=factor),
            neutralise(label),
            str(one.get("fingerprint", "")),
            self._when(one.get("added")),
            self._when(one.get("valid_until")),
            self._when(one["last_used"]) or self._voice.say(person, "keys.never"),
        )

    def _when(self, at: object) -> str:
        return wall(at, self._voice.hospital.timezone) if isinstance(at, datetime) else ""


def _factor(key: EnrolledKey) -> Factor:
    if key.kind is KeyKind.TOKEN:
        return Factor.TOKEN_CERTIFICATE
    return Factor.SECURITY_KEY if key.algorithm.startswith("sk-") else Factor.PUBLIC_KEY


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
