"""Evidence packages in the console, of sealed and purged sessions, and their pages as a reader's browser shows them."""

import shutil
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from admin_api.dossier.making import make
from admin_api.dossier.scope import Asked, scope
from ecluse.readers import make_reader
from policy.services.tokens import Principal
from recorder.errors import TraceSealed
from recorder.seal import passphrase
from recorder.seal.ring import ReaderRing
from recorder.store.folder import wall_clock
from recorder.store.objects import ObjectStore
from recorder.trace.place import MANIFEST
from tests.support import s3
from tests.support.api_house import House
from tests.support.browser import Browser, driver, window
from tests.support.console import give_cookie, session_of, signed_in, token_of
from tests.support.evidence_package import DECISION, content, fill, judged, names, unpacked
from tests.support.recorded import record, speak

pytestmark = pytest.mark.integration
WHY = {"reason": "Plainte 2026-114"}


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """A browser's window."""
    with driver() as client, window(client) as made:
        yield made


def look(browser: Browser, what: str) -> None:
    """Find nothing wider than the window, and no fault that axe-core knows."""
    wide, room = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide <= room, what
    assert browser.faults() == [], what


def test_the_pages_are_sound_in_a_browser(house: House, chrome: Browser, tmp_path: Path) -> None:
    """From a file, at both widths and in both languages, no page is wider than its window, and axe-core finds nothing."""
    session_id = record(house, fill, decision=DECISION)
    with house.client("rssi") as client:
        package = client.get("/v1/evidence", params={**WHY, "session": session_id}).content
    folder = unpacked(package, tmp_path / "open")
    for name in ("DOSSIER", "COMMENT-VERIFIER", "RECORD", "HOW-TO-VERIFY"):
        chrome.go(f"file://{folder}/{name}.html")
        for width in (1280, 390):
            chrome.resize(width, 900)
            look(chrome, f"{name} {width}")
            chrome.shoot(tmp_path / f"{name}-{width}.png")


def test_the_console_asks_why_and_hands_over_the_file(house: House, chrome: Browser) -> None:
    """The session's page leads to it; without a fresh code nothing leaves, with it the zip comes; screens are sound."""
    session_id = record(house, lambda one: speak(one, "bonjour\r\n"))
    path = f"/console/sessions/{session_id}/evidence"
    with signed_in(house, "rssi", "fr") as client:
        assert path in client.get(f"/console/sessions/{session_id}").text
        shown = client.get(path)
        assert "qu’aucun gel ne protège" in shown.text
        sent = {"form_token": token_of(shown.text), **WHY}
        answer = client.post(path, data=sent)
        assert answer.headers["content-type"] == "application/zip"
        assert f"traces/{session_id}/manifest.json" in names(answer.content)
        house.clock.advance(timedelta(minutes=15))
        assert client.post(path, data=sent).status_code == 401
        person = house.world.who("alice")
        assert "/console/evidence?person=" in client.get("/console/sessions", params={"person": person}).text
        day = f"{house.clock.now():%Y-%m-%d}"
        span = {"person": person, "from": day, "to": day}
        assert "alice" not in client.get("/console/evidence", params={"person": person}).headers
        shown = client.get("/console/evidence", params=span)
        code = house.next_code("rssi")
        sent = {"form_token": token_of(shown.text), "code": code, **WHY}
        answer = client.post("/console/evidence", params=span, data=sent)
        assert f"traces/{session_id}/manifest.json" in names(answer.content)
    with signed_in(house, "dsi") as client:
        assert client.get(path).status_code == 403
    give_cookie(chrome, house, session_of(house, "rssi"))
    for width in (1280, 390):
        chrome.resize(width, 900)
        for screen in (path, f"/console/evidence?person={person}"):
            chrome.go(f"{house.url}{screen}")
            look(chrome, f"{screen} {width}")


