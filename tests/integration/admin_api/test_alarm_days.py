"""What a day raises: a quiet one fewer than five alarms, a bad one each kind once, a flood one with its count.

The entries are written by those who write them in service (log-in, decision, gateway's journal, watch of the terminal, reach of the
store), and read by the console's watch; there are no servers, so that a day takes seconds.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from admin_api.alarms.belief import Belief
from admin_api.alarms.causes import Thresholds
from admin_api.alarms.watch import AlarmWatch
from admin_api.alarms.words import words
from admin_api.evidence import OutboxIngest
from admin_api.registered_keys import RegisteredKeys
from admin_api.selfaudit.history import MADE, facts
from admin_api.selfaudit.machines import AuditKeys
from admin_api.selfaudit.report import Outcome
from ecluse.alarms import JournalAlarms
from gateway.journal import GatewayJournal
from gateway.session.evidence import EchoWatch
from policy.clock import ManualClock
from policy.domain.access import Denial, Grant
from policy.domain.alarms import Alarm, Call, Severity
from policy.domain.ids import SiteId, new_id
from policy.domain.logins import LoginOutcome, LoginReason, LoginResult
from policy.domain.people import Language, Role
from policy.domain.suppliers import Site
from policy.errors import AuthenticationFailed
from policy.services.mails import Letter
from policy.vault.secret import Secret
from recorder.audit.feed import JournalFeed
from recorder.audit.journal import Journal
from recorder.capture.reach import PROBE, Reach
from recorder.errors import StoreUnreachable
from recorder.proof.delivery import AnchorFile, Delivery
from recorder.proof.notary import Notary
from recorder.seal.signing import PublicKey, SigningKey, generate_key
from recorder.store.database import Database
from tests.support.policy_databases import NOON, own_world
from tests.support.policy_world import World, host_key_line
from tests.support.schemas import trace_schema
from tests.support.self_audits import EXPOSED, check, report

pytestmark = pytest.mark.integration
HOME, ELSEWHERE = "127.0.0.1", "203.0.113.9"
SUDO = b"\r\n[sudo] password for maint: "
LISTED = {
    "lockout",
    "unknown_source",
    "host_key_changed",
    "secret_refused",
    "spool_filling",
    "store_down",
    "clock_drift",
    "store_altered",
    "unseen_input",
    "volume_out",
}


@dataclass(kw_only=True)
class Hospital:
    """A hospital whose gateway and console write into one journal, and the watch that reads it."""

    world: World
    clock: ManualClock
    database: Database
    folder: Path
    journal: Journal = field(init=False)
    gateway: GatewayJournal = field(init=False)
    machine: JournalAlarms = field(init=False)

    def __post_init__(self) -> None:
        """Put the parts together as the two processes do."""
        here, now = self.world.id, self.clock.now
        self.journal = Journal(self.database, node="gw-1", now=now)
        self.gateway = GatewayJournal(self.journal, here, self.clock)
        self.machine = JournalAlarms(here, now)
        self.machine.journal = self.journal
        self.world.services.login.journal_to(self.gateway.login)

    async def logs_in(self, password: str | None = None, code: str | None = None) -> bool:
        """Let alice try once from her supplier's site, half a minute later."""
        self.clock.advance(timedelta(seconds=30))
        attempt = await self.world.services.login.begin("alice", HOME)
        right = self.world.passwords["alice"]
        try:
            await attempt.check_password_and_code(
                right if password is None else Secret(password), code or self.world.code("alice")
            )
        except AuthenticationFailed:
            return False
        return True

    async def is_refused(self, login: str, source: str) -> None:
        """Let a person whose log-in was right ask for the device from there."""
        request = self.world.request(login, source=source)
        answer = await self.world.services.access.decide(request)
        assert isinstance(answer, Denial)
        await self.gateway.refused(request, answer, jumped=False)

    async def session(self, grant: Grant, *, sudo: bool = False, moved: int = 1 << 20) -> None:
        """Let a session pass: some commands, sudo with its password, mistyped once, and what left the device."""
        await self.gateway.session("session.opened", grant)
        if sudo:
            terminal = self.terminal(grant)
            for answer in (SUDO, b"\r\nSorry, try again." + SUDO, b"\r\ndone\r\n$ "):
                typed = b"sudo systemctl restart pacs\r" if answer is SUDO else b"hunter2\r"
                for key in typed:
                    terminal.typed(bytes([key]))
                    if answer is SUDO and key != 13:
                        terminal.shown(bytes([key]))
                terminal.shown(answer)
            terminal.end()
        await self.gateway.session("session.moved", grant, {"bytes_out": moved, "files_out": 1})
        await self.gateway.session("session.closed", grant, {"reason": "left"})

    def terminal(self, grant: Grant) -> EchoWatch:
        """Return the watch of a terminal of that session, at a shell's prompt."""

        def unseen(lines: int) -> None:
            facts = {"session": grant.session_id, "channel": 1, "lines": lines}
            self.gateway.alarm("unseen_input", facts)

        watch = EchoWatch(unseen)
        watch.shown(b"$ ")
        return watch

    async def store(self, *out: int, every: int) -> None:
        """Let the store be away for so many seconds, again and again, *every* so many."""
        seconds = 1000.0
        reach = Reach(self.clock.now, self.machine, "gw-1", monotonic=lambda: seconds)
        reach.served(PROBE)
        for away in out:
            for second in range(every):
                seconds += 1
                if second < away:
                    reach.refused(StoreUnreachable("no answer"), PROBE)
                else:
                    reach.served(PROBE)
                reach.look(seconds)

    async def anchors(self, away: timedelta) -> None:
        """Let the place that remembers checkpoints be away for so long."""
        key = generate_key(self.folder / "checkpoint.pem")
        notary = Notary(self.database, key, hospital_id=self.world.id, node="console", now=self.clock.now)
        place = AnchorFile(self.folder / "mount" / "anchors")

        async def tell(name: str, facts: dict[str, object]) -> None:
            self.machine(name, facts)

        delivery = Delivery(self.database, self.world.id, [place], tell=tell, now=self.clock.now)
        await notary.make(force=True)
        assert await delivery.deliver()
        self.clock.advance(away)
        assert await delivery.deliver()
        place.path.parent.mkdir()
        assert not await delivery.deliver()

    async def audits_itself(self, nights: int) -> None:
        """Let the machine find the same things each night, known since the first; its console's key is the folder's."""
        before = report(self, EXPOSED, check("doctor.disk.full", Outcome.FAILED))  # type: ignore[arg-type]  # a clock and a hospital are all it looks at
        for _ in range(nights):
            self.clock.advance(timedelta(days=1))
            made = report(self, EXPOSED, check("doctor.disk.full", Outcome.FAILED))  # type: ignore[arg-type]  # as above
            details = facts(made, made.signed(SigningKey.load(self.folder / "checkpoint.pem")), before)
            await self.gateway.person(MADE, None, HOME, details)
            before = made

    async def alarms(self) -> list[Alarm]:
        """Read the journal as a console does that has just started, and return what nobody closed."""
        services, here = self.world.services, self.world.id
        await self.gateway.close()
        await self.machine.close()
        ingest = OutboxIngest(services, self.journal, self.clock)
        while await ingest.step():
            pass
        half = self.folder / "checkpoint.pem.pub"
        keys = [PublicKey.load(half)] if half.exists() else []
        belief = Belief(AuditKeys(keys, RegisteredKeys(None)), RegisteredKeys(self.folder / "probes"))
        feed = JournalFeed(self.database, here, keys)
        watch = AlarmWatch(services, feed, here, Thresholds(), self.clock, belief=belief)
        while await watch.step():
            pass
        return list(await services.alarms.list(self.world.who("rssi"), here))

    async def told(self) -> tuple[list[str], list[str]]:
        """Return the kinds of alarm that were mailed and posted."""
        mails: list[str] = []
        calls: list[str] = []

        async def mail(letter: Letter) -> None:
            mails.append(str(letter.arguments["alarm_kind"]))

        async def call(message: Call) -> None:
            calls.append(str(message.alarm["kind"]))

        while await self.world.services.mails.deliver(self.world.id, mail):
            pass
        while await self.world.services.calls.deliver(self.world.id, call):
            pass
        return mails, calls


