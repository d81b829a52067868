"""What SSH can carry beside a terminal, a command or files, and why none of it passes.

Ports, sockets, tunnels, key agents and displays would open a road that no trace records (invariant 4), so
that whoever reaches one device could reach the next from it (rule E6). A subsystem or channel type that no
window can allow is outside the scope of any intervention (rule C7).
"""

from gateway.session.transfer.command import Refused
from policy.domain.people import Language
from policy.i18n import Catalog, rule_label

_E6 = "E6"

REFUSALS: dict[str, Refused] = {
    "direct-tcpip": Refused(key="refused.forward-local", code=_E6),
    "tcpip-forward": Refused(key="refused.forward-remote", code=_E6),
    "forwarded-tcpip": Refused(key="refused.forward-remote", code=_E6),
    "direct-streamlocal@openssh.com": Refused(key="refused.forward-socket", code=_E6),
    "streamlocal-forward@openssh.com": Refused(key="refused.forward-socket", code=_E6),
    "forwarded-streamlocal@openssh.com": Refused(key="refused.forward-socket", code=_E6),
    "tun@openssh.com": Refused(key="refused.tunnel", code=_E6),
    "auth-agent-req@openssh.com": Refused(key="refused.agent", code=_E6),
    "auth-agent@openssh.com": Refused(key="refused.agent", code=_E6),
    "x11-req": Refused(key="refused.x11", code=_E6),
    "x11": Refused(key="refused.x11", code=_E6),
}
"""The reason, by the name that the channel or request has on the wire."""

_UNKNOWN = Refused(key="refused.unknown")


def refusal_of(wire_name: str) -> Refused:
    """Return why the channel type or request *wire_name* is refused; there is an answer for every name."""
    return REFUSALS.get(wire_name, _UNKNOWN)


def told(refused: Refused, catalog: Catalog, language: Language | str) -> str:
    """Return the line that the person reads about *refused*, with the rule's name."""
    reason = catalog.translate(refused.key, language)
    return catalog.translate("refused.headline", language, rule=rule_label(refused.code), reason=reason)
