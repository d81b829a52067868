"""The network filter, on a network of the test's own: real sshds in two admin zones, the bastion, a supplier."""

import asyncio
import json
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from admin_api.alarms.causes import Thresholds, sightings
from ecluse.diagnosis.flows import routing
from ecluse.settings import load
from gateway.target.flows import FlowBroker
from policy.domain.tasks import TaskKind, TaskResult
from tests.support.hospital_network import (
    FRONT,
    FRONT_PORT,
    GATEWAY_USER,
    RIS02,
    SCAN01,
    ZONE_A,
    ZONE_B,
    HospitalNetwork,
    as_user,
    hospital_network,
    logs_kept,
)
from tests.support.installed import ecluse
from tests.support.network import refusal
from tests.support.waiting import answered, eventually

_REFUSAL = refusal()
pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(_REFUSAL is not None, reason=str(_REFUSAL)),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hospital() -> AsyncIterator[HospitalNetwork]:
    """Everything runs, and nothing is open."""
    with tempfile.TemporaryDirectory(prefix="ecluse-network-") as name:
        Path(name).chmod(0o755)
        async with hospital_network(Path(name)) as made:
            yield made


@contextmanager
def asked(hospital: HospitalNetwork, line: bytes) -> Iterator[dict[str, Any]]:
    """Ask the broker as root, and hold the connection until the end of the block."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(60)
        caller.connect(str(hospital.sockets))
        caller.sendall(line)
        yield json.loads(caller.makefile().readline())


def request(place: tuple[str, int], seconds: int = 60) -> bytes:
    """Return the line that asks for *place*."""
    return json.dumps({"address": place[0], "port": place[1], "seconds": seconds}).encode() + b"\n"


async def test_a_session_opens_the_way_to_its_device_and_its_end_closes_it(
    hospital: HospitalNetwork, tmp_path: Path
) -> None:
    """Before, nothing; meanwhile that one door, by the zone's address, through a restart of filter and broker; then nothing."""
    await hospital.start_gateway()
    assert hospital.open_ways() == []
    assert not hospital.gateway_reaches(SCAN01[0])
    supplier = hospital.supplier(tmp_path / "supplier")
    login, answers = hospital.ticket()
    command = supplier.command(f"{login}+scan01", "echo $SSH_CONNECTION; read line; echo $line")
    process = await supplier.start(command, answers=answers)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        source, _, address, port = line.decode().split()
        assert (source, address, port) == (ZONE_A[0], SCAN01[0], "22")
        assert hospital.open_ways() == [f"{SCAN01[0]} 22"]
        assert hospital.gateway_reaches(SCAN01[0])
        assert not hospital.gateway_reaches(SCAN01[1]), "another address of the same device"
        assert not hospital.gateway_reaches(SCAN01[0], 2222)
        assert not hospital.gateway_reaches(RIS02[0])
        assert not hospital.gateway_reaches(SCAN01[0], user=GATEWAY_USER + 1), "the console's, say"

        hospital.stop("broker")
        assert hospital.open_ways() == []
        hospital.load_filter()
        hospital.start_broker()
        await eventually(lambda: hospital.open_ways() == [f"{SCAN01[0]} 22"])
        out, errors = await asyncio.wait_for(process.communicate(b"still there\n"), 60)
        assert out == b"still there\n", errors
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    await eventually(lambda: hospital.open_ways() == [])
    assert not hospital.gateway_reaches(SCAN01[0])


def matrix(hospital: HospitalNetwork) -> Path:
    """Write the flow matrix as ``flows export --json`` prints it: each device by both of its addresses."""
    path = hospital.folder / "matrix.json"
    places = [("scan01", "imagerie", one) for one in SCAN01] + [("ris02", "biologie", one) for one in RIS02]
    flows = [
        {"device": device, "zone": zone, "source": None, "address": address, "port": 22}
        for device, zone, address in places
    ]
    hospital_id = load(hospital.data / "ecluse.toml").hospital_id
    path.write_text(json.dumps({"version": 1, "hospital_id": hospital_id, "flows": flows, "entries": []}))
    return path


def key_of(hospital: HospitalNetwork, machine: str) -> Path:
    """Return the key that *machine* signs its probes by: made and registered when it is first asked for."""
    key = hospital.folder / f"probe-{machine}.pem"
    if not key.exists():
        config = ("--config", str(hospital.data / "ecluse.toml"))
        for command in (("new", str(key)), ("add", machine, f"{key}.pub", *config)):
            done = ecluse("flows", "keys", *command)
            assert done.exit_code == 0, done.output
    return key


