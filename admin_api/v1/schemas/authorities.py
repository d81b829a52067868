"""Shapes of the authorities that devices trust."""

from datetime import datetime

from admin_api.v1.schemas.base import Page, Shown, example
from policy.domain.authorities import AuthorityState


class AuthorityOut(Shown):
    """An authority that signs log-ins on devices. ``public_key`` is a line for a device's TrustedUserCAKeys file."""

    model_config = example(
        id="ca000f5e4f3a4ac5b0f6c0a9b1a2c3d4",
        state="signing",
        public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA…",
        fingerprint="SHA256:…",
        made_at="2026-03-03T19:00:00Z",
        retired_at=None,
    )

    id: str
    state: AuthorityState
    public_key: str
    fingerprint: str
    made_at: datetime
    retired_at: datetime | None


class AuthoritiesPage(Page[AuthorityOut]):
    """One page of authorities."""