@pytest.fixture
async def hospital(tmp_path: Path) -> AsyncIterator[Hospital]:
    """A hospital with mails and a webhook, in the middle of alice's window."""
    clock = ManualClock(NOON)
    settings = {"mails": True, "alarm_calls": Severity.NOTICE}
    world = await own_world(tmp_path, clock, settings=settings)
    url = f"sqlite:///{tmp_path}/traces.db"
    await trace_schema(url)
    made = Hospital(world=world, clock=clock, database=Database(url), folder=tmp_path)
    try:
        await made.alarms()  # the console is there before the day begins
        yield made
    finally:
        await made.database.dispose()
        await world.close()


async def moved_supplier(world: World) -> list[str]:
    """Return two technicians of a supplier who has not declared where he moved to."""
    services, dsi = world.services, world.who("dsi")
    site = Site(id=SiteId(new_id()), name="Lille", country="FR", networks=("192.0.2.0/24",))
    supplier = await services.suppliers.create(dsi, world.id, name="Rhéologie", sites=[site])
    for login in ("carl", "dora"):
        world.people[login] = await services.people.create(
            dsi,
            world.id,
            login=login,
            full_name=f"{login} Roux",
            email=f"{login}.roux@rheologie.example",
            roles=frozenset({Role.TECHNICIAN}),
            supplier_id=supplier.id,
        )
    return ["carl", "dora"]