async def probed(
    hospital: HospitalNetwork, machine: str, *options: str, seconds: float = 0.4
) -> tuple[int, dict[str, Any]]:
    """Run the probe on *machine*; return its exit code and what it found."""
    key = await asyncio.to_thread(key_of, hospital, machine)
    seen_from = ("--matrix", str(matrix(hospital)), "--vantage", machine, "--key", str(key))
    command = ("flows", "probe", *seen_from, "--seconds", str(seconds))
    with logs_kept():
        done = await hospital.network.ask(machine, lambda: ecluse(*command, *options, "--json"))
    return done.exit_code, json.loads(done.stdout)


SUPPLIERS_DOORS = ("--expect", f"{FRONT[0]}:{FRONT_PORT}", "--expect", f"[{FRONT[1]}]:{FRONT_PORT}")


async def test_a_supplier_reaches_the_bastion_s_door_and_nothing_else(hospital: HospitalNetwork) -> None:
    """By IPv4 and IPv6: no device, no other port of the bastion, none of its addresses on the zones' side."""
    inner = [f"--also={ZONE_A[0]}:{FRONT_PORT}", f"--also=[{ZONE_B[1]}]:{FRONT_PORT}"]
    code, found = await probed(
        hospital, "supplier", *SUPPLIERS_DOORS, *inner, "--port", "80", "--port", "443"
    )
    assert (found["answered"], found["refused"], found["missing"], code) == ([], [], [], 0)
    assert found["tried"] == 4 * 3 + 2 * 3 + 2 * 2

    # who is in no declared network finds no door either: here, that of IPv4 for a moment
    network = ("element", "inet", "ecluse", "front4", "{ 10.77.1.0/24 }")
    hospital.network.run("gateway", "nft", "delete", *network)
    try:
        code, found = await probed(hospital, "supplier", *SUPPLIERS_DOORS[2:], "--also", SUPPLIERS_DOORS[1])
    finally:
        hospital.network.run("gateway", "nft", "add", *network)
    assert (found["answered"], found["refused"], found["missing"], code) == ([], [], [], 0)


async def test_a_zone_s_device_reaches_neither_the_other_zone_nor_the_bastion(
    hospital: HospitalNetwork,
) -> None:
    """The bastion is its router, and routes nothing; where no door answers at all, a probe says that it proves nothing."""
    doors = (
        f"--also={ZONE_A[0]}:{FRONT_PORT}",
        f"--also={FRONT[0]}:{FRONT_PORT}",
        f"--also=[{ZONE_A[1]}]:{FRONT_PORT}",
    )
    own = f"{SCAN01[0]}:22"
    code, found = await probed(hospital, "scan01", "--zone", "imagerie", "--expect", own, *doors)
    assert (found["answered"], found["refused"], found["missing"], code) == ([], [], [], 0)
    nobody = f"{SCAN01[0]}:23"  # refuses at once, where a door that is dropped would be waited for
    code, found = await probed(hospital, "scan01", "--zone", "imagerie", "--expect", nobody)
    assert (found["answered"], found["missing"], code) == ([], [nobody], 1)


async def test_a_bypass_is_found_and_told(hospital: HospitalNetwork) -> None:
    """Somebody made the bastion a router, for both families: the probe names each device, and its report is the alarm."""
    forward = ("nft", "insert", "rule", "inet", "ecluse", "forward", "accept")
    switches = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")
    hospital.network.run("gateway", *forward)
    hospital.network.run("gateway", "sysctl", "-q", *(f"{one}=1" for one in switches))
    try:
        code, found = await probed(hospital, "supplier", *SUPPLIERS_DOORS, "--port", "80", seconds=3)
        symptom = await hospital.network.ask("gateway", routing)
        assert (symptom.finding.key, symptom.finding.arguments["switches"]) == (
            "doctor.routing.on",
            ", ".join(switches),
        )
    finally:
        hospital.network.run("gateway", "sysctl", "-q", *(f"{one}=0" for one in switches))
        hospital.load_filter()
        hospital.stop("broker")
        hospital.start_broker()
    assert (await hospital.network.ask("gateway", routing)).finding.key == "doctor.routing.off"
    assert code == 1
    assert found["answered"] == [f"{SCAN01[0]}:22", f"[{SCAN01[1]}]:22", f"{RIS02[0]}:22", f"[{RIS02[1]}]:22"]
    assert len(found["refused"]) == 4, "where nothing listens, the machine itself was still reached"
    code, after = await probed(hospital, "supplier", *SUPPLIERS_DOORS)
    assert (after["answered"], code) == ([], 0)
    for result in (found, after):
        told = await asyncio.to_thread(
            ecluse,
            "flows",
            "report",
            "-",
            "--config",
            str(hospital.data / "ecluse.toml"),
            typed=json.dumps(result),
        )
        assert told.exit_code == 0, told.output
    first, last = (
        next(sightings(entry.event, Thresholds())) for entry in await hospital.journal("flows.probed")
    )
    assert (first.kind, first.over, last.kind, last.over) == ("bypass", False, "bypass", True)
    assert SCAN01[0] in str(first.facts["found"])


