"""What root of the bastion's machine may try on the store, and that both verifiers find it: the console's and the one alone."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from recorder.audit import entries
from recorder.proof.checkpoint import Head
from recorder.proof.notary import Notary
from recorder.seal.signing import SigningKey, generate_key
from tests.support.proof_store import DAY, SESSIONS, ProofStore, build, copy_of, pieces, rewrite
from tests.support.traces import HOSPITAL, header

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[ProofStore, Path]:
    """The store that is attacked in copies, and the copy that root kept of it yesterday."""
    return asyncio.run(build(tmp_path_factory.mktemp("proofs")))


@pytest.fixture
async def store(original: tuple[ProofStore, Path], tmp_path: Path) -> AsyncIterator[ProofStore]:
    """A copy to attack."""
    made = copy_of(original[0], tmp_path)
    yield made
    await made.close()


async def flip_a_byte(store: ProofStore) -> None:
    """One bit of the third record of a trace of yesterday."""
    head, records = pieces(store.trace(1))
    records[2] = records[2][:25] + bytes([records[2][25] ^ 1]) + records[2][26:]
    rewrite(store.trace(1), head, records)


async def cut_the_end_of_a_trace(store: ProofStore) -> None:
    """Its last record."""
    head, records = pieces(store.trace(2))
    rewrite(store.trace(2), head, records[:-1])


async def reorder_records(store: ProofStore) -> None:
    """The second and third change places."""
    head, records = pieces(store.trace(1))
    rewrite(store.trace(1), head, [records[0], records[2], records[1], *records[3:]])


async def delete_a_record(store: ProofStore) -> None:
    """One in the middle."""
    head, records = pieces(store.trace(1))
    rewrite(store.trace(1), head, [records[0], *records[2:]])


async def substitute_a_record(store: ProofStore) -> None:
    """That of another session, of the same number."""
    head, records = pieces(store.trace(1))
    _, others = pieces(store.trace(2))
    rewrite(store.trace(1), head, [records[0], others[1], *records[2:]])


async def substitute_a_segment(store: ProofStore) -> None:
    """Its second, by the first of another trace: both of the same gateway."""
    shutil.copyfile(store.trace(4) / "trace-000001.ecl", store.trace(3) / "trace-000002.ecl")


async def swap_segments(store: ProofStore) -> None:
    """The second and the third of one trace."""
    second, third = (store.trace(3) / f"trace-00000{number}.ecl" for number in (2, 3))
    kept = second.read_bytes()
    second.write_bytes(third.read_bytes())
    third.write_bytes(kept)


async def delete_a_segment(store: ProofStore) -> None:
    """One in the middle."""
    (store.trace(3) / "trace-000002.ecl").unlink()


async def delete_the_last_segment(store: ProofStore) -> None:
    """The end of what was done."""
    max(store.trace(3).glob("*.ecl")).unlink()


async def substitute_a_trace(store: ProofStore) -> None:
    """Another one that the same gateway signed."""
    shutil.rmtree(store.trace(1))
    shutil.copytree(store.trace(2), store.trace(2).parent / SESSIONS[0])


async def delete_a_trace(store: ProofStore) -> None:
    """The whole folder."""
    shutil.rmtree(store.trace(1))


async def delete_a_session(store: ProofStore) -> None:
    """Its trace and its rows, as if it had never been; and what the database remembers of its checkpoint."""
    shutil.rmtree(store.trace(1))
    rows = (f"DELETE FROM {table} WHERE session_id = :one" for table in TABLES_OF_SESSIONS)  # noqa: S608 - the test's own names
    await store.sql(*rows, one=SESSIONS[0])


async def put_a_trace_in(store: ProofStore) -> None:
    """One that no catalogue ever knew."""
    shutil.copytree(store.trace(1), store.trace(1).parent / ("f" * 32))


async def delete_the_newest_ten_entries(store: ProofStore) -> None:
    """Of the gateway's last chain."""
    await store.sql(f"DELETE FROM journal_entries WHERE writer = ({LAST_CHAIN}) AND seq > 3")  # noqa: S608 - the test's own names


async def delete_a_chain(store: ProofStore) -> None:
    """All that one start of the gateway wrote."""
    await store.sql(f"DELETE FROM journal_entries WHERE writer = ({LAST_CHAIN})")  # noqa: S608 - the test's own names


async def change_an_entry(store: ProofStore) -> None:
    """One word of one entry."""
    changed = "UPDATE journal_entries SET content = replace(content, 'denied', 'grants')"
    await store.sql(f"{changed} WHERE writer = ({LAST_CHAIN}) AND seq = 5")


