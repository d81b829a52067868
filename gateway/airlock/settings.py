"""What the two sides of the lock are told. Times are seconds."""

import ssl
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """Where the front listens: for clients, and for relays.

    ``tls`` demands a certificate of whoever dials in; ``relays`` are the digests (SHA-256 of the DER) of those let in.
    Where ``clients`` are inside, or ``clients_per_source`` of one source, one who has not begun to speak for
    ``silent_seconds`` leaves for who comes. ``waiting`` is how many connections of relays are kept ready at most; ``patience_seconds`` how long a client waits
    for one.
    """

    host: str
    port: int
    relay_host: str
    relay_port: int
    tls: ssl.SSLContext
    relays: frozenset[bytes]
    clients: int = 1000
    clients_per_source: int = 100
    silent_seconds: float = 2.0
    waiting: int = 256
    patience_seconds: float = 10.0
    drain_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """Which fronts the relay dials, and the one gateway to which it brings what comes.

    ``tls`` shows the relay's certificate; ``front_digests`` are those of the fronts believed. ``waiting`` connections
    are held open to each front.
    """

    fronts: tuple[tuple[str, int], ...]
    gateway_host: str
    gateway_port: int
    tls: ssl.SSLContext
    front_digests: frozenset[bytes]
    waiting: int = 16
    connect_seconds: float = 5.0
    slowest_retry_seconds: float = 15.0
    drain_seconds: float = 10.0
