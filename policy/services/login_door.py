"""What every log-in goes through: the hospital's table of factors, the lock-out, and the word to the journal."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

from policy.authn import ssh_keys
from policy.authn.lockout import Lockout, LockoutSettings, origin_of
from policy.clock import Clock
from policy.domain.factors import CONSOLE_TABLE, DEFAULT_TABLE, Factor, FactorTable, Level
from policy.domain.ids import HospitalId, PersonId, is_name
from policy.domain.logins import LoginOutcome, LoginReason, LoginResult
from policy.domain.people import Person
from policy.domain.suppliers import Supplier
from policy.errors import InvalidInput
from policy.services.login_attempt import LoginAttempt
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.store.unit_of_work import View

OnOutcome = Callable[[LoginOutcome], Awaitable[None]]
"""Writes an outcome to the journal. What it raises ends the log-in: nobody enters unrecorded."""

NOBODY: Final = PersonId("0" * 32)
_MAXIMUM_LOGIN: Final = 64


class LoginDoor:
    """The part of the log-in that has no factor of its own."""

    def __init__(
        self, database: Database, clock: Clock, settings: PolicySettings, on_outcome: OnOutcome | None
    ) -> None:
        """Read people from *database*; call *on_outcome* with every outcome before it is told."""
        self._database = database
        self._clock = clock
        self._lockout = Lockout(LockoutSettings.of(settings))
        self._on_outcome = on_outcome

    def journal_to(self, on_outcome: OnOutcome) -> None:
        """Call *on_outcome* with every outcome from now on, in place of the one before."""
        self._on_outcome = on_outcome

    async def _table(self, view: View, hospital_id: HospitalId, *, console: bool) -> FactorTable:
        """Return what counts as a log-in as it stands now, at the hospital's own door if *console*."""
        if console:
            return CONSOLE_TABLE
        hospitals = await view.hospitals.list()
        found = next((each for each in hospitals if each.id == hospital_id), None)
        return DEFAULT_TABLE if found is None else found.factors

    async def _locked_until(
        self, view: View, hospital: HospitalId, login: str, source: str, person: Person | None
    ) -> datetime | None:
        at, origin = self._clock.now(), origin_of(source)
        since = at - self._lockout.settings.memory
        attempts = await view.attempts.recent(hospital, login, origin, since)
        declared = declared_by(person, await view.suppliers.list(hospital))
        return self._lockout.locked_until(attempts, login, origin, at, declared)

    async def _tell(
        self,
        attempt: LoginAttempt,
        result: LoginResult,
        reason: LoginReason,
        *,
        person: Person | None = None,
        factors: frozenset[Factor] = frozenset(),
        level: Level | None = None,
        blob: bytes | None = None,
        detail: str | None = None,
        until: datetime | None = None,
    ) -> None:
        if self._on_outcome is None:
            return
        await self._on_outcome(
            LoginOutcome(
                hospital_id=attempt.hospital_id,
                at=self._clock.now(),
                login=attempt.login,
                person_id=person.id if person else None,
                source=attempt.source,
                result=result,
                reason=reason,
                factors=factors,
                key_fingerprint=ssh_keys.fingerprint(blob) if blob is not None else None,
                level=level,
                detail=detail,
                locked_until=until,
            )
        )


def bounded(login: str) -> str:
    """Return *login* as it is if it may name a person, else something bounded and printable that may not."""
    if is_name(login):
        return login
    shown = "".join(character if character.isprintable() else "?" for character in login[:_MAXIMUM_LOGIN])
    return f"?{shown}"[:_MAXIMUM_LOGIN]


async def only_hospital(view: View) -> HospitalId:
    """Return the installation's one hospital; raises InvalidInput where there are several."""
    hospitals = await view.hospitals.list()
    if len(hospitals) != 1:
        raise InvalidInput("hospital_id", f"must be given: there are {len(hospitals)} hospitals")
    return hospitals[0].id


def declared_by(person: Person | None, suppliers: Sequence[Supplier]) -> Callable[[str], bool]:
    """Return whether an address is one of *person*'s supplier's."""
    # For a login that nobody has, every supplier's sites count, or the lock itself would tell who exists.
    own = [each for each in suppliers if person is None or each.id == person.supplier_id]
    return lambda source: any(each.site_of(source) is not None for each in own)