async def delete_a_row_of_the_catalogue(store: ProofStore) -> None:
    """That a session was opened."""
    await store.sql("DELETE FROM sessions_opened WHERE session_id = :one", one=SESSIONS[1])


async def change_a_row_of_the_catalogue(store: ProofStore) -> None:
    """Another technician in the header and in the column."""
    await store.sql(
        "UPDATE sessions_opened SET header = replace(header, 'Alice Martin', 'Mallory') WHERE session_id = :one",
        one=SESSIONS[1],
    )


async def change_a_column_of_the_catalogue(store: ProofStore) -> None:
    """Another device in the column that is searched by."""
    await store.sql("UPDATE sessions_opened SET device_id = 'other' WHERE session_id = :one", one=SESSIONS[1])


async def point_a_row_at_another_trace(store: ProofStore) -> None:
    """The digest of another manifest."""
    await store.sql(
        "UPDATE sessions_closed SET manifest_sha256 = "
        "(SELECT manifest_sha256 FROM sessions_closed WHERE session_id = :two) WHERE session_id = :one",
        one=SESSIONS[0],
        two=SESSIONS[1],
    )


async def substitute_a_wrap(store: ProofStore) -> None:
    """That of another trace for the same reader."""
    wrap = min(store.trace(1).glob("*.wrap"))
    wrap.write_bytes((store.trace(2) / wrap.name).read_bytes())


async def delete_a_wrap(store: ProofStore) -> None:
    """One reader's, so that she alone cannot read."""
    min(store.trace(1).glob("*.wrap")).unlink()


async def record_it_anew(store: ProofStore) -> None:
    """With the stolen key of the gateway: another trace of that session, and the catalogue made to agree."""
    store.trace(1)
    shutil.rmtree(store.trace(1))
    await store.sql("DELETE FROM sessions_closed WHERE session_id = :one", one=SESSIONS[0])
    opened = header(SESSIONS[0]).started_at
    await store.record(SESSIONS[0], b"nothing happened", opened_at=opened)


async def delete_the_end_of_both(store: ProofStore) -> None:
    """Today's checkpoints and entries: what is left holds in itself."""
    await store.sql(
        "DELETE FROM journal_entries WHERE (writer, seq) NOT IN (SELECT j.writer, j.seq FROM journal_entries j JOIN "
        "checkpoint_heads h ON h.writer = j.writer AND j.seq <= h.seq AND h.sequence <= 3)",
        "DELETE FROM sessions_opened WHERE session_id IN (SELECT session_id FROM checkpoint_facts WHERE sequence > 3)",
        "DELETE FROM sessions_closed WHERE session_id IN (SELECT session_id FROM checkpoint_facts WHERE sequence > 3)",
        *(f"DELETE FROM {table} WHERE sequence > 3" for table in TABLES_OF_CHECKPOINTS),  # noqa: S608 - the test's own names
    )
    for number in (3, 4):
        shutil.rmtree(store.trace(number))


async def forge_the_chain(store: ProofStore) -> None:
    """With the stolen key of the checkpoints: all of them made again, without a session."""
    await delete_a_session(store)
    await store.sql(*(f"DELETE FROM {table}" for table in TABLES_OF_CHECKPOINTS))  # noqa: S608 - the test's own names
    key = SigningKey.load(store.folder / "checkpoint.pem")
    forger = Notary(store.database(), key, hospital_id=HOSPITAL, node="console", now=store.clock)
    await store.sql("DELETE FROM journal_entries WHERE writer LIKE 'console%'")
    for _ in range(8):
        await forger.make(force=True)


async def sign_a_checkpoint_as_the_gateway(store: ProofStore) -> None:
    """With the stolen key of the gateway, one more: without what was taken away before."""
    key = SigningKey.load(store.folder / "signing.pem")
    forger = Notary(store.database(), key, hospital_id=HOSPITAL, node="console", now=store.clock)
    await forger.make(force=True)


async def have_a_session_told_again(store: ProofStore) -> None:
    """Recorded anew with the gateway's key; the console, made to forget that it knew it, signs the new trace itself."""
    await record_it_anew(store)
    await store.sql("DELETE FROM checkpoint_facts WHERE session_id = :one", one=SESSIONS[0])
    await store.checkpoint()


