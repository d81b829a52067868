"""Both databases brought forward while programs run: what is pending, who uses what, and when what goes may go."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from typing_extensions import override

from ecluse import composition, database_roles
from ecluse.errors import StoreError
from ecluse.settings import Settings
from policy.clock import Clock
from policy.domain.programs import Program, ProgramKind
from policy.errors import VaultError
from policy.services.programs import ProgramService
from policy.store import database as policy_database
from policy.store.migrations.upgrade import MIGRATIONS as POLICY
from policy.vault.keyring import Keyring
from recorder.store import database as trace_database
from recorder.store.migrations.upgrade import MIGRATIONS as TRACES
from schema.contract import Migration, Standing
from schema.migrations import Migrations

LOOK_SECONDS: Final = 1.0
_NAMES_SINCE: Final = "0018"
"""Before this revision of policy's schema, programs did not say who they are."""
Waiting = Callable[[Sequence["User"]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who uses the databases: a program that said what it knows, or a gateway from before programs said so.

    ``alive``: by its last sign of life, which counts only where it was proved.
    """

    node: str = ""
    program: Program | None = None
    alive: bool

    @override
    def __str__(self) -> str:
        """Return who it is, for sentences: ``gateway node1 (0.1.0, gw-a, 812)``."""
        told = self.program
        if told is None:
            return f"gateway {self.node}"
        return f"{told.kind} {told.node} ({told.version}, {told.host}, {told.pid})"

    @property
    def knows(self) -> tuple[str, str] | None:
        """The newest revisions of policy's schema and the traces' that it knows."""
        return None if self.program is None else (self.program.policy_schema, self.program.trace_schema)

    def outlasts(self, store: str, migration: Migration, known: Sequence[str]) -> bool:
        """Whether it can go on below *migration*, one of those *known* here; who does not say what it knows cannot."""
        if self.program is None:
            return False
        newest = self.program.policy_schema if store == "policy" else self.program.trace_schema
        # a newer one than is known here knows all of these
        return newest not in known or migration.serves(known[: known.index(newest) + 1])


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where both databases stand for this version, and everybody who uses them."""

    policy: Standing
    traces: Standing
    users: tuple[User, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A contracting *migration* of the *store* that waits for *users*, who would not outlast it."""

    store: str
    migration: Migration
    users: tuple[User, ...]


class Move:
    """The way of both databases of one installation to the schemas that a version knows: this one's, unless told."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        policy: Migrations | None = None,
        traces: Migrations | None = None,
        *,
        patience: timedelta | None = None,
    ) -> None:
        """Move what *settings* name; who may be dead is waited for with *patience*, a little more than a lease if None."""
        self._settings = settings
        self._clock = clock
        self._policy = policy or POLICY
        self._traces = traces or TRACES
        self._lease = composition.policy_settings(settings).lease
        self._patience = self._lease + timedelta(seconds=LOOK_SECONDS) if patience is None else patience

    async def state(self) -> State:
        """Look, and change nothing. Raises PolicyUnavailable, CatalogUnavailable."""
        policy = await policy_database.standing(self._settings.policy_url(), self._policy)
        traces = await trace_database.standing(self._settings.trace_url(), self._traces)
        return State(policy=policy, traces=traces, users=await self._users(policy))

    def held(self, state: State, *, after_all_upgraded: bool) -> list[Held]:
        """Return what contracts, in each database the first that somebody alive would not outlast.

        *after_all_upgraded*: gateways that do not say what they know are said to be of this version.
        """
        found = []
        for store, migrations, standing in (
            ("policy", self._policy, state.policy),
            ("traces", self._traces, state.traces),
        ):
            known = [each.revision for each in migrations.all]
            for migration in standing.pending if standing.revision else ():
                users = tuple(
                    user
                    for user in state.users
                    if user.alive
                    and not (user.program is None and after_all_upgraded)
                    and not user.outlasts(store, migration, known)
                )
                if users:
                    found.append(Held(store=store, migration=migration, users=users))
                    break
        return found

    async def run(
        self,
        *,
        after_all_upgraded: bool = False,
        while_running: bool = False,
        waiting: Waiting | None = None,
    ) -> None:
        """Bring both forward, and give the processes' users their rights.

        *while_running*: change nothing where programs of the databases' own version would not outlast all of it; and
        what waits for others is no error where this version can do without.
        What contracts under somebody alive is not done: who may be dead is waited for, which *waiting* is told. On a further
        gateway's machine nothing is changed, only looked at. Raises StoreError for what had to wait, once everything before
        it is done; PolicyUnavailable, CatalogUnavailable.
        """
        if self._settings.console.elsewhere:
            await self._awaited()
            return
        if while_running:
            before = await self.state()
            for standing in (before.policy, before.traces):
                if not standing.outlasted:
                    raise StoreError("db.not_outlasted", found=standing.revision or "–", wanted=standing.head)
        held = await self._settled(after_all_upgraded, waiting)
        until = {each.store: each.migration.revision for each in held}
        await self._forward("policy", self._policy, until, policy_database.migrate)
        await self._forward("traces", self._traces, until, trace_database.migrate)
        state = await self.state()
        newest = (self._policy.head, self._traces.head)
        others = any(user.alive and user.knows != newest for user in state.users)
        await database_roles.give(self._settings, keep=others)
        usable = state.policy.obstacle is None and state.traces.obstacle is None
        if held and not (while_running and usable):
            first = held[0]
            raise StoreError(
                "db.held",
                store=first.store,
                revision=first.migration.revision,
                programs=", ".join(map(str, first.users)),
            )

    async def _awaited(self) -> None:
        """See that who may change the databases has: no gateway's user may. Raises StoreError where that is to be done yet."""
        state = await self.state()
        for standing in (state.policy, state.traces):
            if standing.obstacle is not None:
                raise StoreError("db.elsewhere", found=standing.revision or "–", wanted=standing.head)

    async def _settled(self, after_all_upgraded: bool, waiting: Waiting | None) -> list[Held]:
        end = time.monotonic() + self._patience.total_seconds()
        told = False
        while True:
            held = self.held(await self.state(), after_all_upgraded=after_all_upgraded)
            if not held or time.monotonic() >= end:
                return held
            if waiting is not None and not told:
                waiting(held[0].users)
            told = True
            await asyncio.sleep(LOOK_SECONDS)

    async def _forward(
        self,
        store: str,
        migrations: Migrations,
        held: dict[str, str],
        migrate: Callable[[str, Migrations, str | None], Awaitable[None]],
    ) -> None:
        url = self._settings.policy_url() if store == "policy" else self._settings.trace_url()
        until = None
        if store in held:
            known = [each.revision for each in migrations.all]
            until = known[known.index(held[store]) - 1]
        await migrate(url, migrations, until)

    async def _users(self, policy: Standing) -> tuple[User, ...]:
        if policy.revision is None:
            return ()
        now = self._clock.now()
        database = await policy_database.Database.open(self._settings.policy_url(), checked=False)
        try:
            async with database.read() as view:
                beating = await view.exercises.gateways(None, now - self._lease)
            missing = {each.revision for each in policy.pending}
            programs = [] if _NAMES_SINCE in missing else await self._programs(database)
        finally:
            await database.close()
        said = [User(program=each, alive=each.proved and each.alive(now, self._lease)) for each in programs]
        names = {each.node for each in programs if each.proved and each.kind is ProgramKind.GATEWAY}
        return (*said, *(User(node=node, alive=True) for node in beating if node not in names))

    async def _programs(self, database: policy_database.Database) -> Sequence[Program]:
        try:
            keyring = Keyring.load(self._settings.keyring)
        except VaultError:
            # nobody can tell true from false here: all are believed, and hold up what contracts
            async with database.read() as view:
                return [replace(program, proved=True) for program, _ in await view.programs.list()]
        return await ProgramService(database, keyring, self._clock, self._lease).list()
