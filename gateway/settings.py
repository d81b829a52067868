"""What a gateway is told once, at its start."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from policy.domain.ids import HospitalId


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Settings of one gateway process. Times are seconds, sizes bytes.

    ``host_keys`` are files of OpenSSH private keys, ed25519 first. ``node`` names this process in leases
    and in the journal. ``max_channels`` counts the open channels of one client connection.
    ``max_inner_connections`` counts the connections to devices inside one client connection (ssh -J).
    ``proxy_sources`` are the networks of the balancers, whose connections begin with a header of the PROXY protocol that
    is believed, and no others: from elsewhere such a header is no SSH.
    ``host_authority`` is the file of the host CA's private key, if there is one, and ``names`` are those under
    which clients reach the gateway: it certifies its host keys for them, and for the devices that people jump to.
    ``idle_connection_seconds`` ends a connection that is logged in and opens nothing.
    ``responder_seconds`` is how often OCSP responders are asked again about the tokens of live sessions.
    ``menu_seconds`` is how long a menu stays open, whatever is typed: its log-in is that old by then.
    ``flow_broker`` is the Unix socket of the broker that opens the way to a device in the network filter; None: the
    filter, if there is one, is not ours, and devices are dialled without asking.
    ``drain_seconds`` is how long live sessions have once the process is asked to end, ``handover_seconds`` once another
    one has taken its place and nobody new comes.
    ``policy_grace_seconds`` is how long live sessions outlive an unreadable policy store (invariant 12).
    """

    host_keys: tuple[Path, ...]
    hospital_id: HospitalId
    node: str
    host: str = "127.0.0.1"
    port: int = 2222
    reuse_port: bool = False
    proxy_sources: tuple[IPv4Network | IPv6Network, ...] = ()
    login_grace_seconds: float = 60.0
    max_unauthenticated: int = 200
    max_unauthenticated_per_source: int = 20
    max_dialogues: int = 3
    max_channels: int = 64
    max_inner_connections: int = 8
    host_authority: Path | None = None
    names: tuple[str, ...] = ()
    connect_timeout_seconds: float = 10.0
    flow_broker: Path | None = None
    idle_connection_seconds: float = 120.0
    menu_seconds: float = 900.0
    drain_seconds: float = 10.0
    handover_seconds: float = 43200.0
    poll_seconds: float = 0.5
    policy_grace_seconds: float = 300.0
    responder_seconds: float = 300.0
