"""What a channel may be under a grant, and what watches it while it lasts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.session import open_secrets
from gateway.session.bridge import Relay
from gateway.session.evidence import EchoWatch
from gateway.session.port_relay import PortRelay
from gateway.session.port_request import NOT_NAMED
from gateway.session.request import ChannelRequest
from gateway.session.transfer.command import Allowed, Refused, classify, classify_subsystem
from gateway.session.transfer.scp import ScpTap
from gateway.session.transfer.sftp import SftpTap
from policy.domain.access import Obligations
from policy.domain.windows import Channel

Alarm = Callable[[str, Mapping[str, object]], None]
Tell = Callable[[Refused], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """A channel that may open: what it is, and the directions its files may go."""

    allowed: Allowed | None

    @property
    def directions(self) -> frozenset[Channel]:
        """The directions that a tap on this channel holds to."""
        return self.allowed.directions if self.allowed is not None else frozenset()

    def equip(self, relay: Relay, alarm: Alarm, tell: Tell) -> None:
        """Put on *relay* what reads its files in passing, or looks at its terminal.

        Hidden lines go to *alarm*; a direction that a transfer is denied goes to *tell*, for the person.
        """
        if relay.request.kind == "exec":
            for place in open_secrets.places(relay.request.argument, terminal=relay.request.pty is not None):
                relay.mark({"kind": f"open-secret-{place}"})
        if relay.request.pty is not None:

            def unseen(lines: int) -> None:
                relay.mark({"kind": "unseen-input", "lines": lines})
                alarm("unseen_input", {"channel": relay.number, "lines": lines})

            relay.watch = EchoWatch(unseen)
        elif self.allowed is not None:
            match self.allowed.kind:
                case "sftp":
                    relay.tap = SftpTap(
                        self.allowed.directions, relay.note, lambda channel: tell(denied_direction(channel))
                    )
                case "scp-up" | "scp-down" as kind:
                    relay.tap = ScpTap(kind, relay.note, self.allowed.argv[-1])
        if relay.tap is not None:
            relay.miss("transfer")


def denied_direction(channel: Channel) -> Refused:
    """Return why files may not go in the direction of *channel*."""
    return Refused(key="refused.sftp-up" if channel is Channel.SFTP_UP else "refused.sftp-down")


def plan(request: ChannelRequest, channels: frozenset[Channel]) -> Plan | Refused:
    """Decide on *request* under the *channels* of the live grant."""
    if request.kind == "shell":
        return Plan(None) if Channel.SHELL in channels else Refused(key="refused.shell")
    if request.kind == "exec":
        decision = classify(request.argument, channels)
        runs_anything = Channel.EXEC in channels
    else:
        decision = classify_subsystem(request.argument.decode("ascii", "replace"), channels)
        runs_anything = False
    if isinstance(decision, Refused):
        return decision
    if request.pty is not None and not runs_anything:
        # What is typed on a terminal is not kept and not read: files would pass unseen, in any direction.
        return Refused(key="refused.files-terminal")
    return Plan(decision)


def still_allowed(relay: Relay | PortRelay, obligations: Obligations) -> Refused | None:
    """Return why an open channel may not go on under other *obligations*, None where it may."""
    if isinstance(relay, PortRelay):
        return NOT_NAMED if obligations.forward_to(relay.request.port) is None else None
    decision = plan(relay.request, obligations.channels)
    if isinstance(decision, Refused):
        return decision
    lost = relay.directions - decision.directions
    if lost:
        return denied_direction(Channel.SFTP_UP if Channel.SFTP_UP in lost else Channel.SFTP_DOWN)
    return None
