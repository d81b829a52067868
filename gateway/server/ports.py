"""The forwarded ports of one connection (``ssh -L``): as many as channels may be, each by policy's leave."""

from collections.abc import Callable

import structlog
from asyncssh import (
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_CONNECT_FAILED,
    OPEN_RESOURCE_SHORTAGE,
    ChannelOpenError,
)

from gateway.context import GatewayContext
from gateway.errors import (
    AccessRefused,
    AccessUnavailable,
    ChannelRefused,
    DeviceError,
    SessionEnded,
)
from gateway.server.banners import on_one_line
from gateway.server.destination import SSH_PORT
from gateway.server.selector import Selector
from gateway.session.port_relay import PersonPort, PortRelay
from gateway.session.port_request import LOOPBACK, PortRequest
from gateway.session.transfer.command import Refused

_log = structlog.get_logger()


async def leads_to_ssh(selector: Selector, request: PortRequest) -> bool:
    """Tell whether *request* is for the SSH server of a device (ssh -J), and not for a port beside it."""
    if request.host in LOOPBACK:
        return False
    return request.port == SSH_PORT or request.port in await selector.ports(request.host)


class Ports:
    """Opens ports for one connection and counts those that are open or opening."""

    def __init__(self, context: GatewayContext, on_closed: Callable[[], None]) -> None:
        """Open them by *context*; call *on_closed* after each that ends."""
        self._context = context
        self._on_closed = on_closed
        self.count = 0

    async def open(self, selector: Selector, request: PortRequest, others: int) -> PersonPort:
        """Open *request* for whoever *selector* serves, who has *others* open channels already.

        Raises ChannelOpenError with the reason, in plain ASCII: ssh writes it to its log as it is.
        """
        wording, language = self._context.wording, selector.person.language
        if self.count + others >= self._context.settings.max_channels:
            text = wording.refused("refusal.channels", language)
            raise ChannelOpenError(OPEN_RESOURCE_SHORTAGE, on_one_line(text))
        self.count += 1
        try:
            return PersonPort(await self._forward(selector, request), self._closed)
        except BaseException:
            self._closed()
            raise

    async def _forward(self, selector: Selector, request: PortRequest) -> PortRelay:
        wording, language = self._context.wording, selector.person.language
        code = OPEN_ADMINISTRATIVELY_PROHIBITED
        try:
            return await selector.forward(request)
        except AccessRefused as refused:
            text = wording.denied(refused.denial, language)
        except AccessUnavailable as error:
            text = wording.refused(error.key, language)
        except ChannelRefused as refused_channel:
            told = Refused(key=refused_channel.key, code=refused_channel.code)
            text = wording.channel_refused(told, language)
        except DeviceError as error:
            code, text = OPEN_CONNECT_FAILED, wording.refused(error.key, language, device=error.device)
        except SessionEnded:
            text = wording.refused("end.refused", language)
        except Exception as error:
            _log.error("port.failed", error=repr(error))
            text = wording.refused("end.failure", language)
        raise ChannelOpenError(code, on_one_line(text))

    def _closed(self) -> None:
        self.count -= 1
        self._on_closed()
