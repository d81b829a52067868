"""An inventory of a bucket held to what is there later: what is lost, changed or hidden is told from what went by right."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from recorder.errors import TraceFormatError
from recorder.store.bucket import Kept
from recorder.store.inventory import Comparison, compare, line, read

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
YEAR = timedelta(days=365)
TRACE = "hospital/2026/11/28/session"
OLD = "hospital/2024/01/02/session"
Change = Callable[[list[Kept]], list[Kept]]


def kept(key: str, version: str = "v1", *, size: int = 10, tag: str = "t", newest: bool = True) -> Kept:
    """Return one version."""
    return Kept(key, version, size, tag, newest)


def trace(folder: str = TRACE) -> list[Kept]:
    """Return what a closed trace consists of."""
    names = ("aa.wrap", "manifest.json", "manifest.sig", "trace-000001.ecl")
    return [kept(f"{folder}/{name}") for name in names]


def compared(before: list[Kept], now: list[Kept], *, signed: bool = True) -> Comparison:
    """Hold one to the other; what purge records there are is *signed* or not."""
    by_key = [sorted(each, key=lambda one: one.key) for each in (before, now)]
    return compare(*by_key, at=NOW, retention=YEAR, signed=lambda _folder: signed)


def without(*names: str) -> Change:
    """Take these files away."""
    return lambda all_: [each for each in all_ if not each.key.endswith(names)]


def put_over(name: str, **changed: object) -> Change:
    """Put another version over the newest one, which stays below."""

    def change(before: list[Kept]) -> list[Kept]:
        now = [replace(each, newest=not each.key.endswith(name)) for each in before]
        return [*now, replace(kept(f"{TRACE}/{name}", "v2"), **changed)]  # type: ignore[arg-type]  # by name

    return change


def hidden(name: str) -> Change:
    """Put a mark of deletion over a file: no version of it is the newest any more."""
    return lambda before: [replace(each, newest=not each.key.endswith(name)) for each in before]


def test_what_is_there_as_it_was_is_whole() -> None:
    """The same versions, and what came since, are counted, and nothing is wrong."""
    found = compared(trace(), [*trace(), kept("hospital/2026/11/29/later/manifest.json")])
    assert found.whole
    assert (found.versions, found.same, found.newer) == (4, 4, 1)


@pytest.mark.parametrize(
    ("change", "fault", "name"),
    [
        (without("trace-000001.ecl"), "missing", "trace-000001.ecl"),
        (without("manifest.json"), "missing", "manifest.json"),
        (put_over("manifest.json", tag="other"), "changed", "manifest.json"),
        (put_over("trace-000001.ecl", size=11), "changed", "trace-000001.ecl"),
        (hidden("manifest.json"), "hidden", "manifest.json"),
    ],
    ids=["segment lost", "manifest lost", "manifest put over", "segment put over", "hidden by a mark"],
)
def test_what_was_touched_is_named(change: Change, fault: str, name: str) -> None:
    """A file that is gone, that another lies over, or that nobody finds any more is named, each as what it is."""
    found = compared(trace(), change(trace()))
    assert not found.whole
    assert {one: getattr(found, one).names for one in ("missing", "changed", "hidden")} == {
        "missing": [], "changed": [], "hidden": [], fault: [f"{TRACE}/{name}"],
    }  # fmt: skip


def test_the_same_bytes_put_again_or_copied_elsewhere_are_no_fault() -> None:
    """A gateway that was not sure put an object twice; a replica has versions of its own."""
    assert compared(trace(), put_over("trace-000001.ecl")(trace())).whole
    replica = compared(trace(), [replace(each, version="other") for each in trace()])
    assert (replica.whole, replica.same, replica.copied) == (True, 0, 3)


def test_a_trace_whose_wraps_are_gone_is_named_apart() -> None:
    """It may have been erased by right: the store is whole, and the trace is named; a wrap made anew is none such."""
    erased = compared(trace(), without(".wrap")(trace()))
    assert (erased.whole, erased.unreadable.names) == (True, [TRACE])
    anew = compared(trace(), [*without(".wrap")(trace()), kept(f"{TRACE}/bb.wrap", "v7")])
    assert (anew.whole, anew.unreadable.count) == (True, 0)


def test_a_purge_and_the_end_of_a_retention_excuse_what_they_take() -> None:
    """A signed purge record excuses a trace's content and not its manifest; an age beyond the retention excuses all of it."""
    record = [kept(f"{TRACE}/purge.json"), kept(f"{TRACE}/purge.sig")]
    content = without("trace-000001.ecl", ".wrap")
    purged = compared(trace(), [*content(trace()), *record])
    assert (purged.whole, purged.purged, purged.unreadable.count) == (True, 1, 0)
    too_much = compared(trace(), [*without("manifest.json")(content(trace())), *record])
    assert too_much.missing.names == [f"{TRACE}/manifest.json"]
    forged = compared(trace(), [*content(trace()), *record], signed=False)
    assert (forged.purged, forged.missing.names) == (0, [f"{TRACE}/trace-000001.ecl"])
    expired = compared([*trace(OLD), *trace()], trace())
    assert (expired.whole, expired.expired) == (True, 3)


def test_an_inventory_is_read_as_it_was_written() -> None:
    """A key of any kind comes back whole; another line is refused."""
    odd = kept('a/"é\n/b', "v", size=0, newest=False)
    assert read(line(odd)) == odd
    assert line(odd).count("\n") == 1
    for text in ("", "{}", "[1,2]", '["a","b","c","d",true]'):
        with pytest.raises(TraceFormatError):
            read(text)
