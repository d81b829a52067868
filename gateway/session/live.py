"""A session while it lasts: one grant, one trace, any number of channels."""

import asyncio
import math
from collections.abc import Callable, Mapping
from itertools import count

from gateway.errors import SessionEnded
from gateway.ports import Recording
from gateway.session.bridge import Relay
from gateway.session.deadline import Deadline
from gateway.session.idle import IdleMeter
from gateway.session.moved import Moved
from gateway.session.port_relay import PortRelay
from gateway.session.port_request import PortRequest
from gateway.session.reasons import EndReason
from gateway.session.request import ChannelRequest
from gateway.session.transfer.command import Refused
from gateway.sshfix import ClientChannel, DeviceConnection
from policy.domain.access import Denial, Finding, Grant, Held, Obligations
from policy.domain.sessions import Earlier
from policy.errors import PolicyError
from recorder.errors import RecordingFailed
from recorder.trace.frames import FrameType, canonical


class Session:
    """One client connection to one device: one grant, one trace, any number of channels."""

    def __init__(self, grant: Grant, meter: IdleMeter, monotonic: Callable[[], float]) -> None:
        """Begin under *grant*; the opener adds the recording and the connection."""
        self.grant = grant
        self.obligations: Obligations = grant.obligations
        self.ask_again_at = grant.ask_again_at
        self.meter = meter
        self.deadline = Deadline(self.obligations.hard_end, grant.issued_at, monotonic())
        self.relays: dict[int, Relay | PortRelay] = {}
        self.connections: list[DeviceConnection] = []
        self.ending: EndReason | None = None
        self.ended = asyncio.Event()
        self.ended_by: tuple[Finding, ...] = ()
        self.warned: set[int] = set()
        self.warned_of_silence = False
        self.told_of_outage = False
        self.quiet_until = -math.inf
        self.growing = asyncio.Lock()
        self.asking = asyncio.Lock()
        self.turns = count(1)
        self.asked = 0
        self.turned_down: Denial | PolicyError | None = None
        self.opened = False
        self.moved = Moved()
        self.earlier: Earlier | None = None
        self._monotonic = monotonic
        self._recording: Recording | None = None
        self._last_number = 0
        self.on_end: Callable[[Session, EndReason], None] = _nobody_asked
        self.on_answer: Callable[[Session, Held | Denial | None], None] = _nobody_told
        self.on_violation: Callable[[Relay], None] = _close_person
        self.on_refused: Callable[[Relay, Refused], None] = _untold

    @property
    def recording(self) -> Recording:
        """The trace; raises SessionEnded before it is open."""
        if self._recording is None:
            raise SessionEnded
        return self._recording

    @recording.setter
    def recording(self, recording: Recording) -> None:
        self._recording = recording

    @property
    def recorded(self) -> bool:
        """Whether a trace was opened."""
        return self._recording is not None

    def new_relay(self, person: ClientChannel, request: ChannelRequest) -> Relay:
        """Make the relay of a new channel; raises SessionEnded."""
        if self.ending is not None:
            raise SessionEnded
        self._last_number += 1
        relay = Relay(
            recording=self.recording,
            number=self._last_number,
            person=person,
            request=request,
            meter=self.meter,
            monotonic=self._monotonic,
            on_closed=self._forget,
            on_violation=self.on_violation,
            is_ending=lambda: self.ending is not None,
        )
        relay.moved = self.moved
        self.relays[relay.number] = relay
        return relay

    def new_port(self, request: PortRequest) -> PortRelay:
        """Make the relay of a forwarded port; raises SessionEnded."""
        if self.ending is not None:
            raise SessionEnded
        self._last_number += 1
        relay = PortRelay(
            recording=self.recording,
            number=self._last_number,
            request=request,
            meter=self.meter,
            monotonic=self._monotonic,
            on_closed=self._forget,
        )
        relay.moved = self.moved
        self.relays[relay.number] = relay
        return relay

    def _forget(self, relay: Relay | PortRelay) -> None:
        self.relays.pop(relay.number, None)

    def record(
        self,
        kind: FrameType,
        channel: int,
        facts: Mapping[str, object],
        then: Callable[[], None] | None = None,
    ) -> None:
        """Record a frame, before whatever is recorded next; raises SessionEnded where it cannot be."""
        try:
            self.recording.record(kind, channel, canonical(dict(facts)), then)
        except RecordingFailed:
            raise SessionEnded from None

    async def keep(self, kind: FrameType, channel: int, facts: Mapping[str, object]) -> None:
        """Record a frame and wait until it is written; raises SessionEnded where it cannot be."""
        written = asyncio.get_running_loop().create_future()
        self.record(kind, channel, facts, lambda: _settle(written))
        ended = asyncio.ensure_future(self.ended.wait())
        try:
            await asyncio.wait({written, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        if not written.done():
            written.cancel()
            raise SessionEnded

    def end(self, reason: EndReason) -> None:
        """Ask for the session to end; the first reason counts."""
        self.on_end(self, reason)


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _nobody_asked(_session: Session, _reason: EndReason) -> None:
    return None


def _nobody_told(_session: Session, _answer: Held | Denial | None) -> None:
    return None


def _untold(_relay: Relay, _refused: Refused) -> None:
    return None


def _close_person(relay: Relay) -> None:
    relay.person.close()
