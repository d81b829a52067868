"""The machines that are to audit themselves: by which key each one's reports are believed, and which never made one."""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from admin_api.registered_keys import RegisteredKeys
from recorder.seal.signing import PublicKey

_SUCCESSOR: Final = re.compile(r"\.[0-9]+$")
"""How a gateway that took over while its predecessor lived is called: ``node1.2``, on the machine ``node1``."""


@dataclass(frozen=True, slots=True)
class AuditKeys:
    """Whose signature counts: of a machine whose key is registered here that key alone, else a key of checkpoints."""

    consoles: Sequence[PublicKey]
    machines: RegisteredKeys

    def of(self, node: str) -> Sequence[PublicKey]:
        """Return the keys by which the reports of *node* are believed; none where its own cannot be read."""
        own = self.machines.of(node)
        if own is not None:
            return [own]
        return [] if node in self.machines.names() else self.consoles

    def expected(self, audited: Collection[str], gateways: Mapping[str, datetime]) -> Mapping[str, datetime]:
        """Return the machines that are to audit themselves, and since when they could: with a key here, or a gateway that runs.

        *audited* are those that a believed report tells of, *gateways* those that run, with the start of each.
        """
        found = dict[str, datetime]()
        for node in self.machines.names():
            with suppress(OSError):  # removed in between
                found[node] = self.machines.since(node)
        known = {*audited, *found}
        for node, started in gateways.items():
            machine = node if node in known else _SUCCESSOR.sub("", node)
            found[machine] = min(started, found.get(machine, started))
        return found
