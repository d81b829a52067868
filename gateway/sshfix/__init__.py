"""What asyncssh 2.24.1 needs before a bastion can stand on it.

Each override is a subclass or a mixin, never a change to the library itself, so that a stock connection
stays available to the tests that show what it mends. Most lean on private names: the version is exact.

Defects mended here:

- the receive window is granted anew while delivered data still waits: memory grows with a slow reader
- the transport's own back-pressure is ignored: a peer that grants a huge window makes us buffer it all
- data goes on being accepted while a packet waits for an answer, and sent while keys are renewed
- one RSA host key pair is shared, and changed, by all connections: concurrent log-ins fail
- a second SERVICE_REQUEST before log-in, as paramiko sends, disconnects
- a guessed key exchange packet is judged by half of RFC 4253 section 7: dbclient cannot connect
- partial success (RFC 4252 section 5.1) cannot be offered
- ``signature_algs`` is announced and not enforced: SHA-1 signatures pass
- what a FIDO2 security key signed of its holder (touch, verification) is not told
- an exec request that is not UTF-8 is refused
- a channel closed by its client is closed at once, and the exit status that it waits for is lost
- agent and X11 requests, environment and queued requests have no hook and no bound
- SSH_MSG_IGNORE is sent before every packet, which only CBC needs, and some devices choke on it
- each packet of a transfer is copied many times over, its cipher made anew, a log line worded (passwords in it)
"""

from gateway.sshfix.channels import ClientChannel, DeviceChannel, PortChannel, PtyRequest, TunnelChannel
from gateway.sshfix.client import DeviceConnection, connect
from gateway.sshfix.flow import Feeder, FlowControl
from gateway.sshfix.server import InnerConnection, LoginOwner, Proof, ServerConnection
from gateway.sshfix.signatures import SignedKey
from gateway.sshfix.version import require_version

__all__ = [
    "ClientChannel",
    "DeviceChannel",
    "DeviceConnection",
    "Feeder",
    "FlowControl",
    "InnerConnection",
    "LoginOwner",
    "PortChannel",
    "Proof",
    "PtyRequest",
    "ServerConnection",
    "SignedKey",
    "TunnelChannel",
    "connect",
    "require_version",
]
