"""The technician's commands with a real ssh, over the real policy: she asks, somebody else answers, she reads."""

import json
from datetime import timedelta

from policy.domain.windows import WindowState
from tests.support.bastion import Bastion
from tests.support.policy_world import host_key_line


async def typed(bastion: Bastion, line: str, *, login: str = "alice") -> tuple[int, str, str]:
    """Run ``ssh alice@bastion LINE``, the line split at spaces as a shell does, and return how it ended."""
    ended = await bastion.client.ssh(login, *line.split(), answers=bastion.answers(login))
    return ended.rc, ended.stdout.decode(), ended.said


async def test_she_asks_and_reads_the_answer(bastion: Bastion) -> None:
    """A request typed without quotes waits in policy; refused, its reason stands in her windows and in ``why``."""
    rc, out, _ = await typed(
        bastion,
        "ask scan01 --from tomorrow 20:00 --to +2h --why Refaire l'étalonnage --channels shell,sftp-up",
    )
    assert rc == 0
    assert "Refaire l'étalonnage" in out
    assert "mercredi 18 mars 2026 à 20:00" in out
    windows = bastion.world.services.windows
    [asked] = await windows.list(bastion.world.who("dsi"), bastion.world.id, state=WindowState.PLANNED)
    assert asked.requested_by == bastion.world.who("alice")
    rc, out, _ = await typed(bastion, "windows --json")
    assert [one["state"] for one in json.loads(out)] == ["open", "planned"]
    await windows.refuse(
        bastion.world.who("dsi"),
        bastion.world.id,
        asked.id,
        version=asked.version,
        reason="Le bloc est en service",
    )
    rc, out, _ = await typed(bastion, "windows")
    assert "refusée" in out
    assert "Le bloc est en service" in out
    bastion.clock.advance(timedelta(hours=3))
    rc, out, _ = await typed(bastion, "why scan01")
    assert rc == 1
    assert "Le bloc est en service" in out
    assert "RSSI, poste 4242" in out


async def test_she_takes_a_request_back(bastion: Bastion) -> None:
    """By the number that windows shows; what is no number of hers is refused with a step."""
    rc, out, _ = await typed(bastion, "ask scan01 --from tomorrow 20:00 --to +2h --why essai --json")
    number = json.loads(out)["id"][:8]
    assert (await typed(bastion, "withdraw 0000"))[0] == 1
    assert (await typed(bastion, "withdraw ;id"))[0] == 2
    rc, out, _ = await typed(bastion, f"withdraw {number}")
    assert (rc, number in out) == (0, True)
    rc, out, _ = await typed(bastion, "windows")
    assert "annulée" in out
    assert ("DROITS" in out, "terminal" in out) == (True, True)


async def test_a_refused_request_names_rule_step_mover_and_contact(bastion: Bastion) -> None:
    """Whatever policy refuses comes back as one of its findings, and a time that does not exist by the command."""
    rc, out, said = await typed(bastion, "ask nothing --from now --to +1h --why essai")
    assert (rc, out) == (1, "")
    assert "PGSSIS-O3" in said
    assert "À faire par l’intervenant" in said
    assert "RSSI, poste 4242" in said
    other = await typed(bastion, "ask ris02 --from now --to +1h --why essai")
    assert other == (rc, out, said)
    rc, _, said = await typed(bastion, "ask scan01 --from 2026-10-25 02:30 --to +1h --why essai")
    assert rc == 2
    assert "--from-fold first" in said
    assert "ask --help" in said


async def test_keys_tells_fingerprints_and_last_use(bastion: Bastion) -> None:
    """Each factor of hers is there with its last use; no secret is."""
    world, line = bastion.world, host_key_line()
    await world.services.people.add_key(world.who("dsi"), world.id, world.who("alice"), line)
    rc, out, _ = await typed(bastion, "keys --json")
    assert rc == 0
    kinds = {one["kind"]: one for one in json.loads(out)["factors"]}
    assert set(kinds) == {"password", "totp", "public-key"}
    assert kinds["public-key"]["fingerprint"].startswith("SHA256:")
    assert kinds["public-key"]["last_used"] is None
    assert kinds["totp"]["last_used"] == bastion.clock.now().isoformat()
    for secret in (bastion.world.totp_secrets["alice"], bastion.world.passwords["alice"]):
        assert secret.reveal() not in out
    rc, out, _ = await typed(bastion, "keys")
    assert "DERNIER USAGE" in out


