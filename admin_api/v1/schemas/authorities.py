"""Shapes of the authorities that devices trust."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from admin_api.v1.schemas.base import example
from policy.domain.authorities import AuthorityState, DeviceAuthority


class AuthorityOut(BaseModel):
    """An authority that signs log-ins on devices. ``public_key`` is a line for a device's TrustedUserCAKeys file."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id="ca000f5e4f3a4ac5b0f6c0a9b1a2c3d4",
            state="signing",
            public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA…",
            fingerprint="SHA256:…",
            made_at="2026-03-03T19:00:00Z",
            retired_at=None,
        )
    )

    id: str
    state: AuthorityState
    public_key: str
    fingerprint: str
    made_at: datetime
    retired_at: datetime | None

    @classmethod
    def of(cls, authority: DeviceAuthority) -> "AuthorityOut":
        """Show *authority*."""
        return cls(
            id=authority.id,
            state=authority.state,
            public_key=authority.public_key,
            fingerprint=authority.fingerprint,
            made_at=authority.made_at,
            retired_at=authority.retired_at,
        )


class AuthoritiesPage(BaseModel):
    """One page of authorities."""

    items: list[AuthorityOut]
    next: str | None = None
