"""The catalogue and the store: what can be found, and by whom."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event

from recorder.errors import RecorderError, TraceFormatError, TraceNotFound
from recorder.store.catalog import Catalog, SessionFilters, SessionState
from recorder.store.database import Database
from recorder.trace.manifest import Manifest
from tests.support.traces import EPOCH, HOSPITAL, NODE, header

pytestmark = pytest.mark.integration
OTHER = "f" * 32


def manifest(session_id: str, hospital_id: str = HOSPITAL) -> Manifest:
    """The manifest of a session of one record."""
    return Manifest(
        session_id=session_id,
        hospital_id=hospital_id,
        node=NODE,
        suite=0,
        header_digest="0" * 64,
        records=1,
        size=100,
        last_chain="1" * 64,
        opened_at=EPOCH,
        closed_at=EPOCH + timedelta(hours=1),
        end_reason="client_left",
        interrupted=False,
        trimmed_bytes=0,
        files=(),
        signer="2" * 16,
    )


@pytest.fixture
def catalog(database: Database) -> Catalog:
    """An empty catalogue."""
    return Catalog(database)


async def listed(catalog: Catalog, **filters: object) -> list[str]:
    """Identifiers that a filter finds."""
    made = SessionFilters(**{"hospital_id": HOSPITAL, **filters})  # type: ignore[arg-type]  # the test's own values
    return [each.header.session_id for each in (await catalog.sessions(made)).sessions]


async def test_sessions_are_found_by_what_they_were(catalog: Catalog) -> None:
    """Person, device, time and state each narrow the list, newest first."""
    person = {"id": "1" * 32, "login": "bob", "full_name": "Bob"}
    await catalog.opened(header("s1"))
    await catalog.opened(header("s2", started_at=EPOCH + timedelta(hours=1), person=person))
    await catalog.opened(header("s3", started_at=EPOCH + timedelta(hours=2), node="gateway-2"))
    await catalog.closed(manifest("s1"), "3" * 64)
    assert await listed(catalog) == ["s3", "s2", "s1"]
    assert await listed(catalog, person_id="1" * 32) == ["s2"]
    assert await listed(catalog, device_id="nobody") == []
    assert await listed(catalog, since=EPOCH + timedelta(hours=1), until=EPOCH + timedelta(hours=2)) == ["s2"]
    assert await listed(catalog, state=SessionState.ENDED) == ["s1"]
    assert await listed(catalog, state=SessionState.LIVE) == ["s3", "s2"]
    assert await listed(catalog, state=SessionState.LOST) == []
    assert await listed(catalog, state=SessionState.LOST, live_nodes=[NODE]) == ["s3"]
    assert await listed(catalog, state=SessionState.LIVE, live_nodes=[NODE]) == ["s2"]
    lost = await catalog.session(HOSPITAL, "s3", live_nodes=[NODE])
    assert (lost.state, lost.header.node) == (SessionState.LOST, "gateway-2")
    ended = await catalog.session(HOSPITAL, "s1")
    assert ended.closing is not None
    assert (ended.closing.end_reason, ended.closing.manifest_sha256) == ("client_left", "3" * 64)


async def test_what_is_noted_is_never_changed(catalog: Catalog) -> None:
    """A second opening or closing of a session changes nothing: the first stands."""
    await catalog.opened(header("s1"))
    await catalog.opened(header("s1", account="other"))
    await catalog.closed(manifest("s1"), "3" * 64)
    await catalog.closed(manifest("s1"), "4" * 64)
    found = await catalog.session(HOSPITAL, "s1")
    assert found.header.account == "maint-alice"
    assert found.closing is not None
    assert found.closing.manifest_sha256 == "3" * 64


async def test_hospitals_are_apart(catalog: Catalog) -> None:
    """One hospital's session, or end of session, never shows in another's."""
    await catalog.opened(header("s1"))
    await catalog.opened(header("s1", hospital_id=OTHER))
    await catalog.closed(manifest("s1", OTHER), "3" * 64)
    assert (await catalog.session(HOSPITAL, "s1")).state is SessionState.LIVE
    assert (await catalog.session(OTHER, "s1")).state is SessionState.ENDED
    with pytest.raises(TraceNotFound):
        await catalog.session("e" * 32, "s1")


async def test_pages_follow_one_another(catalog: Catalog) -> None:
    """Every session is on exactly one page, though many opened at one instant."""
    for number in range(11):
        await catalog.opened(header(f"s{number}", started_at=EPOCH + timedelta(seconds=number % 3)))
    seen, after = [], None
    while True:
        page = await catalog.sessions(SessionFilters(hospital_id=HOSPITAL), after=after, limit=4)
        seen += [each.header.session_id for each in page.sessions]
        after = page.after
        if after is None:
            break
    assert sorted(seen) == sorted(f"s{number}" for number in range(11))
    with pytest.raises(TraceNotFound, match="cursor"):
        await catalog.sessions(SessionFilters(hospital_id=HOSPITAL), after="'; DROP TABLE")


@pytest.mark.parametrize("bad", ["../x", "..", "", "a/b", ".incoming", "a\0b", "x" * 65, "*", "é"])
def test_no_identifier_is_a_path(bad: str) -> None:
    """Identifiers that could walk through the file system make no header."""
    with pytest.raises(TraceFormatError):
        header(bad)


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "nonsense", "sqlite:///:memory:"])
def test_an_unfit_database_url_is_refused(url: str) -> None:
    """The message names the setting and what to write."""
    with pytest.raises(RecorderError, match="catalog_url"):
        Database(url)


async def test_sessions_that_open_and_end_at_once_share_transactions(catalog: Catalog) -> None:
    """A hundred rows at once take a few statements; each is there when its caller goes on, and none twice."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("INSERT"):
            sent.append(statement)

    async def pass_by(name: str) -> None:
        await catalog.opened(header(name))
        await catalog.closed(manifest(name), "3" * 64)
        assert (await catalog.session(HOSPITAL, name)).closing is not None

    event.listen(Engine, "before_cursor_execute", note)
    try:
        await asyncio.gather(*(pass_by(f"s{number}") for number in range(50)), pass_by("s7"))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(sent) <= 8
    assert len((await catalog.sessions(SessionFilters(hospital_id=HOSPITAL))).sessions) == 50
