"""Time stamps by a real authority: asked, checked, retried while it is down; late ones and wrong clocks are told."""

import argparse
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ecluse.timestamps import Authorities
from recorder.audit.journal import Journal
from recorder.errors import StampInvalid
from recorder.proof import verifier
from recorder.proof.export import PublicKeys, export
from recorder.proof.notary import Notary
from recorder.proof.proofs import Proofs
from recorder.proof.stamps import CAUGHT_UP, DRIFT, LATE, RIGHT, Stamper
from recorder.seal.signing import SigningKey, generate_key
from recorder.seal.timestamping import Authority, check, load_roots, request
from recorder.store.database import Database
from tests.support.schemas import trace_schema
from tests.support.timestamp_authority import POLICY, TimestampAuthority, timestamp_authority
from tests.support.traces import HOSPITAL, SteppingClock

pytestmark = pytest.mark.integration

HOURS = timedelta(hours=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimestampAuthority]:
    """The authority of this module's hospital."""
    with timestamp_authority(tmp_path_factory.mktemp("tsa") / "own") as authority:
        yield authority


@pytest.fixture
def authority(made: TimestampAuthority) -> TimestampAuthority:
    """The same, in order again whatever the test before did to it."""
    made.status, made.instead = 200, None
    return made


class Bench:
    """Checkpoints of a hospital, and who has them stamped."""

    def __init__(self, folder: Path, *authorities: Authority) -> None:
        self.folder = folder
        self.clock = SteppingClock()
        self.clock.at = datetime.now(UTC)  # the authority has the machine's clock
        self.database = Database(f"sqlite:///{folder}/traces.db")
        self.key: SigningKey = generate_key(folder / "checkpoint.pem")
        self.notary = Notary(self.database, self.key, hospital_id=HOSPITAL, node="console", now=self.clock)
        self.authorities = authorities
        self.alarms: list[tuple[str, object]] = []
        self.http = Authorities()
        self.stamper = Stamper(
            self.database,
            HOSPITAL,
            authorities,
            post=self.http.post,
            tell=self._tell,
            node="console",
            late_after=24 * HOURS,
            now=self.clock,
        )

    async def _tell(self, name: str, facts: dict[str, object]) -> None:
        self.alarms.append((name, facts.get("authority", facts.get("against"))))

    async def remarks(
        self, *, ca: Path | None
    ) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
        """What both verifiers say, findings and remarks together; they must say the same."""
        proofs = Proofs(
            database=self.database,
            journal=Journal(self.database, node="console", now=self.clock),
            hospital_id=HOSPITAL,
            notary=self.notary,
            keys=(self.key.public,),
            now=self.clock,
            authorities=self.authorities,
        )
        found = await proofs.verify_ledger()
        target = self.folder / f"export-{len(list(self.folder.iterdir()))}"
        await export(self.database, HOSPITAL, target, PublicKeys([self.key.public], [self.key.public]))
        report = verifier.Report()
        keys = [self.folder / "checkpoint.pem.pub"]
        options = argparse.Namespace(key=keys, checkpoint_key=keys, store=None, anchors=[], ca=ca)
        verifier.verify_path(target, options, report)
        by_product = [(one.place, one.name, one.what) for one in (*found.findings, *found.remarks)]
        alone = [(one["place"], one["name"], one["what"]) for one in (*report.findings, *report.remarks)]
        assert report.counts["stamps"] == found.counts["stamps"]
        return by_product, alone

    async def close(self) -> None:
        """Close what is open."""
        await self.http.close()
        await self.database.dispose()


def known(authority: TimestampAuthority, name: str = "own", policy: str | None = POLICY) -> Authority:
    """The authority as it is configured."""
    return Authority(name=name, url=authority.url, roots=load_roots(authority.ca), policy=policy)


@pytest.fixture
async def bench(tmp_path: Path, authority: TimestampAuthority) -> AsyncIterator[Bench]:
    """A hospital with that authority and nothing stamped."""
    await trace_schema(f"sqlite:///{tmp_path}/traces.db")
    made = Bench(tmp_path, known(authority))
    yield made
    await made.close()


async def test_the_newest_checkpoint_is_stamped_once_and_both_verifiers_check_it(
    bench: Bench, authority: TimestampAuthority
) -> None:
    """One request for whatever came since, none where nothing did; the stamp is over the checkpoint's bytes."""
    before = len(authority.asked)
    for _ in range(3):
        await bench.notary.make(force=True)
    assert await bench.stamper.stamp() == {}
    assert await bench.stamper.stamp() == {}
    assert len(authority.asked) == before + 1
    assert await bench.remarks(ca=authority.ca) == ([], [])
    assert bench.alarms == []


