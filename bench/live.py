"""``python -m bench.live``: from a byte recorded at a gateway until it is with somebody who follows the session live.

Through the whole way: spool, sealing off, store in a folder, the console's API over TLS. One keystroke's echo at a time.
"""

import json
import tempfile
import time
from pathlib import Path

from tests.support.api_house import House, open_house
from tests.support.recorded import going

KEYS = 100


def delays(house: House, keys: int = KEYS) -> list[float]:
    """Seconds for each of *keys*, sorted."""
    found: list[float] = []
    with going(house) as session, house.client("rssi") as client:
        session.open_terminal()
        session.show("$ ")
        body = {"reason": "bench", "code": house.next_code("rssi")}
        with client.stream("POST", f"/v1/sessions/{session.session_id}/watch", json=body) as answer:
            lines = (json.loads(line) for line in answer.iter_lines())
            next(line for line in lines if line["type"] == "live")
            for number in range(keys):
                text, begun = f"k{number:04}", time.monotonic()
                session.show(text)
                next(line for line in lines if line["type"] == "output" and text in line["data"])
                found.append(time.monotonic() - begun)
    return sorted(found)


def main() -> None:
    """Measure, and print one row."""
    with tempfile.TemporaryDirectory() as folder, open_house(Path(folder)) as house:
        found = delays(house)
    p50, p99 = found[len(found) // 2], found[len(found) * 99 // 100]
    print(f"live delay, {len(found)} keys: p50 {p50:.3f} s, p99 {p99:.3f} s, most {found[-1]:.3f} s")


if __name__ == "__main__":
    main()
