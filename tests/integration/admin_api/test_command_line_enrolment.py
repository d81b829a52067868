"""Invitations, texts and enrolment by the command line: what planners and technicians read and type."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest

from ecluse.commands import enrol
from ecluse.desk import Desk as Screen
from tests.support.api_house import House, open_house
from tests.support.mail_server import MailServer, mail_server
from tests.support.own_machine import Desk
from tests.support.waiting import until

pytestmark = pytest.mark.integration

PERSON = ("--supplier", "Imagix", "--name", "Odile Roy")


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    """The hospital's mail server."""
    with mail_server(tmp_path_factory.mktemp("mail")) as server:
        yield server


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, post: MailServer) -> Iterator[House]:
    """The fixture hospital, which demands the texts and mails."""
    with open_house(tmp_path_factory.mktemp("house"), engagements=True, mail=post.settings) as opened:
        yield opened


def test_an_invitation_is_printed_with_its_link_and_what_became_of_the_mail(
    house: House, desks: tuple[Desk, Desk, Desk], post: MailServer
) -> None:
    """The planner copies the link, and reads whether the mail has left, or why not; a renewal has a spoken code."""
    dsi, _, _ = desks
    # the house's own first mails leave before
    until(
        lambda: bool(post.to("renee.vert@")) and bool(post.to("alice.martin@")), "the mails of the beginning"
    )
    sent = dsi.run("--lang", "fr", "people", "invite", "odile", *PERSON, "--email", "odile@imagix.example")
    assert sent.exit_code == 0, sent.output
    assert f"{house.url}/i/eclinv_" in sent.stdout
    assert "parti par courrier à odile@imagix.example" in sent.stderr
    assert "vive voix" not in sent.stdout
    post.refusal = "550 boîte inconnue"
    try:
        kept = dsi.run("--lang", "en", "people", "invite", "odile")
    finally:
        post.refusal = None
    assert kept.exit_code == 0
    assert f"{house.url}/i/eclinv_" in kept.stdout
    assert "550" in kept.stderr
    assert "tried again" in kept.stderr
    renewed = dsi.run("--lang", "en", "people", "renew", "alice", "--reason", "lost")
    assert "by voice" in renewed.stdout


