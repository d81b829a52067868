"""The gateway's SSH host keys, and the certificates by which clients know them under each name they type."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import asyncssh
from asyncssh import SSHKey, SSHKeyPair

from gateway.sshfix.algorithms import RSA_HOST_SIGNATURES
from policy.clock import Clock

CERTIFICATE_LIFE = timedelta(hours=12)
"""A certificate is looked at when a connection begins; one that leaked soon serves nobody."""
CLOCK_SLACK = timedelta(hours=1)
"""How far a client's clock may be behind."""

_CERTIFIED = b"-cert-v01@openssh.com"
_RSA = {b"ssh-rsa": b"", b"ssh-rsa" + _CERTIFIED: _CERTIFIED}


class HostKeys:
    """The host keys in the order of preference, certified on demand by the installation's host CA if there is one."""

    def __init__(
        self, files: Sequence[Path], authority: Path | None, names: Sequence[str], clock: Clock
    ) -> None:
        """Read the OpenSSH private keys in *files* and, where it is given, the host CA's in *authority*.

        *names* are those of the gateway itself; *clock* tells the instants that certificates are dated by.
        Raises OSError, asyncssh.KeyImportError.
        """
        self._keys = [asyncssh.read_private_key(path) for path in files]
        self._plain = [pair for key in self._keys for pair in asyncssh.load_keypairs([key])]
        for pair in self._plain:
            _without_sha1(pair)
        self._authority: SSHKey | None = None if authority is None else asyncssh.read_private_key(authority)
        self._clock = clock
        self._own: list[SSHKeyPair] = []
        self._renew_at: datetime | None = None
        self.names = tuple(names)

    @property
    def authority_line(self) -> str | None:
        """The host CA's public key as one OpenSSH line, None where there is no CA."""
        if self._authority is None:
            return None
        kind, data = self._authority.export_public_key().decode("ascii").split()[:2]
        return f"{kind} {data}"

    def own(self) -> list[SSHKeyPair]:
        """Return what the gateway itself shows: its certificates are renewed when half of their life is over."""
        now = self._clock.now()
        if self._renew_at is None or now >= self._renew_at:
            self._own = self.shown_as(self.names)
            self._renew_at = now + CERTIFICATE_LIFE / 2
        return self._own

    def shown_as(self, names: Sequence[str]) -> list[SSHKeyPair]:
        """Return the plain keys, then, where there is a CA and a name, fresh certificates for *names* alone."""
        if self._authority is None or not names:
            return self._plain
        return [*self._plain, *(self._certified(key, self._authority, names) for key in self._keys)]

    def _certified(self, key: SSHKey, authority: SSHKey, names: Sequence[str]) -> SSHKeyPair:
        now = self._clock.now()
        certificate = authority.generate_host_certificate(
            key,
            f"ecluse:{names[0]}",
            principals=list(names),
            valid_after=now - CLOCK_SLACK,
            valid_before=now + CERTIFICATE_LIFE,
        )
        return _without_sha1(asyncssh.load_keypairs([(key, certificate)])[0])


def _without_sha1(pair: SSHKeyPair) -> SSHKeyPair:
    # an RSA key offers SHA-1 unless told not to
    if pair.algorithm in _RSA:
        suffix = _RSA[pair.algorithm]
        pair.host_key_algorithms = [name + suffix for name in RSA_HOST_SIGNATURES]
    return pair
