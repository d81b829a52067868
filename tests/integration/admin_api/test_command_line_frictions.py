"""The command line against the real API: what stopped people on their first day says the way out."""

from datetime import timedelta
from pathlib import Path

import pytest

from policy import i18n
from policy.authn import ssh_keys
from policy.domain.tasks import TaskGrant, TaskKind, TaskResult
from tests.support.api_house import House
from tests.support.own_machine import Desk
from tests.support.policy_world import host_key_line

PROBLEMS = {
    *("header", "length", "order", "digest", "truncated"),
    *("format", "manifest", "signature", "file", "missing"),
}
"""What ``recorder.replay.reader.Problem`` may say is wrong."""
BAD_ENTRIES = {f"proof.journal.{what}" for what in ("missing", "digest", "previous", "column", "content")}
"""What ``recorder.audit.verify.BadEntry`` may say is wrong."""


def _fetch(house: House, device: str, *keys: str) -> None:
    """Let somebody ask for the host keys of *device*, and a gateway find *keys*."""
    world, tasks = house.world, house.world.services.device_tasks

    async def ask() -> None:
        found = await world.services.devices.list(world.who("dsi"), world.id)
        wanted = next(one for one in found if one.name == device)
        await tasks.request(world.who("dsi"), world.id, TaskKind.FETCH_HOST_KEYS, wanted.id)
        grant = await tasks.claim(world.id, "node1")
        assert isinstance(grant, TaskGrant)
        await tasks.finish(grant, TaskResult(ok=True, host_keys=keys))

    house.run(ask())


def test_a_host_key_is_pinned_by_the_fingerprint_that_was_compared(
    house: House, desks: tuple[Desk, Desk, Desk]
) -> None:
    """``hostkeys pin`` takes what the last fetch of that device showed, and no fingerprint from anywhere else."""
    dsi, _, _ = desks
    dsi.run("zones", "add", "empreinte")
    for name in ("irm21", "irm22"):
        dsi.run("devices", "add", name, "--zone", "empreinte", "--address", "192.0.2.40")
    before, now = host_key_line(), host_key_line()
    _fetch(house, "irm21", before)
    house.clock.advance(timedelta(seconds=1))
    _fetch(house, "irm21", now)
    old, new = (ssh_keys.parse(line).fingerprint for line in (before, now))
    unknown = dsi.run("hostkeys", "pin", "irm22", new)
    assert (unknown.exit_code, "hostkeys fetch irm22" in unknown.stderr) == (1, True)
    assert dsi.run("hostkeys", "pin", "irm21", old).exit_code == 1
    assert dsi.run("hostkeys", "pin", "irm21", new).exit_code == 0
    assert dsi.json("devices", "show", "irm21")["host_keys"] == [now]


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_host_key_of_an_old_kind_is_refused_with_the_reason(
    desks: tuple[Desk, Desk, Desk], language: str
) -> None:
    """``ssh-dss`` is named as what is refused, not as too short a text."""
    dsi, _, _ = desks
    refused = dsi.run("--lang", language, "hostkeys", "pin", "scan01", "ssh-dss AAAA")
    assert (refused.exit_code, "DSA" in refused.stderr) == (1, True), refused.stderr
    assert "20" not in refused.stderr


def test_an_account_is_not_tried_before_the_device_is_known(
    desks: tuple[Desk, Desk, Desk], tmp_path: Path
) -> None:
    """Without a pinned host key ``accounts try`` says which command comes first."""
    dsi, _, _ = desks
    dsi.run("zones", "add", "essai")
    dsi.run("devices", "add", "irm31", "--zone", "essai", "--address", "192.0.2.50")
    secret = tmp_path / "secret.txt"
    secret.write_text("Encore-un-secret-d-ici\n")
    assert dsi.run("accounts", "add", "irm31", "maint", "--password-file", str(secret)).exit_code == 0
    refused = dsi.run("accounts", "try", "irm31", "maint")
    assert (refused.exit_code, "ecluse hostkeys fetch irm31" in refused.stderr) == (1, True)