async def test_while_the_authority_is_down_it_is_asked_again_and_after_a_day_that_is_an_alarm(
    bench: Bench, authority: TimestampAuthority
) -> None:
    """Each look tries; one alarm for one outage; when it is back one stamp covers all, and the late ones are remarked."""
    await bench.notary.make(force=True)
    authority.status = 503
    assert "503" in (await bench.stamper.stamp())["own"]
    assert bench.alarms == []
    bench.clock.at -= 30 * HOURS
    await bench.notary.make(force=True)
    bench.clock.at += 60 * HOURS
    for _ in range(2):
        await bench.stamper.stamp()
    assert bench.alarms == [(LATE, "own")]
    bench.clock.at -= 30 * HOURS
    authority.status = 200
    assert await bench.stamper.stamp() == {}
    assert bench.alarms == [(LATE, "own"), (CAUGHT_UP, "own")]
    expected = [("clock", "checkpoint 2", "backwards"), ("stamp", "2", "late")]
    assert await bench.remarks(ca=authority.ca) == (expected, expected)


async def test_a_clock_that_is_wrong_is_an_alarm_at_once_and_a_remark_for_ever(
    bench: Bench, authority: TimestampAuthority
) -> None:
    """A checkpoint dated after its stamp shows a clock that was ahead, to the console at once, to a verifier later."""
    bench.clock.at += 48 * HOURS
    await bench.notary.make(force=True)
    await bench.stamper.stamp()
    assert bench.alarms == [(DRIFT, "own")]
    expected = [("clock", "checkpoint 1", "ahead")]
    assert await bench.remarks(ca=authority.ca) == (expected, expected)
    bench.clock.at -= 48 * HOURS
    await bench.notary.make(force=True)
    await bench.stamper.stamp()
    assert bench.alarms == [(DRIFT, "own"), (RIGHT, "own")]


async def test_a_stamp_over_something_else_is_refused_and_one_put_in_is_found(
    bench: Bench, authority: TimestampAuthority
) -> None:
    """An answer to another question, or rubbish, is never kept; a stamp moved to another checkpoint does not verify."""
    await bench.notary.make(force=True)
    other = request(b"something else")
    authority.instead = authority.reply(other.as_bytes())
    assert "own" in await bench.stamper.stamp()
    authority.instead = b"rubbish"
    assert "own" in await bench.stamper.stamp()
    authority.instead = None
    assert await bench.stamper.stamp() == {}
    await bench.notary.make(force=True)
    async with bench.database.write() as connection:
        await connection.exec_driver_sql("UPDATE checkpoint_stamps SET sequence = 2")
    expected = [("stamp", "2", "invalid")]
    by_product, alone = await bench.remarks(ca=authority.ca)
    assert by_product[:1] == alone[:1] == expected


async def test_another_authoritys_stamp_does_not_pass(
    bench: Bench, authority: TimestampAuthority, tmp_path: Path
) -> None:
    """A stamp by a CA that the hospital did not name, or under another policy, or to another nonce, is refused."""
    content = b"a checkpoint"
    asked = request(content)
    answer = authority.reply(asked.as_bytes())
    assert abs(check(answer, content, known(authority), asked=asked) - datetime.now(UTC)) < HOURS
    with timestamp_authority(tmp_path / "stranger") as stranger:
        roots = load_roots(stranger.ca)
    for wrong in (
        Authority(name="own", url="", roots=roots),
        known(authority, policy="1.2.3.4"),
    ):
        with pytest.raises(StampInvalid):
            check(answer, content, wrong)
    with pytest.raises(StampInvalid, match="Nonce"):
        check(answer, content, known(authority), asked=request(content))
    with pytest.raises(StampInvalid, match="cannot be read"):
        load_roots(tmp_path / "none.pem")
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(StampInvalid, match="no certificate"):
        load_roots(tmp_path / "empty.pem")
    assert bench.alarms == []


async def test_an_authority_that_refuses_says_why(authority: TimestampAuthority, bench: Bench) -> None:
    """What it answers in words is in the reason that is logged."""
    await bench.notary.make(force=True)
    authority.instead = authority.reply(b"0\x03\x02\x01\x01")
    why = (await bench.stamper.stamp())["own"]
    assert why.startswith("own: ")


async def test_stamps_nobody_can_check_are_told(bench: Bench, authority: TimestampAuthority) -> None:
    """Without the CA both verifiers say that time stamps are there, unchecked."""
    await bench.notary.make(force=True)
    await bench.stamper.stamp()
    bench.authorities = ()
    expected = [("stamp", "1", "unchecked")]
    assert await bench.remarks(ca=None) == (expected, expected)
