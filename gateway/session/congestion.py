"""The two connections that a relay stands between: whichever is congested, the valve towards it is shut."""

from gateway.session.valve import Valve
from gateway.sshfix import FlowControl


class Congestion:
    """A feeder of a person's connection and of a device's, by the valves of one relay."""

    def __init__(self, to_person: Valve, to_device: Valve) -> None:
        """Shut *to_person* while the person's connection is congested, *to_device* while the device's is."""
        self._to_person = to_person
        self._to_device = to_device
        self._connections: list[FlowControl] = []

    def watch(self, connection: FlowControl) -> None:
        """Hold and release with *connection* from now on."""
        self._connections.append(connection)
        connection.add_feeder(self)

    def leave(self) -> None:
        """Take no more part in any connection."""
        for connection in self._connections:
            connection.remove_feeder(self)

    def hold(self, connection: FlowControl) -> None:
        """Stop what feeds *connection*."""
        self._valve(connection).hold("transport")

    def release(self, connection: FlowControl) -> None:
        """Go on feeding *connection*."""
        self._valve(connection).release("transport")

    def _valve(self, connection: FlowControl) -> Valve:
        return self._to_person if connection.is_server() else self._to_device
