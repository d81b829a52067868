"""Errors of the gateway package.

GatewayError
├── UnsupportedLibrary      asyncssh is not the exact version the overrides were written for
├── AccessRefused           policy said no; carries the denial
├── AccessUnavailable       policy or the recorder cannot be used now: nothing opens
├── SessionEnded            the session a channel wants to join has ended
├── ChannelRefused          the grant does not allow this channel; carries the message key
├── CommandMisused          a typed command was not understood; carries the message key
└── DeviceError             the device's side; ``key`` names the message for the person
    ├── DeviceUnreachable   no answer, no route
    │   └── DeviceHungUp    it takes the connection and closes it
    ├── NoCommonAlgorithm   the device speaks nothing that its leg allows
    ├── DeviceMisdescribed  its list names an algorithm that does not exist
    ├── HostKeyChanged      the device shows a key that nobody pinned
    ├── SecretRefused       the device refuses the vaulted secret
    ├── FlowRefused         the network filter does not open the way to it
    └── DeviceRefused       the device accepts the account and refuses the channel
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policy.domain.access import Denial


class GatewayError(Exception):
    """Base of this package's errors; never raised itself."""


class UnsupportedLibrary(GatewayError):
    """The SSH library is not the exact version whose defects ``gateway.sshfix`` mends."""


class AccessRefused(GatewayError):
    """Policy refused; ``denial`` says why."""

    def __init__(self, denial: Denial) -> None:
        """Carry the *denial*."""
        super().__init__("access refused")
        self.denial = denial


class AccessUnavailable(GatewayError):
    """Nothing can be opened now. ``key`` is the message for the person (``refusal.recorder``…)."""

    def __init__(self, key: str) -> None:
        """Name the message *key*."""
        super().__init__(key)
        self.key = key


class SessionEnded(GatewayError):
    """The session has ended, or is ending: no channel joins it any more."""


class ChannelRefused(GatewayError):
    """This channel is not allowed. ``key`` is the message for the person, ``code`` the rule."""

    def __init__(self, key: str, code: str) -> None:
        """Name the message *key* and the rule's *code*."""
        super().__init__(key)
        self.key = key
        self.code = code


class CommandMisused(GatewayError):
    """A typed line is no command. ``key`` and ``arguments`` are the message, ``command`` whose help to read."""

    def __init__(self, key: str, command: str = "", /, **arguments: object) -> None:
        """Name the message *key* with its *arguments*, and the *command* where one was recognised."""
        super().__init__(key)
        self.key = key
        self.command = command
        self.arguments = arguments


class DeviceError(GatewayError):
    """Something on the device's side. ``detail`` is for the journal and the log, never for the terminal."""

    key = "device.unreachable"
    device = ""
    """The device as the person named it."""

    def __init__(self, detail: str) -> None:
        """Keep the *detail* for those who look after the device."""
        super().__init__(detail)
        self.detail = detail


class DeviceUnreachable(DeviceError):
    """The device does not answer."""

    key = "device.unreachable"


class DeviceHungUp(DeviceUnreachable):
    """The device takes the connection and closes it at once: full, filtering, or a server that fails."""

    key = "device.hung-up"


class NoCommonAlgorithm(DeviceError):
    """The device speaks no algorithm that is modern or on its own list of old ones."""

    key = "device.algorithms"


class DeviceMisdescribed(DeviceError):
    """The device's own list, as the hospital wrote it, names an algorithm that no gateway can speak."""

    key = "device.misdescribed"


class HostKeyChanged(DeviceError):
    """The device shows a host key that nobody compared and pinned (invariant 10).

    ``shown`` and ``pinned`` name algorithm and fingerprint, for the hospital's staff and not for the person.
    """

    key = "device.host-key"

    def __init__(self, detail: str, *, shown: str = "", pinned: str = "") -> None:
        """Say what was *shown* and what is *pinned*, as far as it is known."""
        super().__init__(detail)
        self.shown = shown
        self.pinned = pinned


class SecretRefused(DeviceError):
    """The device refuses the account's vaulted secret, or that cannot be used."""

    key = "device.secret"


class DeviceRefused(DeviceError):
    """The device refuses this shell, command or subsystem, as it would to anyone."""

    key = "device.refused"


class FlowRefused(DeviceError):
    """The network filter does not open the way to the device: nothing was dialled (rule T8)."""

    key = "device.flow"
