"""Who asks responders again while sessions last."""

import asyncio
from collections.abc import Collection
from typing import Any, cast

from typing_extensions import override

from gateway.session.certificates import CertificateWatch
from policy.domain.access import Grant
from policy.errors import PolicyUnavailable


class Keyed:
    """What the watch looks at of a grant."""

    def __init__(self, key: bytes | None) -> None:
        """Proved with *key*."""
        self.proved_key = key


class Asked:
    """Notes what it is asked about, and fails the first time."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.keys: list[bytes | None] = []
        self.enough = asyncio.Event()

    async def look(self, grants: Collection[Grant]) -> None:
        """Note the keys."""
        self.keys += [grant.proved_key for grant in grants]
        if len(self.keys) >= 4:
            self.enough.set()
        if len(self.keys) == 1:
            raise PolicyUnavailable("essai")


async def test_each_key_is_asked_about_once_a_round_and_a_fault_stops_nothing() -> None:
    """Two sessions of one key are one question, a log-in by password none; a store that fails is asked again."""
    asked = Asked()
    grants = cast(Any, [Keyed(b"a"), Keyed(b"a"), Keyed(None), Keyed(b"b")])
    watch = CertificateWatch(asked, lambda: grants, 0.001)
    running = asyncio.create_task(watch.run())
    await asyncio.wait_for(asked.enough.wait(), 60)
    watch.stop()
    await asyncio.wait_for(running, 60)
    assert asked.keys[:4] == [b"a", b"b", b"a", b"b"]


async def test_a_stop_waits_for_one_answer_only() -> None:
    """Stopped while the first key is asked about, the watch asks about no other."""
    watch: CertificateWatch

    class Stops(Asked):
        @override
        async def look(self, grants: Collection[Grant]) -> None:
            """Note the keys, and stop."""
            self.keys += [grant.proved_key for grant in grants]
            watch.stop()

    asked = Stops()
    watch = CertificateWatch(asked, lambda: cast(Any, [Keyed(b"a"), Keyed(b"b")]), 0.001)
    await asyncio.wait_for(watch.run(), 60)
    assert asked.keys == [b"a"]
