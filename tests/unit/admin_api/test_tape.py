"""What is kept of a live channel for who comes late."""

import json

from admin_api.live.tape import MOST, Tape

MEBIBYTE = 1 << 20


def test_a_line_of_a_hundred_megabytes_leaves_its_end() -> None:
    """However much comes without a line break, in pieces or at once, what is kept is bounded, and is the newest."""
    tape = Tape(80, 24)
    tape.add("r", "100x30")
    for _ in range(50):
        tape.add("o", "A" * MEBIBYTE)
    tape.add("o", "B" * 50 * MEBIBYTE + "end")
    kept = json.loads(tape.happened())
    shown = "".join(data for _, code, data in kept if code == "o")
    assert len(shown) <= MOST
    assert shown.endswith("Bend")
    assert "A" not in shown
    assert (tape.first, tape.columns, tape.rows) == ((100, 30), 100, 30)
