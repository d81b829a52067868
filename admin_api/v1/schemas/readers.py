"""Shapes of readers' keys: which there are, how they are unlocked, and how a re-wrapping went."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

from admin_api.v1.schemas.base import Input, Text, example, shown
from recorder.seal.ring import ReaderState
from recorder.store.rewraps import Tally


class ReaderOut(BaseModel):
    """A reader's key as this console knows it."""

    model_config = example(
        name="rssi-2027",
        key="3f51d98ba6174b89",
        guard="passphrase",
        active=True,
        retired=False,
        opened=True,
        unlocked_by="9a1c0f5e4f3a4ac5b0f6c0a9b1a2c3d4",
        until="2026-11-29T09:00:00Z",
    )

    name: str
    key: str = Field(description="Identifier of the key, as in headers and wraps.")
    guard: str = Field(description="What stands before the private half: file, passphrase, token, elsewhere.")
    active: bool = Field(description="Whether traces are sealed for it.")
    retired: bool
    opened: bool = Field(description="Whether it opens traces now.")
    unlocked_by: str | None
    until: datetime | None

    @classmethod
    def of(cls, state: ReaderState) -> "ReaderOut":
        """Show *state*."""
        return shown(cls, state, key=state.key_id, unlocked_by=state.by)


class ReadersOut(BaseModel):
    """Every reader's key, by name."""

    items: list[ReaderOut]


class UnlockIn(Input):
    """The key's passphrase or PIN, a fresh code of one's own, and for how long."""

    model_config = example(secret="…", code="492039", minutes=30)  # noqa: S106 - an example

    secret: Annotated[SecretStr, Field(min_length=1, max_length=1024)]
    code: Annotated[str, Field(max_length=32)]
    minutes: Annotated[float, Field(gt=0, le=720)] = 30


class RewrapIn(Input):
    """A fresh code of one's own, and why; ``remove_retired`` takes the wraps of retired readers away too."""

    model_config = example(code="492039", reason="Nouvelle clé du RSSI", remove_retired=False)

    code: Annotated[str, Field(max_length=32)]
    reason: Text
    remove_retired: bool = False


class RewrapOut(BaseModel):
    """How it went: of so many traces."""

    traces: int
    wrapped: int = Field(description="Have new wraps.")
    retired: int = Field(description="Wraps of retired readers were taken away from them.")
    as_wanted: int
    erased: int = Field(description="Were erased or purged, and stay so.")
    clear: int = Field(description="Are not sealed.")
    missing: int = Field(description="Are not in the store.")
    unreadable: int = Field(description="No key that is open here opens them.")
    sessions: list[str] = Field(description="The first of these.")
    locked: list[str] = Field(description="Keys that would have opened some of them, once unlocked.")

    @classmethod
    def of(cls, tally: Tally) -> "RewrapOut":
        """Show *tally*."""
        names = ("traces", "wrapped", "retired", "as_wanted", "erased", "clear", "missing", "unreadable")
        return cls(
            **{name: tally.counts[name] for name in names},
            sessions=tally.unreadable,
            locked=sorted(tally.locked),
        )
