"""When a gateway ends what others left behind."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.session import supervisor
from gateway.session.supervisor import LOOK_AROUND_SECONDS, Supervisor
from policy.clock import ManualClock
from policy.errors import PolicyUnavailable


class Policy:
    """Policy as far as a gateway without sessions asks it: it is away until ``back``."""

    def __init__(self) -> None:
        """Be asked by nobody yet."""
        self.seconds = 0.0
        self.back = False
        self.asked = asyncio.Event()
        self.looks: list[float] = []

    async def changes_since(self, _cursor: int | None) -> tuple[int, list[object]]:
        """Know of no change."""
        return 0, []

    async def node_started(self, _hospital: str, _node: str) -> list[object]:
        """Know of nothing left open."""
        return []

    async def heartbeat(self, _node: str) -> None:
        """Take the sign of life, or be away."""
        self.asked.set()
        if not self.back:
            raise PolicyUnavailable("away")

    async def left_behind(self, _hospital: str) -> list[object]:
        """Note when it was looked around."""
        self.looks.append(self.seconds)
        return []

    async def asked_again(self, times: int = 3) -> None:
        """Wait for so many signs of life."""
        for _ in range(times):
            self.asked.clear()
            await self.asked.wait()


async def test_others_have_time_to_say_that_they_live_once_policy_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first that reaches policy after an hour does not tell the journal that every other gateway died."""
    monkeypatch.setattr(supervisor, "HEARTBEAT_SECONDS", 0.001)
    policy = Policy()
    parts = dict.fromkeys(("access", "journal", "wording"), cast(Any, policy))
    keeping = SimpleNamespace(look=lambda *_: None)
    one = Supervisor(
        **parts,
        clock=ManualClock(datetime(2026, 11, 30, tzinfo=UTC)),
        monotonic=lambda: policy.seconds,
        hospital_id=cast(Any, "hospital"),
        node="node1",
        poll_seconds=0.5,
        policy_grace_seconds=300,
        on_change=lambda _: None,
        keeping=cast(Any, keeping),
    )
    await one.start()
    try:
        await policy.asked_again()
        policy.seconds += 3600
        await policy.asked_again()
        policy.back = True
        await policy.asked_again()
        assert policy.looks == []
        policy.seconds += LOOK_AROUND_SECONDS
        await policy.asked_again()
        assert policy.looks == [3600 + LOOK_AROUND_SECONDS]
    finally:
        await one.stop()