def test_a_locked_key_is_named_before_anything_leaves(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """While the reader key is locked the refusal says which, and no reading is noted; unlocked, the package comes."""
    monkeypatch.setattr(passphrase, "COST", 1 << 10)
    folder, ring = house.directory / "readers", house.readers.ring
    make_reader(folder, "rssi-2027", "cheval agrafe pile correct")
    monkeypatch.setattr(house.readers, "ring", ReaderRing(ring.places, ring.now))
    house.run(house.readers.look())
    try:
        session_id = record(house, lambda one: speak(one, "secret de polichinelle\r\n"))
        with house.client("rssi") as client:
            asked = {**WHY, "session": session_id}
            refused = client.get("/v1/evidence", params=asked)
            assert (refused.status_code, "rssi-2027" in refused.json()["detail"]) == (423, True)
            assert (
                client.get("/v1/journal", params={"session": session_id, "name": "trace.read"}).json()[
                    "items"
                ]
                == []
            )
            code = house.next_code("rssi")
            unlocking = {"secret": "cheval agrafe pile correct", "code": code, "minutes": 10}
            client.post("/v1/readers/rssi-2027/unlock", json=unlocking).raise_for_status()
            package = client.get("/v1/evidence", params=asked).content
        assert "secret de polichinelle" in content(package, f"sessions/{session_id}/transcript.fr.txt")
        assert any(name.endswith(".wrap") for name in names(package))
        verifier = unpacked(package, tmp_path / "open") / "verifier.py"
        status, found = judged(tmp_path / "open", verifier)
        assert (status, found["findings"]) == (3, [])
        # locked after the first byte: what came is no package, and cannot be taken for one
        pieces = house.run(begun(house, session_id))
        came = [next(pieces)]
        house.run(house.readers.lock("rssi", "rssi-2027"))
        with pytest.raises(TraceSealed):
            came.extend(pieces)
        (tmp_path / "cut.zip").write_bytes(b"".join(came))
        assert not zipfile.is_zipfile(tmp_path / "cut.zip")
        status, _ = judged(tmp_path / "cut.zip", verifier)
        assert status == 2
    finally:
        shutil.rmtree(folder)


async def begun(house: House, session_id: str) -> Iterator[bytes]:
    """The pieces of a package that is on its way, as the route has them."""
    rssi = house.world.people["rssi"]
    who = Principal(person=rssi, roles=rssi.roles, hospital_id=house.world.id, token_id="t" * 32)
    wanted = await scope(house.context, who, Asked(sessions=(session_id,)))
    return await make(house.context, who, wanted, WHY["reason"])


def test_a_package_is_made_out_of_a_bucket(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A trace that only an S3 store holds is handed over as stored there, and verifies."""
    session_id = record(house, lambda one: speak(one, "depuis le seau\r\n"))
    house.run(house.proofs.checkpoint("test", force=True))
    told = s3.settings(tmp_path / "cache", f"test/{uuid4().hex}")
    bucket = ObjectStore(told, retention=timedelta(seconds=1), held=False, now=wall_clock)
    place = house.store.find(house.world.id, session_id)
    with house.store.opened(place) as folder:
        for path in sorted(folder.glob("[!.]*"), key=lambda one: one.name == MANIFEST):
            bucket.put(place, path.name, path.read_bytes(), locked=path.suffix != ".wrap")
    house.store.delete(place)
    monkeypatch.setattr(house.store, "find", bucket.find)
    monkeypatch.setattr(house.store, "opened", bucket.opened)
    with house.client("rssi") as client:
        package = client.get("/v1/evidence", params={**WHY, "session": session_id}).content
    verifier = unpacked(package, tmp_path / "open") / "verifier.py"
    status, found = judged(tmp_path / "open", verifier)
    assert (status, found["findings"], found["counts"]["traces"]) == (3, [], 1)
    assert "depuis le seau" in content(package, f"sessions/{session_id}/transcript.fr.txt")


def test_of_a_purged_session_the_stub_is_handed_over(house: House, tmp_path: Path) -> None:
    """Two persons erased it: the page says by which decision and what is left, and the rest verifies."""
    session_id = record(house, lambda one: speak(one, "bonjour\r\n"))
    house.run(house.proofs.checkpoint("test", force=True))
    with house.client("rssi") as client, house.client("denis") as second:
        asked = client.post(
            "/v1/erasures",
            json={"session_id": session_id, "reason": "tiers <b>filmé</b>", "code": house.next_code("rssi")},
        )
        identifier = asked.json()["id"]
        second.post(
            f"/v1/erasures/{identifier}/approve", json={"reason": "vu", "code": house.next_code("denis")}
        ).raise_for_status()
        house.run(house.keeper.erase())
        package = client.get("/v1/evidence", params={**WHY, "session": session_id}).content
    there = [name for name in names(package) if name.startswith("traces/")]
    assert [Path(name).name for name in there] == ["manifest.json", "manifest.sig", "purge.json", "purge.sig"]
    assert not [name for name in names(package) if "transcript" in name]
    page = content(package, "DOSSIER.html")
    assert "sur décision de deux personnes" in page
    assert "tiers &lt;b&gt;filmé" in page
    verifier = unpacked(package, tmp_path / "open") / "verifier.py"
    status, found = judged(tmp_path / "open", verifier)
    assert (status, found["findings"], found["counts"]["purged"]) == (3, [], 1)