async def test_without_the_broker_nothing_is_dialled(hospital: HospitalNetwork, tmp_path: Path) -> None:
    """Where the filter is demanded and its broker is away, she reads the rule and whose move it is; so does the journal."""
    await hospital.start_gateway()
    supplier = hospital.supplier(tmp_path / "supplier")
    login, answers = hospital.ticket()
    hospital.stop("broker")
    try:
        done = await supplier.ssh(f"{login}+scan01", "true", answers=answers)
    finally:
        hospital.start_broker()
    assert (done.rc != 0, "PGSSIS-T8" in done.said) == (True, True), done.said
    [entry], [*_, closed] = [await hospital.journal(name) for name in ("device.failed", "session.closed")]
    assert entry.event.details["error"] == "FlowRefused"
    assert "does not answer" in str(entry.event.details["detail"])
    assert (closed.event.session_id, closed.event.details["reason"]) == (entry.event.session_id, "flow")


async def test_a_device_task_opens_the_way_for_itself(hospital: HospitalNetwork) -> None:
    """Keys are fetched from a registered device, and nothing stays open; of another, the planner reads why not."""
    await hospital.start_gateway()
    world = hospital.world

    async def fetched() -> TaskResult:
        tasks, dsi = world.services.device_tasks, world.who("dsi")
        asked = await tasks.request(dsi, world.id, TaskKind.FETCH_HOST_KEYS, world.device.id)

        async def result() -> TaskResult | None:
            return (await tasks.get(dsi, world.id, asked.id)).result

        return await answered(result)

    done = await fetched()
    assert (done.ok, [" ".join(line.split()[:2]) for line in done.host_keys]) == (
        True,
        [*world.device.host_keys],
    )
    await eventually(lambda: hospital.open_ways() == [])
    hospital.write_register()
    try:
        refused = await fetched()
    finally:
        hospital.write_register(*hospital.registered)
    assert not refused.ok
    assert "register" in refused.detail


async def test_the_register_binds_the_gateway(hospital: HospitalNetwork) -> None:
    """What policy would let be dialled and root did not register stays shut, for the gateway's user as for root."""
    with asked(hospital, request((RIS02[0], 22))) as answer:
        assert answer == {"refused": "unregistered"}
    with asked(hospital, request((RIS02[1], 23))) as answer:
        assert answer == {"refused": "unregistered"}
    with asked(hospital, b"flush ruleset\n") as answer:
        assert answer == {"refused": "request"}
    assert hospital.open_ways() == []


async def test_only_the_gateway_s_user_is_heard(hospital: HospitalNetwork) -> None:
    """Were the socket open to everybody, the kernel would still tell the broker who calls."""
    ask = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
    ask += "s.sendall(sys.argv[2].encode()); print(s.makefile().readline(), end='')"
    hospital.sockets.chmod(0o666)
    try:
        heard = {
            user: await asyncio.to_thread(
                hospital.network.run, "gateway", *as_user(user), sys.executable, "-I", "-S", "-c", ask,
                str(hospital.sockets), request((SCAN01[0], 22)).decode(),
            )
            for user in (GATEWAY_USER, GATEWAY_USER + 7)
        }  # fmt: skip
    finally:
        hospital.sockets.chmod(0o600)
    assert json.loads(heard[GATEWAY_USER]) == {"open": 60}
    assert json.loads(heard[GATEWAY_USER + 7]) == {"refused": "caller"}
    await eventually(lambda: hospital.open_ways() == [])


async def test_a_way_is_open_until_its_last_holder_s_end(hospital: HospitalNetwork) -> None:
    """Two sessions on one device: the first to end closes nothing, what is left is the other's time; then it is shut."""
    place, way = (SCAN01[0], 22), f"{SCAN01[0]} 22"
    with asked(hospital, request(place, 60)) as short:
        with asked(hospital, request(place, 600)) as long:
            assert (short, long) == ({"open": 60}, {"open": 600})
            assert hospital.ways()[way] > 60
        await eventually(lambda: 0 < hospital.ways()[way] <= 60)
    await eventually(lambda: hospital.open_ways() == [])
    with asked(hospital, request(place, 1)) as answer:
        assert answer == {"open": 1}
        await eventually(lambda: hospital.open_ways() == [])


