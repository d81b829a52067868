"""Where a connection inside a connection (ssh -J, ssh -W) may lead: to a device, by its name, and nowhere else.

A destination is hostile text and is never resolved nor dialled: it is a name that policy is asked about.
"""

import ipaddress
from collections.abc import Collection

from gateway.session.transfer.command import Refused
from policy.domain.ids import is_name

SSH_PORT = 22

_RULE = "E6"
ADDRESS = Refused(key="refused.jump-address", code=_RULE)
SELF = Refused(key="refused.jump-self", code=_RULE)
NAME = Refused(key="refused.jump-name", code=_RULE)
PORT = Refused(key="refused.jump-port", code=_RULE)
OTHER = Refused(key="refused.jump-other", code=_RULE)
NESTED = Refused(key="refused.jump-nested", code=_RULE)
TOO_MANY = Refused(key="refused.jump-many", code=_RULE)


def refusal_of_name(host: str, chosen: str | None, own_names: Collection[str]) -> Refused | None:
    """Return why nobody may jump to *host*, None where it may be a device's name.

    *chosen* is the device that the log-in names, if it names one; *own_names* are the gateway's own. Whether there
    is such a device is not looked at: policy says so, in the same words as of one that is not hers (invariant 7).
    """
    plain = host.removeprefix("[").removesuffix("]").partition("%")[0]
    if _is_address(plain):
        return ADDRESS
    own = {name.lower() for name in own_names} | {"localhost", "localhost.localdomain", "ip6-localhost"}
    if plain.lower().rstrip(".") in own:
        return SELF
    if not is_name(host):
        return NAME
    return OTHER if chosen not in {None, host} else None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
