"""Screens: refused by default, and what a stranger said never acts."""

from datetime import UTC, datetime, timedelta

import pytest
from starlette.datastructures import FormData
from starlette.responses import Response

from admin_api.console.staff import moments
from admin_api.console.staff.app import all_screens
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.door import _onward
from admin_api.console.staff.screens import READERS, Screens
from admin_api.console.staff.view import harmless, size
from policy.domain.people import Language, Role

AT = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)


async def _show(_caller: StaffCaller) -> Response:
    return Response()


async def _take(_caller: StaffCaller, _form: FormData) -> Response:
    return Response()


def test_a_screen_that_names_no_roles_cannot_be_built() -> None:
    """Forgetting who may ask stops the process at start, as does a path that is none of the console's."""
    screens = Screens()
    with pytest.raises(ValueError, match="who may ask"):
        screens.get("/console/open")(_show)
    with pytest.raises(ValueError, match="who may ask"):
        screens.post("/console/open")(_take)
    with pytest.raises(ValueError, match="no path of the console"):
        screens.get("/v1/people", roles=READERS)(_show)
    assert screens.found == []


def test_only_the_door_and_what_is_not_there_are_public() -> None:
    """Everything else asks who comes, and no screen is open to a technician."""
    public = {(screen.method, screen.path) for screen in all_screens() if screen.public}
    assert public == {
        ("GET", "/console/sign-in"),
        ("POST", "/console/sign-in"),
        ("GET", "/console/language/{wanted}"),
        ("GET", "/console/{rest:path}"),
        ("POST", "/console/{rest:path}"),
    }
    assert not any(screen.open_to({Role.TECHNICIAN}) for screen in all_screens() if not screen.public)


@pytest.mark.parametrize(
    "elsewhere",
    [
        "",
        "https://evil.example/",
        "//evil.example",
        "/account",
        "/console/../v1",
        "/console\\evil",
        "/consolé",
    ],
)
def test_the_door_leads_to_the_console_alone(elsewhere: str) -> None:
    """Where to go on to comes from an address that anybody may write: nothing else than a screen is followed."""
    assert _onward(elsewhere) == "/console"


def test_the_door_leads_back_to_what_was_asked() -> None:
    """A screen with its query is gone on to."""
    assert _onward("/console/sessions?person=1&after=2") == "/console/sessions?person=1&after=2"


def test_what_a_stranger_said_is_shown_and_does_nothing() -> None:
    """Control sequences, direction marks and length are all visible and bounded."""
    shown = harmless("\x1b]0;titre\x07\u202egnp.exe" + "x" * 500, 60)
    assert shown.startswith("\\x1b]0;titre\\x07\\u202e")
    assert "\x1b" not in shown
    assert shown.endswith("…")


def test_days_are_the_hospital_s() -> None:
    """A day begins and ends in its zone, also where the clocks change in it; what is no day is none."""
    start, end = (
        moments.day_start("2026-03-29", "Europe/Paris"),
        moments.day_end("2026-03-29", "Europe/Paris"),
    )
    assert start is not None
    assert end is not None
    assert (start.hour, end - start) == (23, timedelta(hours=23))
    assert moments.day_start("2026-02-30", "Europe/Paris") is None
    assert moments.day_end("9999-12-31", "Europe/Paris") is None


def test_instants_tell_their_whole_and_how_long_ago() -> None:
    """The short form is the hospital's wall time; far from now no distance is told."""
    told = moments.when(AT, AT + timedelta(minutes=5), Language.FRENCH, "Europe/Paris")
    assert "23 nov. 2026 20:00" in told
    assert "il y a 5 minutes" in told
    assert 'datetime="2026-11-23T19:00:00+00:00"' in told
    assert "ago" not in moments.when(AT, AT + timedelta(days=60), Language.ENGLISH, "Europe/Paris")


@pytest.mark.parametrize(
    ("number", "told"),
    [(None, ""), (0, "0 o"), (1023, "1023 o"), (1024, "1,0 Kio"), (5 * 1024**3, "5,0 Gio")],
)
def test_sizes_are_short(number: int | None, told: str) -> None:
    """A number of bytes is told in the unit that keeps it short."""
    assert size(number) == told
    assert size(number, "en") == told.replace(",", ".").replace("o", "B")
