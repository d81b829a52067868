"""Messages to the hospital's webhook: queued in the transaction that they tell of, and tried until they have arrived."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from policy.clock import Clock
from policy.domain.alarms import Alarm, Call
from policy.domain.ids import HospitalId, new_id
from policy.errors import CallRefused
from policy.services.service import Service
from policy.settings import PolicySettings
from policy.store.plain import described
from policy.store.unit_of_work import UnitOfWork

_FIRST_PAUSE: Final = timedelta(seconds=10)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_AT_ONCE: Final = 20

Deliver = Callable[[Call], Awaitable[None]]
"""Hands a message to the webhook; raises CallRefused where it was not taken."""


class CallQueue:
    """Puts messages into the transaction that they tell of; does nothing where the hospital has no webhook."""

    def __init__(self, clock: Clock, settings: PolicySettings) -> None:
        """Queue by *settings*."""
        self._clock = clock
        self._settings = settings

    async def tell(self, work: UnitOfWork, event: str, alarm: Alarm) -> None:
        """Queue that *event* (``opened``, ``acknowledged``, ``closed``) became of *alarm*."""
        least = self._settings.alarm_calls
        if least is None or not alarm.severity.reaches(least):
            return
        at = self._clock.now()
        call = Call(
            id=new_id(),
            hospital_id=alarm.hospital_id,
            alarm_id=alarm.id,
            event=event,
            alarm=described(alarm),
            queued_at=at,
            expires_at=at + self._settings.call_validity,
            next_try_at=at,
        )
        await work.calls.insert(call)


class CallService(Service):
    """Who empties the queue of messages."""

    async def deliver(self, hospital_id: HospitalId, send: Deliver) -> int:
        """Try the messages that are due with *send*, and return how many were tried.

        A try is counted before it is made: a process that dies in the middle of it sends twice rather than never, and
        the receiver knows the second by its identifier. Raises PolicyUnavailable.
        """
        at = self._clock.now()
        async with self._database.read() as view:
            due = await view.calls.due(hospital_id, at, _AT_ONCE)
        for call in due:
            next_try = at + min(_FIRST_PAUSE * (1 << min(call.tries, 16)), _LONGEST_PAUSE)
            async with self._database.unit_of_work(None, self._clock) as work:
                claimed = await work.calls.claim(call, next_try)
            if claimed:
                await self._try(call, send, last=next_try >= call.expires_at)
        return len(due)

    async def _try(self, call: Call, send: Deliver, *, last: bool) -> None:
        fault = None
        try:
            await send(call)
        except CallRefused as refused:
            fault = str(refused)[:200]
        at = self._clock.now()
        about = {"event": call.event, "alarm": call.alarm_id}
        async with self._database.unit_of_work(None, self._clock) as work:
            if fault is None:
                await work.calls.settle(call, delivered_at=at)
                await work.emit("webhook.delivered", call.hospital_id, call.id, {}, about)
            elif last:
                await work.calls.settle(call, abandoned_at=at, fault=fault)
                await work.emit(
                    "webhook.abandoned", call.hospital_id, call.id, {}, {**about, "reason": fault}
                )
            else:
                await work.calls.settle(call, fault=fault)