def test_both_password_prompts_are_in_the_language_of_the_screen(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path
) -> None:
    """``enrol`` under ``--lang fr`` asks for the password, and for it again, in French."""
    dsi, _, _ = desks
    made = dsi.json(
        "people",
        "invite",
        "elsa",
        "--supplier",
        "Imagix",
        "--name",
        "Elsa Roy",
        "--email",
        "elsa@imagix.example",
    )
    invitation = tmp_path / "invitation.txt"
    invitation.write_text(made["invitation"]["token"])
    nobody = Desk(house, tmp_path, None)
    place = ("--url", house.url, "--ca", str(house.ca))
    typed = "une phrase assez longue\nune phrase assez longue\n000000\n"
    done = nobody.run("--lang", "fr", "enrol", str(invitation), *place, typed=typed)
    assert "Le même mot de passe" in done.output
    assert "Repeat" not in done.output


def test_a_slip_while_enrolling_is_asked_again(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password too short and a wrong code, typed in groups, are asked again at a terminal, with the same secret."""
    dsi, _, _ = desks
    person = ("erin", "--supplier", "Imagix", "--name", "Erin Roy", "--email", "erin@imagix.example")
    invitation = tmp_path / "invitation.txt"
    invitation.write_text(dsi.json("people", "invite", *person)["invitation"]["token"])
    monkeypatch.setattr("ecluse.commands.enrol._attended", lambda: True)
    typed = "court\ncourt\nune phrase assez longue\nune phrase assez longue\n" + "000 000\n" * 3
    place = ("--url", house.url, "--ca", str(house.ca))
    nobody = Desk(house, tmp_path, None)
    done = nobody.run("--lang", "fr", "enrol", str(invitation), *place, typed=typed)
    assert done.exit_code == 1
    assert "moins de 12 caractères" in done.stderr
    assert "forme" not in done.stderr
    assert done.stderr.count("Le code qu’elle affiche") == 3
    assert done.stdout.count("tapez-y ce secret") == 1


PLAN = (
    "windows",
    "plan",
    "--supplier",
    "Imagix",
    "--person",
    "alice",
    "--device",
    "scan01",
    "--purpose",
    "Essai",
)
EVENING = ("--start", "2026-11-24 20:00", "--end", "22:00")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*EVENING, "--channel", "telnet"), "--channel{colon}"),
        ((*EVENING, "--channel", "shell", "--rrule", "FREQ=SOMETIMES"), "--rrule{colon}"),
        ((*EVENING, "--channel", "shell", "--idle", "2"), "--idle{colon}"),
        (("--start", "2027-10-31 02:30", "--end", "05:00", "--channel", "shell"), "--start-fold first"),
        (("--start", "2027-10-31 01:30", "--end", "02:30", "--channel", "shell"), "--end-fold second"),
        (("--start", "2027-03-28 02:30", "--end", "05:00", "--channel", "shell"), "--shift"),
    ],
)
@pytest.mark.parametrize("language", ["fr", "en"])
def test_what_the_api_refuses_is_named_by_the_option_typed(
    desks: tuple[Desk, Desk, Desk], arguments: tuple[str, ...], said: str, language: str
) -> None:
    """A planner reads the option that she typed, and the option that says which of two times, never a field's path."""
    dsi, _, _ = desks
    refused = dsi.run("--lang", language, *PLAN, *arguments)
    said = said.format(colon=" :" if language == "fr" else ":")
    assert (refused.exit_code, said in refused.stderr) == (1, True), refused.stderr
    for internal in ("recurrence", "channels.", "limit_seconds", "start_fold", "end_fold", "fold 0"):
        assert internal not in refused.stderr


@pytest.mark.parametrize(("language", "said"), [("fr", "AAAA-MM-JJ HH:MM"), ("en", "YYYY-MM-DD HH:MM")])
def test_the_api_tells_a_form_in_words(house: House, language: str, said: str) -> None:
    """A time, a name or an identifier of the wrong form is answered with what to write, not with a pattern."""
    with house.client("dsi") as client:
        headers = {"Accept-Language": language}
        window = client.post("/v1/windows", json={"start": "demain", "end": "22:00"}, headers=headers).json()
        supplier = client.get("/v1/suppliers/xyz", headers=headers)
        zone = client.post("/v1/zones", json={"name": "Bloc A"}, headers=headers).json()
    told = {item["field"]: item["message"] for item in window["errors"]}
    assert said in told["start"]
    assert all("^" not in text for text in told.values())
    assert "^" not in supplier.text
    assert zone["errors"][0]["field"] == "name"
    assert "^" not in zone["errors"][0]["message"]


def test_an_unknown_name_is_called_by_its_noun_with_what_was_meant(desks: tuple[Desk, Desk, Desk]) -> None:
    """A misspelt device brings the one that was meant and the command that lists them, in the reader's language."""
    dsi, _, _ = desks
    near = dsi.run("devices", "show", "scan0l")
    assert near.exit_code == 1
    assert 'no "scan0l" among the devices; did you mean scan01' in near.stderr
    far = dsi.run("--lang", "fr", "devices", "show", "zzzzzzzz")
    assert "« zzzzzzzz » ne figure pas parmi les équipements" in far.stderr.replace("\N{NO-BREAK SPACE}", " ")
    assert "ecluse devices list" in far.stderr
    account = dsi.run("--lang", "fr", "accounts", "try", "scan01", "main")
    assert "comptes de cet équipement" in account.stderr
    assert "maint" in account.stderr


def test_what_is_looked_for_by_its_digits_names_its_list(desks: tuple[Desk, Desk, Desk]) -> None:
    """Digits that nothing begins with bring the command that shows what there is, for each kind of thing."""
    dsi, _, rssi = desks
    for desk, words, command in (
        (dsi, ("windows", "show", "00000"), "ecluse windows list"),
        (dsi, ("tokens", "revoke", "00000"), "ecluse tokens list"),
        (rssi, ("sessions", "show", "00000"), "ecluse sessions list --past"),
        (dsi, ("extensions", "grant", "00000"), "ecluse extensions list"),
    ):
        refused = desk.run(*words)
        assert (refused.exit_code, command in refused.stderr) == (1, True), refused.stderr


def test_nobody_inside_says_where_the_past_is(desks: tuple[Desk, Desk, Desk]) -> None:
    """An empty list of live sessions names the lists of those that ended."""
    _, _, rssi = desks
    shown = rssi.run("sessions", "list")
    assert shown.exit_code == 0
    assert "ecluse sessions list --past" in shown.stdout
    assert "ecluse traces list" in shown.stdout
    assert rssi.json("sessions", "list") == []


def test_a_missing_token_says_how_to_get_one_and_where_it_lies(
    house: House, tmp_path: Path, desks: tuple[Desk, Desk, Desk]
) -> None:
    """Without a valid token the command names ``ecluse login`` and ECLUSE_STATE."""
    dsi, _, _ = desks
    dsi.environment.pop("ECLUSE_API_TOKEN_FILE")
    refused = dsi.run("devices", "list")
    assert refused.exit_code == 1
    assert "ecluse login" in refused.stderr
    assert "ECLUSE_STATE" in refused.stderr


def test_no_way_to_the_api_says_the_next_step(tmp_path: Path, desks: tuple[Desk, Desk, Desk]) -> None:
    """A CA file that is none and an address where nothing answers each bring what to look at."""
    dsi, _, _ = desks
    right = dsi.environment["ECLUSE_API_CA"]
    dsi.environment["ECLUSE_API_CA"] = str(tmp_path / "none.pem")
    assert "tls/ca.pem" in dsi.run("devices", "list").stderr
    dsi.environment |= {"ECLUSE_API_CA": right, "ECLUSE_API_URL": "https://127.0.0.1:1"}
    refused = dsi.run("devices", "list")
    assert refused.exit_code == 1
    assert "ecluse doctor" in refused.stderr


@pytest.mark.parametrize("key", [*(f"broken.{what}" for what in sorted(PROBLEMS)), *sorted(BAD_ENTRIES)])
def test_what_is_wrong_with_evidence_is_said_in_the_reader_s_language(key: str) -> None:
    """Each kind of damage that the verifications tell has its sentence, in French and in English."""
    catalog = i18n.load("ecluse")
    french, english = (
        catalog.translate(key, language, record=3, name="node1 #3") for language in ("fr", "en")
    )
    assert french != english
    assert "{" not in french + english
