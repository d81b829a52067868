"""A device that is not OpenSSH: an SSH server of asyncssh that does what the test tells it, reached through the bastion."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncssh
from typing_extensions import override

from policy.domain.devices import AccountMethod, Device
from policy.vault.secret import Secret
from tests.support.bastion import Bastion

NAME = "hostile"
PASSWORD = "hostile-device-secret"


class Welcoming(asyncssh.SSHServer):
    """Lets in whoever has `PASSWORD`."""

    @override
    def password_auth_supported(self) -> bool:
        return True

    @override
    def validate_password(self, username: str, password: str) -> bool:
        return password == PASSWORD


@asynccontextmanager
async def hostile_device(
    bastion: Bastion,
    behave: Callable[["asyncssh.SSHServerProcess[bytes]"], Awaitable[None]],
    *,
    server_factory: Callable[[], asyncssh.SSHServer] = Welcoming,
    **options: Any,
) -> AsyncIterator[str]:
    """Yield the name of a device, declared and in a window of alice's, whose processes are *behave*.

    *server_factory* and *options* go to ``asyncssh.listen``.
    """
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=server_factory,
        server_host_keys=[key],
        process_factory=behave,
        encoding=None,
        line_editor=False,
        **options,
    )
    try:
        await declare(bastion, server.get_port(), key.export_public_key().decode())
        yield NAME
    finally:
        server.close()


async def declare(bastion: Bastion, port: int, host_key: str) -> Device:
    """Declare a device at *port* with *host_key* pinned, in a window of alice's."""
    world = bastion.world
    administrator, devices = world.who("dsi"), world.services.devices
    device = await devices.create(
        administrator, world.id, name=NAME, zone_id=world.zone.id, address="127.0.0.1", port=port
    )
    await devices.add_account(
        administrator,
        world.id,
        device.id,
        name="maint",
        method=AccountMethod.PASSWORD,
        secret=Secret(PASSWORD),
    )
    device = await devices.pin_host_key(administrator, world.id, device.id, host_key)
    await world.add_window(devices=[device.id])
    return device
