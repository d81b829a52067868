"""Shapes of evidence packages."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, Field

from admin_api.dossier.scope import Scope
from recorder.seal.signing import PublicKey
from recorder.store.catalog import CatalogedSession


class EvidenceSession(BaseModel):
    """One session that a package holds, or leaves out; nothing of what was done in it."""

    id: str
    person_login: str
    device_name: str
    started: datetime
    ended: datetime | None
    size: int | None = Field(description="Bytes of its trace.")
    purged_at: datetime | None = Field(
        description="When its content was destroyed; its stub is in the package."
    )
    held: bool = Field(description="Whether a legal hold keeps it.")

    @classmethod
    def of(cls, one: CatalogedSession, wanted: Scope) -> "EvidenceSession":
        """Show one session of a scope."""
        header, closing = one.header, one.closing
        return cls(
            id=header.session_id,
            person_login=header.person["login"],
            device_name=header.device["name"],
            started=header.started_at,
            ended=one.closed_at,
            size=closing.size if closing is not None else None,
            purged_at=wanted.purged.get(header.session_id),
            held=header.session_id not in {*wanted.unheld, *wanted.purged},
        )


class EvidencePlan(BaseModel):
    """What a package would hold. ``running`` are not over and stay out."""

    sessions: list[EvidenceSession]
    running: list[EvidenceSession]
    size: int = Field(description="Bytes of the traces that are there: about what the package weighs.")

    @classmethod
    def of(cls, wanted: Scope) -> "EvidencePlan":
        """Show a scope."""
        return cls(
            sessions=[EvidenceSession.of(one, wanted) for one in wanted.sessions],
            running=[EvidenceSession.of(one, wanted) for one in wanted.running],
            size=wanted.size,
        )


class KeyOut(BaseModel):
    """One public key that signs. ``signs``: ``recordings`` or ``checkpoints``, which are packages too."""

    id: str
    signs: str
    fingerprint: str = Field(description="SHA-256 of the raw public key, in hexadecimal.")


class KeysOut(BaseModel):
    """The public keys by which what this hospital recorded is verified."""

    items: list[KeyOut]

    @classmethod
    def of(cls, gateways: Iterable[PublicKey], consoles: Iterable[PublicKey]) -> "KeysOut":
        """Show those of the gateways and of the consoles."""
        return cls(
            items=[
                KeyOut(id=key.key_id, signs=signs, fingerprint=key.fingerprint)
                for signs, keys in (("checkpoints", consoles), ("recordings", gateways))
                for key in keys
            ]
        )