async def test_a_quiet_day_has_fewer_than_five_alarms(hospital: Hospital) -> None:
    """Forty sessions, slips, sudo in a third of them, a supplier who moved, a new key, a hiccup, known findings: two alarms."""
    world, devices = hospital.world, hospital.world.services.devices
    grant = await world.grant()
    for slip in ({"password": "mistyped"}, {"code": "000000"}, {"password": "mistyped"}):
        assert not await hospital.logs_in(**slip)
        assert await hospital.logs_in()
    sizes = [200 << 20, *[4 << 20] * 39]
    sessions = (hospital.session(grant, sudo=not place % 3, moved=size) for place, size in enumerate(sizes))
    await asyncio.gather(*sessions)
    for login in await moved_supplier(world):
        for _ in range(2):
            await hospital.is_refused(login, ELSEWHERE)
    await devices.pin_host_key(world.who("dsi"), world.id, world.device.id, host_key_line())
    await hospital.store(20, every=60)
    await hospital.anchors(timedelta(minutes=10))
    await hospital.audits_itself(2)
    await hospital.gateway.person("store.verified", None, HOME, {"intact": True, "findings": 0})
    found = {alarm.kind: alarm for alarm in await hospital.alarms()}
    assert {kind: alarm.count for kind, alarm in found.items()} == {"unknown_source": 4, "store_down": 1}
    assert found["store_down"].over_at is not None
    mails, calls = await hospital.told()
    assert Counter(mails) == Counter(calls) == {"unknown_source": 1, "store_down": 1}


async def test_each_cause_of_a_bad_day_is_one_alarm_with_what_to_do(hospital: Hospital) -> None:
    """Each of the ten happens once: ten alarms, told once each, and an act in both languages."""
    world = hospital.world
    grant = await world.grant()
    for _ in range(4):
        await hospital.logs_in(password="guessed")
    await hospital.is_refused("alice", ELSEWHERE)
    await hospital.gateway.session("device.host_key_changed", grant, {"error": "HostKeyChanged"})
    hospital.gateway.alarm("host_key_changed", {"device": "scan01", "error": "HostKeyChanged"})
    await hospital.gateway.session("device.failed", grant, {"error": "SecretRefused"})
    hospital.machine("alarm.spool_filling", {"node": "gw-1", "percent": 81})
    await hospital.store(300, every=301)
    hospital.machine("alarm.clock_drift", {"node": "gw-1", "seconds": 9.0, "against": "PostgreSQL"})
    await hospital.gateway.person("store.verified", None, HOME, {"intact": False, "what": "altered"})
    terminal = hospital.terminal(grant)
    for _ in range(12):
        terminal.typed(b"rm -rf /\r")
        terminal.shown(b"\r\n$ ")
    terminal.end()
    await hospital.session(grant, moved=3 << 30)
    found = await hospital.alarms()
    assert Counter(alarm.kind for alarm in found) == Counter(LISTED)
    for alarm in found:
        acts = {words(alarm.kind, alarm.facts, language).act for language in Language}
        assert len(acts) == 2, alarm.kind
    assert [alarm.id for alarm in await hospital.alarms()] == [alarm.id for alarm in found]
    mails, calls = await hospital.told()
    assert Counter(mails) == Counter(LISTED - {"lockout", "unseen_input"})  # a notice is read in the console
    assert Counter(calls) == Counter(LISTED)


async def test_floods_are_one_alarm_each_with_their_count(hospital: Hospital) -> None:
    """Guessing from two hundred addresses, a store that flaps for an hour, a device tried fifty times: three alarms, three mails."""
    grant = await hospital.world.grant()
    guesses = (
        LoginOutcome(
            hospital_id=hospital.world.id,
            at=hospital.clock.now(),
            login=f"u{number % 25}",
            person_id=None,
            source=f"203.0.113.{number % 200}",
            result=LoginResult.FAILURE,
            reason=LoginReason.UNKNOWN_PERSON,
            factors=frozenset(),
        )
        for number in range(500)
    )
    await asyncio.gather(*map(hospital.gateway.login, guesses))
    await hospital.store(*[30] * 60, every=60)
    for _ in range(50):
        await hospital.gateway.session("device.host_key_changed", grant, {"error": "HostKeyChanged"})
        hospital.gateway.alarm("host_key_changed", {"device": "scan01", "error": "HostKeyChanged"})
    found = {alarm.kind: alarm.count for alarm in await hospital.alarms()}
    flapped = found.pop("store_down")
    assert found == {"scattered_logins": 301, "host_key_changed": 50}
    assert 1 < flapped < 60  # less often by and by: one that comes and goes is not back
    mails, calls = await hospital.told()
    assert Counter(mails) == Counter(calls) == Counter([*found, "store_down"])
