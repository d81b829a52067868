"""The command line against the real API: a planner's day, from an empty hospital to a cut."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pyotp

from ecluse.certificates import make_authority
from tests.support.api_house import House
from tests.support.own_machine import Desk
from tests.support.policy_world import host_key_line
from tests.support.recorded import record, speak


def test_log_in_keeps_a_token_for_its_owner_only(house: House, tmp_path: Path) -> None:
    """``login`` prompts for both factors and writes a 0600 file that the next commands use; ``logout`` voids it."""
    desk = Desk(house, tmp_path, None)
    typed = f"{house.world.passwords['denis'].reveal()}\n{house.next_code('denis')}\n"
    place = ("--url", house.url, "--ca", str(house.ca))
    done = desk.run("login", "--login", "denis", *place, typed=typed)
    assert done.exit_code == 0, done.output
    kept = tmp_path / "state" / "token.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert house.world.passwords["denis"].reveal() not in done.output
    assert "Denis Blanc" in desk.run("whoami").output
    assert desk.run("logout").exit_code == 0
    again = desk.run("whoami")
    assert (again.exit_code, again.output.count("ecluse login")) == (1, 1)


def test_a_log_in_that_a_variable_overrules_says_so(house: House, tmp_path: Path) -> None:
    """Where a variable names somebody else's token, whoever logs in reads that commands do not go on as her."""
    desk = Desk(house, tmp_path, "dsi")
    typed = f"{house.world.passwords['denis'].reveal()}\n{house.next_code('denis')}\n"
    done = desk.run("login", "--login", "denis", typed=typed)
    assert done.exit_code == 0, done.output
    assert "unset ECLUSE_API_TOKEN_FILE" in done.stderr
    assert '"dsi"' in desk.run("whoami", "--json").stdout
    assert desk.run("logout").exit_code == 0  # ends the token that the variable names, and keeps hers
    assert desk.run("whoami").exit_code == 1
    del desk.environment["ECLUSE_API_TOKEN_FILE"]
    assert '"denis"' in desk.run("whoami", "--json").stdout
    typed = f"{house.world.passwords['denis'].reveal()}\n{house.next_code('denis')}\n"
    again = desk.run("login", "--login", "denis", typed=typed)
    assert (again.exit_code, "unset" in again.output) == (0, False), again.output
    elsewhere = desk.environment["ECLUSE_API_URL"] = "https://127.0.0.1:1"
    typed = f"{house.world.passwords['denis'].reveal()}\n{house.next_code('denis')}\n"
    third = desk.run("login", "--login", "denis", "--url", house.url, typed=typed)
    assert third.exit_code == 0, third.output
    assert "unset ECLUSE_API_URL" in third.stderr
    assert elsewhere not in third.stdout