def test_texts_are_published_from_files_and_accepted_at_the_terminal(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hospital publishes its charter; who enrols reads that version, types yes, and the hospital sees it."""
    dsi, _, _ = desks
    french, english = tmp_path / "charte.txt", tmp_path / "charter.txt"
    french.write_text("Notre charte\n\nUne première\nrègle.\n\nUne seconde.\n")
    english.write_text("Our charter\n\nA first\nrule.\n\nA second.\n")
    done = dsi.run("engagements", "publish", "charter", "--fr", str(french), "--en", str(english))
    assert done.exit_code == 0, done.output
    shown = dsi.run("--lang", "en", "engagements", "show", "charter")
    assert shown.stdout == "Our charter\n\nA first rule.\n\nA second.\n"
    assert dsi.run("engagements", "show", "charter", "--version", "9").exit_code == 1
    listed = dsi.run("--lang", "fr", "engagements", "list")
    assert "Notre charte" in listed.stdout
    late = dsi.run(
        "engagements",
        "publish",
        "charter",
        "--fr",
        str(french),
        "--en",
        str(english),
        "--effective",
        "2020-01-01 08:00",
    )
    assert late.exit_code == 1
    monkeypatch.setattr("ecluse.commands.enrol._attended", lambda: True)
    invitation = tmp_path / "invitation.txt"
    email = ("--email", "paule@imagix.example")
    invitation.write_text(dsi.json("people", "invite", "paule", *PERSON, *email)["invitation"]["token"])
    nobody = Desk(house, tmp_path, None)
    place = ("--url", house.url, "--ca", str(house.ca))
    typed = "trois vaches bleues au plafond\n" * 2 + "yes\n" + "000000\n" * 3
    tried = nobody.run("--lang", "en", "enrol", str(invitation), *place, typed=typed)
    assert "A first rule." in tried.stderr
    assert "These texts are not accepted" not in tried.stderr
    accepted = dsi.json("engagements", "accepted", "paule")
    assert {(item["kind"], item["version"]) for item in accepted} == {
        ("charter", 2),
        ("confidentiality", 1),
        ("action-limit", 1),
    }


@pytest.mark.parametrize(
    ("roles", "next_step"),
    [
        (("--role", "planner", "--name", "Paule Suite"), "Next: ecluse login --url https://"),
        (PERSON, "Next: ssh {login}@GATEWAY"),
    ],
    ids=["staff", "technician"],
)
def test_who_has_enrolled_reads_what_comes_next(
    house: House,
    desks: tuple[Desk, Desk, Desk],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    roles: tuple[str, ...],
    next_step: str,
) -> None:
    """The staff's command or the technician's ssh, and that the code which was typed serves no more."""
    dsi, _, _ = desks
    login = "paule-suite" if "planner" in roles else "odile-suite"
    who = (*roles, "--email", f"{login}@imagix.example")
    invitation = tmp_path / "invitation.txt"
    invitation.write_text(dsi.json("people", "invite", login, *who)["invitation"]["token"])
    shown: dict[str, str] = {}
    choose, ask = enrol._choose, Screen.ask

    def chosen(*told: Any) -> Any:
        shown.update(choose(*told))
        return shown

    def asked(desk: Screen, key: str, **options: Any) -> str:
        secret = shown.get("secret", "")
        return pyotp.TOTP(secret).at(house.clock.now()) if key == "enrol.code" else ask(desk, key, **options)

    monkeypatch.setattr(enrol, "_choose", chosen)
    monkeypatch.setattr(Screen, "ask", asked)
    nobody = Desk(house, tmp_path, None)
    place = ("--url", house.url, "--ca", str(house.ca), "--accept")
    typed = "trois vaches bleues au plafond\n" * 2
    done = nobody.run("--lang", "en", "enrol", str(invitation), *place, typed=typed)
    assert done.exit_code == 0, done.output
    assert next_step.format(login=login) in " ".join(done.stdout.split())
    assert "a code serves once" in " ".join(done.stdout.split())


def test_without_a_yes_nothing_is_accepted(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty line is no agreement: she is told what follows, and enrols all the same."""
    dsi, _, _ = desks
    monkeypatch.setattr("ecluse.commands.enrol._attended", lambda: True)
    invitation = tmp_path / "invitation.txt"
    email = ("--email", "ines@imagix.example")
    invitation.write_text(dsi.json("people", "invite", "ines", *PERSON, *email)["invitation"]["token"])
    nobody = Desk(house, tmp_path, None)
    place = ("--url", house.url, "--ca", str(house.ca))
    typed = "trois vaches bleues au plafond\n" * 2 + "\n" + "000000\n" * 3
    tried = nobody.run("--lang", "en", "enrol", str(invitation), *place, typed=typed)
    assert "These texts are not accepted" in tried.stderr
    assert dsi.json("engagements", "accepted", "ines") == []


def test_a_program_accepts_over_the_api(house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path) -> None:
    """Texts are read and accepted by the invitation, each in the version read, before the first code uses it up."""
    dsi, _, _ = desks
    made = dsi.json("people", "invite", "rose", *PERSON, "--email", "rose@imagix.example")
    token = made["invitation"]["token"]
    with house.client() as nobody:
        password = {"invitation": token, "password": "trois vaches bleues au plafond"}
        secret = nobody.post("/v1/enrolment/password", json=password).json()["secret"]
        texts = nobody.post("/v1/enrolment/engagements", json={"invitation": token}).json()["items"]
        versions = {text["kind"]: text["version"] for text in texts}
        answered = nobody.post("/v1/enrolment/accept", json={"invitation": token, "versions": versions})
        assert answered.status_code == 204
        code = pyotp.TOTP(secret).at(house.clock.now())
        assert (
            nobody.post("/v1/enrolment/confirm", json={"invitation": token, "code": code}).status_code == 200
        )
    assert len(dsi.json("engagements", "accepted", "rose")) == len(texts) == 3
