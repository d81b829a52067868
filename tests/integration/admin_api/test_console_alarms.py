"""The console's page of alarms: listed with what to do, answered in the browser, and nothing in them acts."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from policy.domain.alarms import Alarm, Bookmark, Severity, Sighting
from policy.services.alarms import READER
from tests.support.api_house import House
from tests.support.console import look_at, session_of, signed_in, token_of

pytestmark = pytest.mark.integration
HOSTILE = '</script><script>alert(1)</script>\x1b]0;titre\x07" onmouseover="x'


@pytest.fixture(autouse=True)
def _calm(house: House) -> None:
    """Let the minute of the test before pass: sources are counted by the minute."""
    house.clock.advance(timedelta(minutes=2))


@pytest.fixture
def raised(house: House) -> Iterator[Mapping[str, Alarm]]:
    """Three alarms, closed afterwards: a device's key, a lock-out with a hostile name, a volume."""
    services, here = house.world.services, house.world.id
    device = house.world.device.id
    alice = house.world.who("alice")
    now = house.clock.now()
    seen = [
        Sighting(
            kind="host_key_changed",
            key=device,
            severity=Severity.CRITICAL,
            at=now,
            device_id=device,
            person_id=alice,
            session_id="5" * 32,
        ),
        Sighting(
            kind="lockout",
            key=HOSTILE,
            severity=Severity.NOTICE,
            at=now,
            facts={"login": HOSTILE, "source": "203.0.113.9", HOSTILE: HOSTILE},
        ),
        Sighting(
            kind="volume_out",
            key=device,
            severity=Severity.HIGH,
            at=now - timedelta(hours=3),
            device_id=device,
            facts={"bytes_out": 3 << 30, "files_out": 12},
        ),
    ]

    async def take() -> list[Alarm]:
        await services.bookmarks.begin(here, READER, timedelta(days=1))
        known = await services.bookmarks.get(here, READER)
        seq = known["gw-1"].seq + 1 if "gw-1" in known else 1
        moved = {"gw-1": Bookmark(seq, f"{seq:064}")}
        return list(await services.alarms.take(here, [*seen, seen[0]], known, moved))

    found = {alarm.kind: alarm for alarm in house.run(take())}
    yield found

    async def close() -> None:
        dsi = house.world.who("dsi")
        for alarm in await services.alarms.list(dsi, here):
            await services.alarms.close(dsi, here, alarm.id, "essai")

    house.run(close())


def test_alarms_are_listed_counted_and_answered(house: House, raised: Mapping[str, Alarm]) -> None:
    """The menu counts those to look at; who looks into one is shown; closed with its note, it leaves the list."""
    alarm = raised["host_key_changed"]
    path = f"/console/alarms/{alarm.id}"
    with signed_in(house, "rssi") as client:
        home = client.get("/console").text
        assert "3 to look at" in home
        assert "alarms not closed" in home
        listed = client.get("/console/alarms").text
        assert "A device shows another host key" in listed
        assert "2 times" in listed
        assert "Alice Martin" in listed.partition("<main")[2]
        shown = client.get(path).text
        assert "Ask who maintains the device" in shown
        assert "Alice Martin" in shown.partition("<main")[2]
        assert f"/console/journal?device={house.world.device.id}" in shown
        token = token_of(shown)
        answer = client.post(f"{path}/acknowledge", data={"form_token": token, "note": "J’appelle Imagix"})
        assert (answer.status_code, answer.headers["location"]) == (303, path)
        assert "2 to look at" in client.get("/console").text
        taken = client.get(path).text
        assert "J’appelle Imagix" in taken
        assert f"{path}/acknowledge" not in taken
        empty = client.post(f"{path}/close", data={"form_token": token, "note": " "})
        assert empty.status_code == 422
        client.post(f"{path}/close", data={"form_token": token, "note": "Réinstallé"})
        assert "A device shows another host key" not in client.get("/console/alarms").text
        assert "A device shows another host key" in client.get("/console/alarms?state=closed").text
        assert "Réinstallé" in client.get(path).text
        again = client.post(f"{path}/close", data={"form_token": token, "note": "encore"})
        assert (again.status_code, f'href="{path}">Back to the page' in again.text) == (409, True)
        narrowed = client.get("/console/alarms?severity=notice").text
        assert "Log-ins locked out" in narrowed
        assert "Unusually much" not in narrowed
        assert client.get(f"/console/alarms/{'0' * 32}").status_code == 404


def test_what_strangers_put_into_an_alarm_is_text(house: House, raised: Mapping[str, Alarm]) -> None:
    """Markup and control characters in a fact, and in its name, are shown and do nothing."""
    with signed_in(house, "rssi") as client:
        for path in ("/console/alarms", f"/console/alarms/{raised['lockout'].id}"):
            page = client.get(path).text
            assert "<script>alert" not in page
            assert "\x1b" not in page
            assert '" onmouseover="' not in page
            assert "&lt;script&gt;alert(1)" in page


def test_the_pages_of_alarms_fit_telephones_and_screen_readers(
    house: House, raised: Mapping[str, Alarm], tmp_path: Path
) -> None:
    """In a real browser, in both languages, at both widths: nothing is wider than the page, axe-core finds nothing."""
    paths = ("/console/alarms", f"/console/alarms/{raised['host_key_changed'].id}")
    look_at(house, paths, session_of(house, "rssi"), tmp_path)