def test_where_no_terminal_is_nobody_is_warned_of_an_echo(house: House) -> None:
    """A password from a pipe is read in silence, whole lines only, and the end of it ends the command."""
    command = [sys.executable, "-m", "ecluse", "login", "--login", "dsi", "--url", house.url]
    done = subprocess.run(
        [*command, "--ca", str(house.ca)], input="\nsecret\n", capture_output=True, text=True, timeout=60,
        check=False, start_new_session=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Code" in done.stderr
    assert ("Warning" in done.stderr, "secret" in done.stdout + done.stderr) == (False, False), done.stderr


def test_a_token_file_that_others_may_read_is_refused(house: House, tmp_path: Path) -> None:
    """A token file open to others is not used, and the sentence says how to close it."""
    desk = Desk(house, tmp_path, None)
    (tmp_path / "state").mkdir()
    kept = tmp_path / "state" / "token.json"
    kept.write_text(json.dumps({"url": house.url, "ca": str(house.ca), "token": "x"}))
    kept.chmod(0o644)
    done = desk.run("whoami")
    assert done.exit_code == 1
    assert "chmod 600" in done.output


def test_a_server_of_another_ca_gets_nothing(house: House, tmp_path: Path) -> None:
    """Where the certificate is not this installation's, nothing is sent and the sentence says so."""
    (tmp_path / "other").mkdir()
    make_authority(tmp_path / "other", "Another", house.clock.now())
    desk = Desk(house, tmp_path, "dsi")
    desk.environment["ECLUSE_API_CA"] = str(tmp_path / "other" / "ca.pem")
    done = desk.run("whoami")
    assert done.exit_code == 1
    assert "certificate" in done.output


def test_a_day_from_a_new_supplier_to_an_open_door(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path
) -> None:
    """Supplier, person, enrolment, device, account, host key, window, approval by another: then ``why`` allows her."""
    dsi, denis, _ = desks
    assert dsi.run("suppliers", "add", "Radiolux", "--site", "Lyon,FR,192.0.2.0/24").exit_code == 0
    invited = dsi.json(
        *("people", "invite", "chloe", "--supplier", "Radiolux", "--name", "Chloé Roy"),
        *("--email", "chloe@radiolux.example"),
    )
    token = tmp_path / "invitation.txt"
    token.write_text(invited["invitation"]["token"] + "\n")
    _enrol(house, tmp_path, token)
    dsi.json("zones", "add", "admin")
    for twice in (
        ("zones", "add", "admin"),
        ("suppliers", "add", "Radiolux", "--site", "Lyon,FR,192.0.2.0/24"),
    ):
        refused = dsi.run(*twice)
        assert (refused.exit_code, "Choose another name." in refused.output) == (1, True), refused.output
    dsi.json("devices", "add", "irm01", "--zone", "admin", "--address", "127.0.0.1", "--port", "2222")
    secret = tmp_path / "secret.txt"
    secret.write_text("Un-secret-qui-ne-sert-qu-ici\n")
    added = dsi.run("accounts", "add", "irm01", "maint", "--password-file", str(secret))
    assert added.exit_code == 0, added.output
    reused = dsi.run("accounts", "add", "scan01", "autre", "--password-file", str(secret))
    assert (reused.exit_code, "T9" in reused.output) == (1, True)
    assert dsi.run("hostkeys", "pin", "irm01", host_key_line()).exit_code == 0
    planned = dsi.json(
        *("windows", "plan", "--supplier", "Radiolux", "--person", "chloe", "--device", "irm01"),
        *("--start", "2026-11-24 20:00", "--end", "22:00", "--channel", "shell", "--channel", "sftp-up"),
        *("--purpose", "Mise à jour 4.2", "--kind", "maintenance"),
    )
    window = planned["window"]["id"][:8]
    own = dsi.run("windows", "approve", window)
    assert own.exit_code == 1
    assert "four eyes" in own.output
    at = ("why", "chloe", "irm01", "--at", "2026-11-24T20:30:00+01:00", "--from", "192.0.2.9")
    before = denis.run(*at)
    assert (before.exit_code, "✗ O3" in before.output, "✓ C2" in before.output) == (1, True, True)
    assert denis.run("windows", "approve", window).exit_code == 0
    after = denis.run(*at)
    assert (after.exit_code, "✗" in after.output) == (0, False)
    stranger = denis.run(*at[:-1], "203.0.113.9")
    assert (stranger.exit_code, "✗ C2" in stranger.output) == (1, True)
    closed = denis.run("why", "chloe", "irm01")
    assert "2026-11-24 20:00" in closed.output
    assert "chloe" in denis.run("windows", "list").output


def _enrol(house: House, folder: Path, token: Path) -> None:
    """Chloé, at her own machine: the program shows a secret, and she types the code that it gives."""
    password = folder / "password.txt"
    password.write_text("trois vaches bleues au plafond\n")
    environment = {"ECLUSE_STATE": str(folder / "hers"), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "ecluse", "enrol", str(token), "--json", "--accept", "--url", house.url]
    command += ["--ca", str(house.ca), "--password-file", str(password)]
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        shown = ""
        while "}" not in shown:
            line = program.stdout.readline()
            assert line, program.stderr.read() if program.stderr else ""
            shown += line
        program.stdin.write(pyotp.TOTP(json.loads(shown)["secret"]).at(house.clock.now()) + "\n")
        program.stdin.flush()
        assert program.wait(60) == 0


def test_an_ambiguous_hour_is_asked_back_and_settled(desks: tuple[Desk, Desk, Desk]) -> None:
    """The planner reads which option, which choices; with the choice the window is planned."""
    dsi, _, _ = desks
    plan = (
        *("windows", "plan", "--supplier", "Imagix", "--person", "alice", "--device", "scan01"),
        *("--start", "2027-10-31 02:30", "--end", "05:00", "--channel", "shell", "--purpose", "Nuit"),
    )
    refused = dsi.run(*plan)
    assert refused.exit_code == 1
    assert "--start:" in refused.output
    assert "--start-fold first, or --start-fold second" in refused.output
    assert dsi.run(*plan, "--start-fold", "second").exit_code == 0


def test_a_recurring_window_with_a_day_left_out(desks: tuple[Desk, Desk, Desk]) -> None:
    """``--rrule`` and ``--except DATE`` plan every Tuesday but one."""
    dsi, _, _ = desks
    planned = dsi.json(
        *("windows", "plan", "--supplier", "Imagix", "--person", "alice", "--device", "scan01"),
        *("--start", "2026-11-24 06:00", "--end", "07:00", "--channel", "exec", "--purpose", "Relevé"),
        *("--kind", "monitoring", "--rrule", "FREQ=WEEKLY;BYDAY=TU", "--except", "2026-12-01"),
    )
    starts = [one["start_local"] for one in planned["window"]["occurrences"]]
    assert starts[:2] == ["2026-11-24 06:00", "2026-12-08 06:00"]


def test_ports_of_a_device_are_planned_by_number_and_name(desks: tuple[Desk, Desk, Desk]) -> None:
    """``--forward 443=console`` lets a port through, alone where it is all that is needed; what is wrong is named."""
    dsi, _, _ = desks
    plan = (
        *("windows", "plan", "--supplier", "Imagix", "--person", "alice", "--device", "scan01"),
        *("--start", "2027-03-02 20:00", "--end", "22:00", "--purpose", "Console"),
    )
    planned = dsi.json(*plan, "--forward", "5432", "--forward", "443=console")
    window = planned["window"]
    assert window["forwards"] == [{"port": 443, "label": "console"}, {"port": 5432, "label": None}]
    assert window["channels"] == []
    assert [note["key"] for note in planned["warnings"]].count("warning.forward-unreadable") == 1
    shown = dsi.run("windows", "show", window["id"][:8]).output
    assert "443 (console), 5432" in shown
    for wrong in ("22", "70000", "https", "443=" + "x" * 50):
        refused = dsi.run(*plan, "--forward", wrong)
        assert (refused.exit_code != 0, "--forward" in refused.output) == (True, True), refused.output
    neither = dsi.run(*plan)
    assert "--channel" in neither.output


def test_names_that_do_not_exist_are_said(desks: tuple[Desk, Desk, Desk]) -> None:
    """An unknown name is one sentence and exit code 1; wrong usage is exit code 2; help is 0 with an example."""
    dsi, _, _ = desks
    unknown = dsi.run("devices", "show", "scan99")
    assert (unknown.exit_code, "scan99" in unknown.output) == (1, True)
    assert dsi.run("suppliers", "add", "X", "--site", "Lyon").exit_code == 2
    assert dsi.run("sessions", "cut", "--reason", "Rien").exit_code == 2
    assert "Traceback" not in unknown.output
    assert "Example:" in dsi.run("windows", "plan", "--help").output


def test_refusals_come_in_the_language_asked_for(desks: tuple[Desk, Desk, Desk]) -> None:
    """``--lang fr`` speaks French on the screen and asks the API to."""
    dsi, _, rssi = desks
    spoken = rssi.run("--lang", "fr", "suppliers", "add", "Y")
    assert (spoken.exit_code, "administrateur" in spoken.output) == (1, True)
    assert "Nothing to show" in dsi.run("tasks", "list").output
    assert "Rien à montrer" in dsi.run("--lang", "fr", "tasks", "list").output


def test_live_sessions_are_listed_and_cut_by_their_first_digits(
    house: House, desks: tuple[Desk, Desk, Desk]
) -> None:
    """``sessions list`` shows who is inside; ``sessions cut DIGITS`` makes her grant fall."""
    _, _, rssi = desks
    access = house.world.services.access
    house.run(access.node_started(house.world.id, "gateway-1"))
    grant = house.run(house.world.grant())
    house.run(access.session_opened(grant, "gateway-1"))
    assert "alice" in rssi.run("sessions", "list").output
    nobody = rssi.run("sessions", "cut", "--person", "bob", "--reason", "Doute")
    assert (nobody.exit_code, "No session was open there" in nobody.stdout) == (0, True), nobody.output
    cut = rssi.run("sessions", "cut", grant.session_id[:8], "--reason", "Doute")
    assert (cut.exit_code, "within two seconds" in cut.stdout) == (0, True), cut.output
    assert type(house.run(access.recheck([grant]))[grant.session_id]).__name__ == "Denial"


def test_traces_are_proved_exported_and_read(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path
) -> None:
    """By the API: list, transcript, replay, export; offline: verify the exported files, then with one byte flipped."""
    _, _, rssi = desks
    session = record(house, lambda recording: speak(recording, "bonjour \x1b]0;titre\x07le monde\r\n"))
    assert session[:8] in rssi.run("traces", "list").output
    assert rssi.run("traces", "verify", session).exit_code == 0
    text = rssi.run("traces", "transcript", session, "--reason", "Incident 42")
    assert "bonjour" in text.output
    assert "Asks for a shell, on a terminal xterm of 100 by 30" in text.output
    frames = [
        json.loads(line)
        for line in rssi.run(
            "traces", "transcript", session, "--reason", "Incident 42", "--json"
        ).output.splitlines()
    ]
    assert frames[0]["header"]["session_id"] == session
    assert frames[1]["facts"]["request"] == "shell"
    assert frames[-1] == {**frames[-1], "type": "end", "facts": {"reason": "left"}}
    played = rssi.run("traces", "replay", session, "--reason", "Incident 42", "--speed", "1000")
    assert "bonjour le monde" in played.output
    assert "titre" not in played.output
    assert "Alice Martin (alice, " in played.output
    assert "maint-alice@scan01: Change the tube" in played.output
    assert "Window: 2026-03-29 01:00 – 06:00 (Europe/Paris)" in played.output
    assert "End of the session: the person closed her connection" in played.output
    assert "Keys:" not in played.output  # nobody sits at a terminal here
    cast = tmp_path / "session.cast"
    assert rssi.run("traces", "export", session, str(cast), "--reason", "Incident 42").exit_code == 0
    assert json.loads(cast.read_text().splitlines()[0])["version"] == 3
    folder = tmp_path / "files"
    exported = rssi.run(
        "traces", "export", session, str(folder), "--format", "files", "--reason", "Expertise"
    )
    assert exported.exit_code == 0, exported.output
    offline = Desk(house, tmp_path, None)
    key = ("--public-key", str(house.directory / "trace-signing.pem.pub"))
    assert offline.run("traces", "verify", str(folder), *key).exit_code == 0
    offline_play = offline.run("traces", "replay", str(folder), "--speed", "1000").output
    assert "bonjour" in offline_play
    assert "Window: 2026-03-29 00:00 – 04:00 (UTC)" in offline_play
    (folder / "manifest.json").rename(folder / "aside.json")
    assert (
        "End of what was recorded" in offline.run("traces", "replay", str(folder), "--speed", "1000").output
    )
    (folder / "aside.json").rename(folder / "manifest.json")
    stored = bytearray((folder / "trace-000001.ecl").read_bytes())
    stored[-2] ^= 1
    (folder / "trace-000001.ecl").chmod(0o600)
    (folder / "trace-000001.ecl").write_bytes(stored)
    broken = offline.run("traces", "verify", str(folder), *key)
    assert broken.exit_code == 1
    assert "record" in broken.output


def test_the_journal_is_listed_and_proved(house: House, desks: tuple[Desk, Desk, Desk]) -> None:
    """``audit list`` shows what was done and by whom; ``audit verify`` says that the chains hold."""
    dsi, _, rssi = desks
    dsi.run("zones", "add", "audite")
    house.ingest_all()
    listed = rssi.json("audit", "list", "--name", "zone.created")
    assert "audite" in [item["details"]["after"]["name"] for item in listed]
    proof = rssi.run("audit", "verify")
    assert (proof.exit_code, "intact" in proof.output) == (0, True)
