"""From the journal to the list, the mail and the webhook, behind the real API."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from typing_extensions import override

from admin_api.alarms.belief import Belief
from admin_api.alarms.causes import Thresholds
from admin_api.alarms.watch import AlarmWatch
from admin_api.registered_keys import RegisteredKeys
from policy.domain.alarms import Alarm
from policy.domain.people import Language
from policy.errors import Conflict
from recorder.audit.events import SecurityEvent
from recorder.audit.feed import MAX_LOOK, JournalFeed, Look, Position
from recorder.audit.journal import Journal
from tests.support.api_house import House, open_house
from tests.support.mail_server import MailServer, mail_server
from tests.support.own_machine import Desk
from tests.support.waiting import answered, until
from tests.support.webhook import SECRET, Receiver, verified, webhook


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """The hospital's supervision."""
    with webhook(tmp_path_factory.mktemp("webhook")) as running:
        yield running


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    """The hospital's mail server."""
    with mail_server(tmp_path_factory.mktemp("mail")) as server:
        yield server


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver, post: MailServer) -> Iterator[House]:
    """A hospital with both."""
    folder = tmp_path_factory.mktemp("house")
    with open_house(folder, mail=post.settings, webhook=receiver.settings) as opened:
        yield opened


def watch(house: House) -> AlarmWatch:
    """A console that has just started."""
    return AlarmWatch(
        house.world.services,
        house.feed,
        house.world.id,
        Thresholds(),
        house.clock,
        belief=Belief(house.context.auditors, RegisteredKeys(house.directory / "probes")),
    )


def happened(house: House, name: str, **more: object) -> None:
    """Have a gateway write into the journal."""
    event = SecurityEvent(name=name, hospital_id=house.world.id, at=house.clock.now(), **more)  # type: ignore[arg-type]  # the test's own values
    house.run(house.journal.append(event))


def look(house: House) -> None:
    """Have alarms raised by what the journal holds."""
    house.ingest_all()

    async def work() -> None:
        console = watch(house)
        while await console.step():
            pass

    house.run(work())


def test_a_changed_host_key_reaches_everybody_and_is_answered(
    house: House, receiver: Receiver, post: MailServer, tmp_path: Path
) -> None:
    """The referent is mailed in French, the webhook gets signed JSON, the command line closes it, the journal knows."""
    device = house.world.device
    for _ in range(3):
        happened(house, "device.host_key_changed", device_id=device.id, person_id=house.world.who("alice"))
    look(house)

    def mails() -> list[EmailMessage]:
        return [one for one in post.to("renee.vert@") if "Alarme" in str(one["Subject"])]

    until(lambda: bool(receiver.tries) and bool(mails()), "nobody was told")
    [mail] = mails()
    assert "clé d’hôte" in str(mail["Subject"])
    assert "ecluse alarms show" in mail.get_content()
    headers, body = receiver.tries[0]
    assert verified(headers, body)
    assert not verified(headers, body + b" ")
    assert not verified(headers, body, secret=SECRET + "x")
    [document] = receiver.documents
    assert (document["event"], document["alarm"]["kind"], document["id"]) == (
        "alarm.opened",
        "host_key_changed",
        headers["Idempotency-Key"],
    )
    assert document["words"]["fr"]["act"] != document["words"]["en"]["act"]
    rssi = Desk(house, tmp_path, "rssi")
    [listed] = rssi.json("alarms", "list", "--severity", "critical")
    assert (listed["count"], listed["device"], listed["person"]) == (3, "scan01", "alice")
    digits = listed["id"][:8]
    assert "scan01" in rssi.run("alarms", "list").output
    assert rssi.run("alarms", "acknowledge", digits, "--note", "J’appelle").exit_code == 0
    shown = rssi.run("alarms", "show", digits).output
    assert "What" not in shown
    assert "reinstalled" in shown
    assert "rssi" in shown
    closed = rssi.json("alarms", "close", digits, "--note", "Réinstallé")
    assert (closed["state"], closed["closed"]["note"]) == ("closed", "Réinstallé")
    refused = rssi.run("alarms", "close", digits, "--note", "encore")
    assert (refused.exit_code, "closed already" in refused.output) == (1, True)
    assert "There is nothing to do." in refused.output
    assert rssi.json("alarms", "list") == []
    look(house)
    told = [item["name"] for item in rssi.json("audit", "list", "--name", "alarm")]
    assert told == ["alarm.opened", "alarm.acknowledged", "alarm.closed"]
    until(lambda: len(receiver.tries) == 3, "the webhook was not told of the answers")
    assert {one["event"] for one in receiver.documents[1:]} == {"alarm.acknowledged", "alarm.closed"}