async def tell_an_entry_again(store: ProofStore) -> None:
    """With the stolen key of the checkpoints: a chain's last entry made anew, and one more checkpoint that agrees."""
    await store.checkpoint()
    writer = await store.ask(LAST_CHAIN)
    entry = f"journal_entries WHERE writer = '{writer}' ORDER BY seq DESC LIMIT 1"
    seq, told = [await store.ask(f"SELECT {name} FROM {entry}") for name in ("seq", "content")]  # noqa: S608 - the test's own names
    forged = told.replace("denied", "grants")
    values = {"content": forged, "digest": entries.digest(forged.encode()), "name": "access.grants"}
    changed = ", ".join(f"{name} = :{name}" for name in values)
    which = "writer = :writer AND seq = :seq"
    await store.sql(f"UPDATE journal_entries SET {changed} WHERE {which}", **values, writer=writer, seq=seq)  # noqa: S608 - likewise
    await store.tell_again(Head(writer, seq, values["digest"]))


TABLES_OF_CHECKPOINTS = ("checkpoints", "checkpoint_heads", "checkpoint_facts")
TABLES_OF_SESSIONS = ("sessions_opened", "sessions_closed", "checkpoint_facts")
LAST_CHAIN = (
    "SELECT writer FROM journal_entries WHERE writer LIKE 'gateway%' ORDER BY at DESC, seq DESC LIMIT 1"
)
Attack = Callable[[ProofStore], Coroutine[Any, Any, None]]
ATTACKS: list[tuple[Attack, str, str]] = [
    (flip_a_byte, "trace", "digest"),
    (cut_the_end_of_a_trace, "trace", "truncated"),
    (reorder_records, "trace", "order"),
    (delete_a_record, "trace", "order"),
    (substitute_a_record, "trace", "digest"),
    (substitute_a_segment, "trace", "order"),
    (swap_segments, "trace", "order"),
    (delete_a_segment, "trace", "segment"),
    (delete_the_last_segment, "trace", "segment"),
    (substitute_a_trace, "trace", "manifest"),
    (delete_a_trace, "trace", "missing"),
    (delete_a_session, "catalogue", "missing"),
    (put_a_trace_in, "trace", "stranger"),
    (delete_the_newest_ten_entries, "journal", "missing"),
    (delete_a_chain, "journal", "missing"),
    (change_an_entry, "journal", "digest"),
    (delete_a_row_of_the_catalogue, "catalogue", "missing"),
    (change_a_row_of_the_catalogue, "catalogue", "changed"),
    (change_a_column_of_the_catalogue, "catalogue", "column"),
    (point_a_row_at_another_trace, "catalogue", "changed"),
    (substitute_a_wrap, "trace", "wrap"),
    (delete_a_wrap, "trace", "wrap"),
    (record_it_anew, "catalogue", "changed"),
    (sign_a_checkpoint_as_the_gateway, "checkpoint", "signature"),
    (have_a_session_told_again, "catalogue", "changed"),
    (tell_an_entry_again, "checkpoint", "twice"),
]
ONLY_BY_ANCHORS: list[tuple[Attack, str]] = [
    (delete_the_end_of_both, "missing"),
    (forge_the_chain, "replaced"),
]


async def test_the_store_is_intact_before_anybody_touches_it(store: ProofStore, tmp_path: Path) -> None:
    """Both verifiers read all of it, find nothing and have nothing to remark."""
    by_product = await store.by_product(anchored=True)
    alone = await store.by_verifier(tmp_path / "export", anchored=True)
    assert (by_product.findings, by_product.remarks) == ([], [])
    assert (alone.findings, alone.remarks) == ([], [])
    for name in ("traces", "records", "checkpoints", "anchors"):
        assert by_product.counts[name] == alone.counts[name] > 0
    assert by_product.counts["traces"] == len(SESSIONS)


@pytest.mark.parametrize(("attack", "place", "what"), ATTACKS, ids=[one[0].__name__ for one in ATTACKS])
async def test_an_attack_is_found_without_any_anchor(
    store: ProofStore, tmp_path: Path, attack: Attack, place: str, what: str
) -> None:
    """What is done to one thing is found by both from what the rest holds, and its place is named."""
    await attack(store)
    for found in (
        [(one.place, one.what) for one in (await store.by_product(anchored=False)).findings],
        [
            (one["place"], one["what"])
            for one in (await store.by_verifier(tmp_path / "export", anchored=False)).findings
        ],
    ):
        assert (place, what) in found


@pytest.mark.parametrize(
    ("attack", "what"), ONLY_BY_ANCHORS, ids=[one[0].__name__ for one in ONLY_BY_ANCHORS]
)
async def test_what_is_changed_everywhere_at_once_is_found_by_the_anchors(
    store: ProofStore, tmp_path: Path, attack: Attack, what: str
) -> None:
    """A store whose every part agrees with the others does not agree with what another machine remembers."""
    await attack(store)
    by_product = (await store.by_product(anchored=True)).findings
    alone = (await store.by_verifier(tmp_path / "export", anchored=True)).findings
    assert ("anchor", what) in [(one.place, one.what) for one in by_product]
    assert ("anchor", what) in [(one["place"], one["what"]) for one in alone]


