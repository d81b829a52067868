"""What asciinema-player 3.17 demands of a segmented recording, as its code checks it; what it refuses, fails here."""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any


def play(index: dict[str, Any], piece: Callable[[int], dict[str, Any]]) -> str:
    """Load every piece of *index* as the player does, and return all output."""
    starts = [one["start"] for one in index["segments"]]
    duration, marks = index["duration"], index["markers"]
    assert index["version"] == 1
    assert index["term"]["cols"] > 0
    assert index["term"]["rows"] > 0
    assert starts[0] == 0
    assert all(before < after for before, after in pairwise(starts))
    assert starts[-1] < duration
    assert all(0 <= at <= duration and isinstance(label, str) for at, label in marks)
    assert sorted(at for at, _ in marks) == [at for at, _ in marks]
    met, output = 0, []
    for number, start in enumerate(starts):
        loaded = piece(number)
        end = starts[number + 1] if number + 1 < len(starts) else None
        assert isinstance(loaded["snapshot"]["init"], str)
        assert loaded["events"]
        times = [at for at, _, _ in loaded["events"]]
        assert times == sorted(times)
        assert times[0] >= start
        assert number == 0 or times[0] == start
        assert times[-1] < end if end is not None else times[-1] == duration
        for at, code, data in loaded["events"]:
            if code == "m":
                assert [at, data] == marks[met]
                met += 1
            elif code == "o":
                output.append(data)
            else:
                assert code == "r"
                assert re.fullmatch(r"[1-9][0-9]*x[1-9][0-9]*", data)  # it is split at the x
    assert met == len(marks)
    return "".join(output)
