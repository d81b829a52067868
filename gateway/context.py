"""What every connection of one gateway shares."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.journal import GatewayJournal
from gateway.server.banners import Wording
from gateway.server.commands import Commands, Openings
from gateway.session.lifecycle import Opener
from gateway.session.supervisor import Supervisor
from gateway.settings import GatewaySettings
from policy.clock import Clock
from policy.i18n import Catalog
from policy.services.login import LoginService


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayContext:
    """Made once by the listener. ``monotonic`` gives seconds of a clock that never steps."""

    settings: GatewaySettings
    logins: LoginService
    openings: Openings
    commands: Commands
    catalog: Catalog
    wording: Wording
    journal: GatewayJournal
    opener: Opener
    supervisor: Supervisor
    clock: Clock
    monotonic: Callable[[], float]