async def test_a_way_that_is_shut_is_shut_to_its_connection(hospital: HospitalNetwork) -> None:
    """What was connected while it was open says nothing more once it is shut; the filter looks at each packet."""
    speak = "exec 3<>/dev/tcp/$0/22; read -r banner <&3; echo up; read -r go; printf 'SSH-2.0-late\\r\\n' >&3"
    speak += "; timeout $1 head -c 1 <&3 | wc -c"
    command = [*hospital.network.on("gateway"), *as_user(GATEWAY_USER), "bash", "-c", speak, SCAN01[0]]
    pipe = asyncio.subprocess.PIPE
    with asked(hospital, request((SCAN01[0], 22))):
        early = await asyncio.create_subprocess_exec(*command, "30", stdin=pipe, stdout=pipe)
        late = await asyncio.create_subprocess_exec(*command, "1", stdin=pipe, stdout=pipe)
        for one in (early, late):
            assert one.stdout is not None
            assert await asyncio.wait_for(one.stdout.readline(), 60) == b"up\n"
        heard, _ = await asyncio.wait_for(early.communicate(b"go\n"), 60)
    await eventually(lambda: hospital.open_ways() == [])
    unheard, _ = await asyncio.wait_for(late.communicate(b"go\n"), 60)
    assert (heard.strip(), unheard.strip()) == (b"1", b"0")


async def test_a_window_that_is_extended_keeps_its_way_open(hospital: HospitalNetwork) -> None:
    """The way has the window's end for its own, and a later one before the old one is over; the element is told anew."""
    left, way = [5.0], f"{SCAN01[0]} 22"
    flow = await FlowBroker(hospital.sockets).open(SCAN01[0], 22, lambda: left[0])
    lost: list[bool] = []
    flow.on_lost = lambda: lost.append(True)
    assert hospital.ways().get(way, 0) <= 5
    left[0] = 600.0
    await eventually(lambda: hospital.ways().get(way, 0) > 500)
    flow.close()
    await eventually(lambda: hospital.open_ways() == [])
    assert lost == []


async def test_the_kernel_shuts_a_way_that_nobody_looks_after(hospital: HospitalNetwork) -> None:
    """With the broker dead at once and nobody in its place, the element's own timeout ends the way."""
    with asked(hospital, request((SCAN01[0], 22), 1)):
        hospital.stop("broker", signal.SIGKILL)
    try:
        await eventually(lambda: not hospital.gateway_reaches(SCAN01[0]))
        assert hospital.open_ways() == []
    finally:
        hospital.start_broker()


async def test_a_storm_of_sessions_waits_its_turn(hospital: HospitalNetwork) -> None:
    """As many as come at once are opened, and closed: nobody is taken for refused because others were faster."""
    places = [f"192.0.2.{number}" for number in range(1, 255)] + [
        f"198.51.100.{number}" for number in range(1, 255)
    ]
    hospital.write_register(*((place, 22) for place in places), *hospital.registered)
    broker = FlowBroker(hospital.sockets)
    try:
        flows = await asyncio.gather(*(broker.open(place, 22, lambda: 600.0) for place in places))
        assert len(hospital.open_ways()) == len(places)
        for flow in flows:
            flow.close()
        await eventually(lambda: hospital.open_ways() == [])
    finally:
        hospital.write_register(*hospital.registered)


async def test_a_gateway_that_is_killed_leaves_no_way_open(hospital: HospitalNetwork, tmp_path: Path) -> None:
    """The other zone, by IPv6 all along: kill -9 in the middle of a session closes its way at once."""
    await hospital.start_gateway()
    supplier = hospital.supplier(tmp_path / "supplier", version=6)
    login, answers = hospital.ticket()
    command = supplier.command(f"{login}+ris02", "echo $SSH_CONNECTION; read line")
    process = await supplier.start(command, answers=answers)
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        source, _, address, port = line.decode().split()
        assert (source, address, port) == (ZONE_B[1], RIS02[1], "22")
        assert hospital.open_ways() == [f"{RIS02[1]} 22"]
        assert hospital.gateway_reaches(RIS02[1])
        hospital.stop("gateway", signal.SIGKILL)
        await eventually(lambda: hospital.open_ways() == [])
        assert not hospital.gateway_reaches(RIS02[1])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
