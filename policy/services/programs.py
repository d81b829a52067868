"""Names of processes: claimed at the start, kept by signs of life, given back; two processes never hold one."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Final

from policy.clock import Clock
from policy.domain.programs import Naming, Program
from policy.store.database import Database, silence_means_unavailable
from policy.store.repositories.programs import Sealed
from policy.store.unit_of_work import UnitOfWork
from policy.vault.keyring import Keyring

BEAT_SECONDS: Final = 3.0
"""How often a process says that it lives."""
ANSWER_SECONDS: Final = 10.0
"""How long the database may take for one answer: who waits for it in silence would lose the name and not hear of it."""


class ProgramService:
    """Who runs under which name. Every method may raise PolicyUnavailable.

    Rows are sealed by the vault's keys, which every process of an installation holds: a gateway's database password
    alone can write them, and claims nothing by it.
    """

    def __init__(self, database: Database, keyring: Keyring, clock: Clock, lease: timedelta) -> None:
        """Count a process as gone after *lease* of silence."""
        self._database = database
        self._keyring = keyring
        self._clock = clock
        self.lease: Final = lease

    async def take(self, program: Program, *, gone: str | None = None, patient: bool = False) -> Naming:
        """Give *program* its name, unless another process holds it: that one is told then.

        *gone* is a claim whose process is known to have ended. *patient*: who asks has watched for the whole lease, so
        a holder counts only where it lives by its last sign; before that, one that fell silent might come back.
        """
        async with self._work() as work:
            found = await self._held(work, program)
            forged = found if found is not None and not found.proved else None
            if found is not None and found.proved and found.ended_at is None and found.claim != gone:
                silent = not found.alive(self._clock.now(), self.lease)
                if not (patient and silent):
                    return Naming(holder=found)
            await work.programs.put(program, self._seal(program))
        return Naming(forged=forged)

    async def renew(self, program: Program) -> Naming:
        """Say that *program*, started before, lives; tell who holds its name where that is another by now.

        What is no claim, or one from before its own start, is written over.
        """
        async with self._work() as work:
            found = await self._held(work, program)
            others = found is not None and found.claim != program.claim
            if found is not None and found.proved and others and found.started_at > program.started_at:
                return Naming(holder=found)
            alive = replace(program, beat_at=self._clock.now())
            await work.programs.put(alive, self._seal(alive))
        return Naming(forged=found if found is not None and (others or not found.proved) else None)

    async def release(self, program: Program) -> None:
        """Give the name of *program* back; nothing is done where another holds it."""
        now = self._clock.now()
        async with self._work() as work:
            found = await self._held(work, program)
            if found is not None and found.claim == program.claim:
                ended = replace(program, beat_at=now, ended_at=now)
                await work.programs.put(ended, self._seal(ended))

    async def list(self) -> Sequence[Program]:
        """Return every process that ever claimed a name here and was the last to, proved or not."""
        async with _deadline(), self._database.read() as view:
            return [self._read(each) for each in await view.programs.list()]

    @asynccontextmanager
    async def _work(self) -> AsyncIterator[UnitOfWork]:
        async with _deadline(), self._database.unit_of_work(None, self._clock) as work:
            yield work

    async def _held(self, work: UnitOfWork, program: Program) -> Program | None:
        """Keep others from the name of *program* until the end of *work*, and return who claimed it last."""
        await work.programs.hold(program.kind, program.node)
        found = await work.programs.find(program.kind, program.node)
        return None if found is None else self._read(found)

    def _seal(self, program: Program) -> str:
        return self._keyring.mark(_said(program))

    def _read(self, sealed: Sealed) -> Program:
        program, seal = sealed
        mark = self._seal(program)
        # as bytes: whoever writes a row may write any text for its seal, and text beyond ASCII is not compared but raises
        return replace(program, proved=hmac.compare_digest(seal.encode(), mark.encode()))


@asynccontextmanager
async def _deadline() -> AsyncIterator[None]:
    with silence_means_unavailable():
        async with asyncio.timeout(ANSWER_SECONDS):
            yield


def _said(program: Program) -> str:
    """Return everything that a row says: a seal is worth nothing beside other values."""
    ended = "" if program.ended_at is None else program.ended_at.isoformat()
    said = (
        *(program.kind, program.node, program.claim, program.host, program.pid, program.version),
        *(program.policy_schema, program.trace_schema),
        *(program.started_at.isoformat(), program.beat_at.isoformat(), ended),
    )
    return "program/" + "/".join(map(str, said))