def test_an_exercise_takes_the_whole_way(house: House, receiver: Receiver, tmp_path: Path) -> None:
    """``alarms test`` writes into the journal, and comes out at the list and the webhook."""
    rssi = Desk(house, tmp_path, "rssi")
    before = len(receiver.tries)
    assert rssi.json("alarms", "test")["asked_by"] == "rssi"
    look(house)
    until(lambda: len(receiver.tries) > before, "the exercise did not arrive")
    [alarm] = rssi.json("alarms", "list")
    assert alarm["kind"] == "test"
    rssi.json("alarms", "close", alarm["id"], "--note", "Exercice")


@pytest.mark.parametrize("status", [302, 500])
def test_a_receiver_that_does_not_take_it_is_asked_again_with_the_same_identifier(
    house: House, receiver: Receiver, tmp_path: Path, status: int
) -> None:
    """A refusal and a redirection are failures: nothing is sent elsewhere, and the same message comes again."""
    rssi = Desk(house, tmp_path, "rssi")
    receiver.status = status
    rssi.run("alarms", "test")
    look(house)
    [alarm] = rssi.json("alarms", "list")

    def tries() -> list[tuple[Mapping[str, str], bytes]]:
        opened = f'"event":"alarm.opened","id":"{call["id"]}"'.encode()
        return [one for one in receiver.tries if opened in one[1]]

    def fault() -> str:
        return str(rssi.json("alarms", "show", alarm["id"])["calls"][0]["fault"])

    [call] = rssi.json("alarms", "show", alarm["id"])["calls"]
    until(lambda: fault() == f"HTTP {status}", "the refusal was not noted")
    receiver.status = 204
    house.clock.advance(timedelta(seconds=11))
    until(lambda: len(tries()) == 2, "it was not tried again")
    assert len({(headers["Idempotency-Key"], body) for headers, body in tries()}) == 1
    rssi.json("alarms", "close", alarm["id"], "--note", "Exercice")


def test_consoles_that_read_together_count_every_entry_once(house: House) -> None:
    """Three watches over three writers, each stopped and begun anew all the time: the count is the number of events."""

    async def work() -> None:
        database = house.journal._database
        writers = [Journal(database, node=f"gw-{number}", now=house.clock.now) for number in range(3)]

        async def write(journal: Journal) -> None:
            for _ in range(30):
                event = SecurityEvent(
                    name="alarm.policy_unreadable",
                    hospital_id=house.world.id,
                    at=house.clock.now(),
                    details={"node": "gw-all"},
                )
                await journal.append(event)

        async def read() -> None:
            for _ in range(15):
                try:
                    await watch(house).step()
                except Conflict:
                    await asyncio.sleep(0)

        await asyncio.gather(*(write(one) for one in writers), *(read() for _ in range(3)))

    house.run(work())
    look(house)
    with house.client("rssi", language="fr") as client:
        [alarm] = client.get("/v1/alarms").json()["items"]
        assert (alarm["count"], alarm["facts"]["node"]) == (90, "gw-all")
        assert "gw-all ne peut pas lire" in alarm["sentence"]
        client.post(f"/v1/alarms/{alarm['id']}/close", json={"note": "essai"})


class Faulty(JournalFeed):
    """A feed whose database refuses as long as it is told to."""

    refuses = True

    @override
    async def look(self, known: Mapping[str, Position], limit: int = MAX_LOOK) -> Look:
        if self.refuses:
            raise OperationalError("SELECT", {}, OSError("the disk is gone"))
        return await super().look(known, limit)


def test_a_journal_that_cannot_be_read_is_an_alarm_of_its_own(house: House) -> None:
    """It is raised once, without the journal's help, and over when the journal is read again."""
    feed = Faulty(house.journal._database, house.world.id, house.proofs.keys)
    services, here = house.world.services, house.world.id
    console = AlarmWatch(
        services,
        feed,
        here,
        Thresholds(),
        house.clock,
        belief=Belief(house.context.auditors, RegisteredKeys(house.directory / "probes")),
        interval=0.01,
    )

    async def unreadable() -> Alarm | None:
        found = await services.alarms.list(house.world.who("dsi"), here)
        return next((one for one in found if one.kind == "journal_unreadable"), None)

    async def over() -> Alarm | None:
        alarm = await unreadable()
        return alarm if alarm is not None and alarm.over_at is not None else None

    async def work() -> None:
        running = asyncio.create_task(console.run())
        try:
            async with asyncio.timeout(60):
                await answered(unreadable)
                feed.refuses = False
                alarm = await answered(over)
            assert alarm.count == 1
            await services.alarms.close(house.world.who("dsi"), here, alarm.id, "essai")
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    house.run(work())


@pytest.mark.parametrize("language", list(Language))
def test_technicians_and_planners_see_no_alarm(house: House, language: Language) -> None:
    """Who watches whom is nobody's business but the security staff's."""
    with house.client("alice", language=language.value) as client:
        assert client.get("/v1/alarms").status_code == 403
