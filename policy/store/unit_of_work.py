"""What is handed to a use case: the repositories on one connection, and where its events go."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from policy.clock import Clock
from policy.domain.events import PolicyEvent
from policy.domain.ids import EventId, HospitalId, PersonId, new_id
from policy.store.plain import described
from policy.store.repositories.accounts import Accounts
from policy.store.repositories.alarms import Alarms, Calls
from policy.store.repositories.attempts import Attempts
from policy.store.repositories.authorities import Authorities
from policy.store.repositories.bookmarks import Bookmarks
from policy.store.repositories.certificates import Certificates
from policy.store.repositories.console_sessions import ConsoleSessions
from policy.store.repositories.continuations import Continuations
from policy.store.repositories.credentials import Credentials
from policy.store.repositories.derogations import Derogations
from policy.store.repositories.devices import Devices, Zones
from policy.store.repositories.engagements import Engagements
from policy.store.repositories.exercises import Exercises
from policy.store.repositories.extensions import Extensions
from policy.store.repositories.facts import FactReader
from policy.store.repositories.hospitals import Hospitals
from policy.store.repositories.interventions import Interventions
from policy.store.repositories.invitations import Invitations
from policy.store.repositories.keeping import Erasures, Holds, RetentionRules
from policy.store.repositories.leases import Leases
from policy.store.repositories.mails import Mails
from policy.store.repositories.outbox import Outbox
from policy.store.repositories.people import People
from policy.store.repositories.programs import Programs
from policy.store.repositories.reports import Reports
from policy.store.repositories.revocations import Revocations
from policy.store.repositories.sealed import SealedRows
from policy.store.repositories.suppliers import Suppliers
from policy.store.repositories.tasks import Tasks
from policy.store.repositories.tokens import Tokens
from policy.store.repositories.visits import RecoveryCodes, Visits
from policy.store.repositories.windows import Windows


class View:
    """One snapshot of the policy database: the repositories, to read from."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Read through *connection*, in the transaction it has begun."""
        self.connection = connection
        self.hospitals = Hospitals(connection)
        self.suppliers = Suppliers(connection)
        self.people = People(connection)
        self.credentials = Credentials(connection)
        self.certificates = Certificates(connection)
        self.attempts = Attempts(connection)
        self.continuations = Continuations(connection)
        self.invitations = Invitations(connection)
        self.visits = Visits(connection)
        self.console_sessions = ConsoleSessions(connection)
        self.recovery_codes = RecoveryCodes(connection)
        self.engagements = Engagements(connection)
        self.mails = Mails(connection)
        self.tokens = Tokens(connection)
        self.zones = Zones(connection)
        self.devices = Devices(connection)
        self.accounts = Accounts(connection)
        self.authorities = Authorities(connection)
        self.derogations = Derogations(connection)
        self.sealed = SealedRows(connection)
        self.interventions = Interventions(connection)
        self.windows = Windows(connection)
        self.extensions = Extensions(connection)
        self.reports = Reports(connection)
        self.revocations = Revocations(connection)
        self.leases = Leases(connection)
        self.programs = Programs(connection)
        self.tasks = Tasks(connection)
        self.outbox = Outbox(connection)
        self.alarms = Alarms(connection)
        self.calls = Calls(connection)
        self.bookmarks = Bookmarks(connection)
        self.retention_rules = RetentionRules(connection)
        self.holds = Holds(connection)
        self.erasures = Erasures(connection)
        self.exercises = Exercises(connection)
        self.facts = FactReader(connection)


class UnitOfWork(View):
    """One transaction on behalf of somebody. Left cleanly it is committed with its events, otherwise undone."""

    def __init__(self, connection: AsyncConnection, actor: PersonId | None, clock: Clock) -> None:
        """Write through *connection* as *actor* (None: the installation), events dated by *clock*."""
        super().__init__(connection)
        self.actor = actor
        self._clock = clock
        self._events: list[PolicyEvent] = []

    async def emit(
        self,
        name: str,
        hospital_id: HospitalId,
        subject: str,
        before: Mapping[str, object],
        after: Mapping[str, object],
    ) -> None:
        """Commit an event with this transaction: *name* is ``noun.verb``, *subject* the id of what changed.

        *before* and *after* hold no secret, and what ``plain`` can say: else TypeError, and nothing is committed.
        """
        self._events.append(
            PolicyEvent(
                id=EventId(new_id()),
                hospital_id=hospital_id,
                at=self._clock.now(),
                name=name,
                actor=self.actor,
                subject=subject,
                before=described(before),
                after=described(after),
            )
        )

    async def flush(self) -> None:
        """Write the events collected so far. Called last, since from here on other writers wait for the commit."""
        events, self._events = self._events, []
        if events:
            await self.outbox.append(events)