async def test_ssh_config_is_hers(bastion: Bastion) -> None:
    """The configuration names the port listened on and the device that is open to her."""
    rc, out, _ = await typed(bastion, "ssh-config")
    assert rc == 0
    assert f"Port {bastion.gateway.port}" in out
    assert "Host scan01" in out


async def test_every_command_has_its_help(bastion: Bastion) -> None:
    """``--help`` of each command that ``help`` names shows an example and whom to call."""
    rc, out, _ = await typed(bastion, "help")
    names = [line.split()[0] for line in out.splitlines() if line.startswith("  ")]
    assert {"list", "why", "windows", "ask", "extend", "keys", "ssh-config"} <= set(names)
    for name in ("ask", "extend"):
        rc, out, _ = await typed(bastion, f"{name} --help")
        assert rc == 0
        assert f"alice@passerelle {name}" in out
        assert "poste 4242" in out


async def test_who_is_not_inside_is_told_where_the_answer_will_stand(bastion: Bastion) -> None:
    """Without an open terminal nothing is promised of one: the command that tells is named."""
    rc, out, _ = await typed(bastion, "extend 15 --why Le dernier essai n'est pas fini")
    assert (rc, "terminal ouvert" in out, "La commande windows" in out) == (0, False, True), out


async def test_the_answer_appears_in_her_live_terminal(bastion: Bastion) -> None:
    """Asked over a second connection, decided by a planner: she reads who, until when and why where she works."""
    client, services, world = bastion.client, bastion.world.services, bastion.world
    command = client.command("alice+scan01", options=["-tt"])
    async with client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect(b"Mise \xc3\xa0 jour du logiciel")
        rc, out, _ = await typed(bastion, "extend 15 --why Le dernier essai n'est pas fini")
        assert rc == 0
        assert "dans votre terminal ouvert" in out
        assert "scan01" in out
        [asked] = await services.windows.extensions(world.who("denis"), world.id)
        assert asked.reason == "Le dernier essai n'est pas fini"
        await services.windows.decide_extension(
            world.who("denis"), world.id, asked.id, approve=False, reason="Le bloc reprend"
        )
        await terminal.expect("refusée par Denis Blanc. Le bloc reprend".encode())
        rc, out, _ = await typed(bastion, "extend 20 scan01 --why Encore une mesure")
        [asked] = await services.windows.extensions(world.who("denis"), world.id)
        await services.windows.decide_extension(world.who("denis"), world.id, asked.id, approve=True)
        await terminal.expect(b"Denis Blanc")
        await terminal.expect(b"13:50")
        assert "modifiée".encode() not in terminal.seen
        rc, out, _ = await typed(bastion, "windows")
        assert "accordée" in out
        assert "Le bloc reprend" in out


async def test_she_reports_what_she_did(bastion: Bastion) -> None:
    """Due after a session; filed by an option or by standard input, bounded; read back by the planner."""
    rc, _, said = await typed(bastion, "report scan01 --goal reached --what Fait")
    assert rc == 1
    assert "PGSSIS-O5" in said
    worked = await bastion.client.ssh("alice+scan01", "true", answers=bastion.answers())
    assert worked.rc == 0
    await bastion.closed()
    rc, out, _ = await typed(bastion, "report")
    assert "dû" in out
    rc, out, _ = await typed(bastion, "report scan01 --goal reached --what Version 4.2 posée")
    assert rc == 0
    assert "sessions reprises : 1" in out.replace("\N{NO-BREAK SPACE}", " ")
    text = "Version 4.2 posée.\nRedémarrage vérifié.\n"
    filed = await bastion.client.ssh(
        "alice", "report", "scan01", "--goal", "pending", input=text.encode(), answers=bastion.answers()
    )
    assert filed.rc == 0, filed.said
    [standing] = await bastion.world.services.reports.list(bastion.world.who("denis"), bastion.world.id)
    assert standing.report is not None
    assert standing.report.what == text.strip()
    for hostile in (b"", b"\x1b[2J", b"\xff\xfe" * 40000, b"x" * 9000):
        refused = await bastion.client.ssh(
            "alice", "report", "scan01", "--goal", "reached", input=hostile, answers=bastion.answers()
        )
        assert refused.rc == 2