async def test_a_store_rolled_back_by_a_day_is_found_and_its_first_missing_checkpoint_named(
    original: tuple[ProofStore, Path], tmp_path: Path
) -> None:
    """Yesterday's copy of everything is intact in itself; the anchors name the first checkpoint that it lacks."""
    today, yesterday = original
    rolled = ProofStore(yesterday, today.anchors, today.clock)
    try:
        assert (await rolled.by_product(anchored=False)).intact
        assert (await rolled.by_verifier(tmp_path / "one", anchored=False)).findings == []
        first = (await rolled.by_product(anchored=True)).findings[0]
        other = (await rolled.by_verifier(tmp_path / "two", anchored=True)).findings[0]
    finally:
        await rolled.close()
    assert (first.place, first.name, first.what) == ("anchor", "4", "missing")
    assert (other["place"], other["name"], other["what"]) == ("anchor", "4", "missing")


@pytest.mark.parametrize("step", [-DAY, DAY], ids=["back", "ahead and back again"])
async def test_a_stepped_clock_is_remarked_by_both(
    store: ProofStore, tmp_path: Path, step: timedelta
) -> None:
    """Entries and checkpoints dated against their order are no touch; they are named all the same."""
    store.clock.at += step
    await store.checkpoint()
    store.clock.at -= step
    await store.checkpoint()
    by_product = await store.by_product(anchored=True)
    alone = await store.by_verifier(tmp_path / "export", anchored=True)
    assert by_product.intact
    assert alone.findings == []
    assert ("clock", "backwards") in [(one.place, one.what) for one in by_product.remarks]
    assert ("clock", "backwards") in [(one["place"], one["what"]) for one in alone.remarks]


async def test_a_trace_that_nobody_can_read_any_more_is_remarked(store: ProofStore, tmp_path: Path) -> None:
    """Every wrap destroyed, without a record of who decided: its bytes still verify, and both say what became of it."""
    for wrap in store.trace(1).glob("*.wrap"):
        wrap.unlink()
    by_product = await store.by_product(anchored=True)
    alone = await store.by_verifier(tmp_path / "export", anchored=True)
    assert (by_product.findings, alone.findings) == ([], [])
    expected = [("trace", SESSIONS[0], "erased")]
    assert [(one.place, one.name, one.what) for one in by_product.remarks] == expected
    assert [(one["place"], one["name"], one["what"]) for one in alone.remarks] == expected


async def test_a_trace_purged_by_rule_is_a_stub_that_verifies(store: ProofStore, tmp_path: Path) -> None:
    """Its content is gone and a signed record says why: both verifiers count it, before and after the next checkpoint."""
    await store.purge(1)
    for export in ("before", "after"):
        by_product = await store.by_product(anchored=True)
        alone = await store.by_verifier(tmp_path / export, anchored=True)
        assert (by_product.findings, alone.findings) == ([], [])
        assert by_product.counts["purged"] == alone.counts["purged"] == 1
        await store.checkpoint()


def _stranger(store: ProofStore) -> SigningKey:
    return generate_key(store.folder / "stranger.pem")


@pytest.mark.parametrize(
    "attack", ["by a stranger", "content left", "record of another", "record taken away", "restored"]
)
async def test_a_purge_that_is_none_is_found(store: ProofStore, tmp_path: Path, attack: str) -> None:
    """Who has not the key purges nothing, and no stub stands for what was not purged, or the other way round."""
    kept = tmp_path / "kept"
    shutil.copytree(store.trace(1), kept)
    await store.purge(1, key=_stranger(store) if attack == "by a stranger" else None)
    await store.checkpoint()
    if attack == "content left":
        shutil.copyfile(kept / "trace-000001.ecl", store.trace(1) / "trace-000001.ecl")
    elif attack == "record of another":
        await store.purge(2)
        for name in ("purge.json", "purge.sig"):
            shutil.copyfile(store.trace(2) / name, store.trace(1) / name)
    elif attack == "record taken away":
        (store.trace(1) / "purge.json").unlink()
    elif attack == "restored":
        shutil.rmtree(store.trace(1))
        shutil.copytree(kept, store.traces.root / HOSPITAL / "2026/03/29" / SESSIONS[0])
    by_product = await store.by_product(anchored=True)
    alone = await store.by_verifier(tmp_path / "export", anchored=True)
    expected = {("trace", "missing"), ("trace", "purge")}
    assert expected & {(one.place, one.what) for one in by_product.findings}
    assert expected & {(one["place"], one["what"]) for one in alone.findings}
