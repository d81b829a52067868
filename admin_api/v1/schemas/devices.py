"""Shapes of zones, devices, dedicated accounts, host keys and device tasks."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, Field, SecretStr

from admin_api.sayings import of_both
from admin_api.v1.schemas.base import Identifier, InOrder, Input, Name, Page, Shown, example
from policy.authn import ssh_keys
from policy.domain.devices import AccountMethod, Algorithms, Quirk
from policy.domain.factors import Level
from policy.domain.people import Language
from policy.domain.tasks import DeviceTask, TaskKind, TaskState


class ZoneOut(Shown):
    """An admin-network zone."""

    id: str
    name: str
    source_address: str | None


class ZonesPage(Page[ZoneOut]):
    """One page of zones."""


class ZoneIn(Input):
    """A zone to make; its devices are dialled from ``source_address``, an address of the gateway's host."""

    model_config = example(name="admin", source_address="192.0.2.10")

    name: Name
    source_address: str | None = Field(default=None, max_length=64)


class AlgorithmsBody(Input):
    """SSH algorithms and quirks of one old device, on its own leg only; each weakness needs a derogation."""

    kex: list[str] = Field(default_factory=list, max_length=20)
    host_key: list[str] = Field(default_factory=list, max_length=20)
    encryption: list[str] = Field(default_factory=list, max_length=20)
    mac: list[str] = Field(default_factory=list, max_length=20)
    quirks: list[Quirk] = Field(default_factory=list, max_length=5)

    def domain(self) -> Algorithms:
        """Return them as policy knows them."""
        return Algorithms(
            kex=tuple(self.kex),
            host_key=tuple(self.host_key),
            encryption=tuple(self.encryption),
            mac=tuple(self.mac),
            quirks=tuple(self.quirks),
        )


class DeviceOut(Shown):
    """A device, with the host keys pinned for it."""

    model_config = example(
        id="d1c00f5e4f3a4ac5b0f6c0a9b1a2c3d4",
        name="scan01",
        description="Scanner, imagerie niveau 1",
        zone_id="20e00f5e4f3a4ac5b0f6c0a9b1a2c3d4",
        address="192.0.2.20",
        port=22,
        host_keys=["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA…"],
        groups=["imagerie"],
        algorithms={"kex": [], "host_key": [], "encryption": [], "mac": [], "quirks": []},
        active=True,
        level="standard",
    )

    id: str
    name: str
    description: str
    zone_id: str
    address: str
    port: int
    host_keys: list[str]
    groups: InOrder[str]
    algorithms: AlgorithmsBody
    active: bool
    level: Level


class DevicesPage(Page[DeviceOut]):
    """One page of devices."""


class DeviceIn(Input):
    """A device to make; pin its host key afterwards, nothing is dialled before."""

    model_config = example(
        name="scan01", zone_id="20e00f5e4f3a4ac5b0f6c0a9b1a2c3d4", address="192.0.2.20", port=22
    )

    name: Name
    zone_id: Identifier
    address: str = Field(min_length=1, max_length=253)
    port: int = Field(default=22, ge=1, le=65535)
    description: str = Field(default="", max_length=500)
    groups: set[Name] = Field(default_factory=set)
    algorithms: AlgorithmsBody = Field(default_factory=AlgorithmsBody)
    level: Level = Level.STANDARD


class DeviceChange(Input):
    """What to change of a device; what is left out stays. Its name is kept: logins and traces hold it."""

    model_config = example(address="192.0.2.21", port=22)

    zone_id: Identifier | None = None
    address: str | None = Field(default=None, min_length=1, max_length=253)
    port: int | None = Field(default=None, ge=1, le=65535)
    description: str | None = Field(default=None, max_length=500)
    groups: set[Name] | None = None
    algorithms: AlgorithmsBody | None = None
    level: Level | None = None


class HostKeyIn(Input):
    """A host key, as one OpenSSH line, that somebody compared with the device's own."""

    model_config = example(public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA…")

    # what is no key is refused with the reason, and what would be one: a shortest length would say neither
    public_key: str = Field(max_length=16384)


class AccountOut(Shown):
    """A dedicated account. Its secret never leaves the vault by this door."""

    model_config = example(
        id="acc00f5e4f3a4ac5b0f6c0a9b1a2c3d4",
        device_id="d1c00f5e4f3a4ac5b0f6c0a9b1a2c3d4",
        name="maint",
        method="password",
        vaulted=True,
        active=True,
    )

    id: str
    device_id: str
    name: str
    method: AccountMethod
    vaulted: bool
    active: bool


class AccountsPage(Page[AccountOut]):
    """A device's dedicated accounts."""


class AccountIn(Input):
    """A dedicated account to make. The secret is written only, and left out where certificates open the account."""

    model_config = example(name="maint", method="password", secret="…")  # noqa: S106 - an example

    name: Name
    method: AccountMethod
    secret: SecretStr | None = Field(
        default=None, min_length=1, max_length=65536, json_schema_extra={"writeOnly": True}
    )


class SecretIn(Input):
    """A new secret of a dedicated account, written only; with ``method``, what opens it from now on."""

    model_config = example(secret="…")  # noqa: S106 - an example

    secret: SecretStr | None = Field(
        default=None, min_length=1, max_length=65536, json_schema_extra={"writeOnly": True}
    )
    method: AccountMethod | None = None


class TaskIn(Input):
    """Something that a gateway must do on a device on the hospital's behalf."""

    model_config = example(kind="fetch-host-keys", device_id="d1c00f5e4f3a4ac5b0f6c0a9b1a2c3d4")

    kind: TaskKind
    device_id: Identifier
    account_id: Identifier | None = None


class ShownKey(BaseModel):
    """A host key that a device showed: a proposal to compare, trusted by nobody yet."""

    algorithm: str
    fingerprint: str
    public_key: str


def _shown_key(line: str) -> ShownKey:
    algorithm, _, encoded = line.partition(" ")
    try:
        fingerprint = ssh_keys.fingerprint(base64.b64decode(encoded.partition(" ")[0], validate=True))
    except binascii.Error:
        fingerprint = ""
    return ShownKey(algorithm=algorithm, fingerprint=fingerprint, public_key=line)


class TaskResultOut(BaseModel):
    """What a gateway found."""

    ok: bool
    host_keys: list[Annotated[ShownKey, BeforeValidator(_shown_key)]]
    detail: str


class TaskOut(Shown):
    """A device task and, once a gateway has done it, its result."""

    id: str
    kind: TaskKind
    device_id: str
    account_id: str | None
    state: TaskState
    requested_by: str
    requested_at: datetime
    node: str | None
    finished_at: datetime | None
    result: TaskResultOut | None

    @classmethod
    def told(cls, task: DeviceTask, language: Language) -> Self:
        """Show *task*, what the gateway says of it in *language*."""
        shown = cls.of(task)
        if shown.result is not None:
            shown.result.detail = of_both(shown.result.detail, language)
        return shown


class TasksPage(Page[TaskOut]):
    """One page of device tasks."""
