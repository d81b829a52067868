"""The end of a session: signals, a word to the person, both legs closed, the trace signed; always bounded."""

import asyncio
from datetime import datetime
from typing import Protocol

import structlog

from gateway.journal import GatewayJournal
from gateway.session.bridge import Relay
from gateway.session.known import speak_of
from gateway.session.leases import Leases
from gateway.session.live import Session
from gateway.session.parting import HANG_UP_SECONDS, PROCESS_SECONDS
from gateway.session.port_relay import PortRelay
from gateway.session.reasons import EndReason
from policy.domain.access import Finding
from recorder.errors import RecorderError
from recorder.trace.instants import text as instant

CLIENT_SECONDS = 2.0
"""How long a person's channel has to take its last words before it is aborted."""

_log = structlog.get_logger()


class HangUp(Protocol):
    """Closes a person's connection; the text says why, where none of her channels did."""

    def __call__(self, text: str = "") -> None:
        """Close it."""


async def end_session(
    session: Session,
    reason: EndReason,
    message: str,
    *,
    journal: GatewayJournal,
    hang_up: HangUp,
    leases: Leases,
) -> None:
    """End *session*, whose ``ending`` is already set, and tell everybody.

    *message* goes to each of the person's channels; *hang_up* closes her connection once they are closed, and is
    given it where none of them could show it.
    Never raises: each step is taken whatever became of the one before.
    """
    speak_of(session.grant)
    relays = list(session.relays.values())
    open_relays = [relay for relay in relays if relay.device is not None]
    for relay in relays:
        try:
            relay.terminate(message)
        except Exception as error:
            _log.error("session.terminate_failed", error=repr(error))
    try:
        survivors = await _survivors(open_relays)
        for connection in list(session.connections):
            session.connections.clear()
            connection.close()
        for relay in survivors:
            if isinstance(relay, PortRelay):
                continue  # no process of hers
            command = relay.request.shown or relay.request.kind
            await journal.quietly(
                "session.process_survived", session.grant, {"command": command, "channel": relay.number}
            )
        await _leave(relays)
    except Exception as error:
        _log.error("session.end_failed", error=repr(error))
    finally:
        if session.opened:  # else the person reads on her channel why nothing opened
            hang_up("" if any(isinstance(relay, Relay) for relay in relays) else message)
        await _close_books(session, reason, journal, leases)
        _log.info("session.closed", reason=reason.value)
        session.ended.set()


async def _survivors(relays: list[Relay | PortRelay]) -> list[Relay | PortRelay]:
    """Give every process its time, close on those that took it, and return whose end the device does not confirm even then.

    A shell at its prompt may be deaf to signals (sshd passes none to root's), and ends when its terminal is taken away.
    """
    await _closing(relays, PROCESS_SECONDS)
    for relay in relays:
        if relay.device is not None:
            relay.device.abort()
    await _closing(relays, HANG_UP_SECONDS)
    return [relay for relay in relays if relay.device is not None]


async def _closing(relays: list[Relay | PortRelay], seconds: float) -> None:
    tasks = [asyncio.ensure_future(one.device.wait_closed()) for one in relays if one.device is not None]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()


async def _leave(relays: list[Relay | PortRelay]) -> None:
    channels = [relay.person for relay in relays if relay.person is not None]
    closing = [asyncio.ensure_future(channel.wait_closed()) for channel in channels]
    if not closing:
        return
    _, late = await asyncio.wait(closing, timeout=CLIENT_SECONDS)
    for task in late:
        task.cancel()
    if late:
        for channel in channels:
            channel.abort()


async def _close_books(
    session: Session,
    reason: EndReason,
    journal: GatewayJournal,
    leases: Leases,
) -> None:
    told = [_told(finding) for finding in session.ended_by]
    details: dict[str, object] = {"failed": told} if told else {}
    if session.recorded:
        try:
            await session.recording.close(reason.value, **details)
        except (RecorderError, OSError) as error:
            _log.error("recording.close_failed", error=str(error))
    moved = session.moved.due(ending=True) or {}
    facts = {**details, **moved}
    known = await journal.closed(session.grant, {"reason": reason.value, **facts})
    await leases.give_back(session.grant, reason.value, facts, told=known)


def _told(finding: Finding) -> dict[str, object]:
    """Return what trace and journal keep of a rule that ended a session: instants as they are written everywhere."""
    facts = {
        name: instant(value) if isinstance(value, datetime) else str(value)
        for name, value in finding.arguments.items()
    }
    return {"rule": finding.code, "key": finding.key, **facts}
