"""Lost paths over HTTP, and the mails that tell of them, through a real mail server."""

import re
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import httpx
import pyotp
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from policy.domain.mails import MailState
from policy.domain.people import Role
from policy.errors import AuthenticationFailed
from policy.services.people import Invited
from policy.vault.secret import Secret
from recorder.audit.journal import JournalFilters
from tests.support.api_house import House, open_house
from tests.support.mail_server import MailServer, mail_server
from tests.support.pki import Authority, curve_key
from tests.support.policy_world import host_key_line
from tests.support.waiting import until

pytestmark = pytest.mark.integration

PASSWORD = "trois loutres et un violon"
OTHER = "quatre hérons sur le basson"
REFERENT = "renee.vert@hopital.example"


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    """The hospital's mail server."""
    with mail_server(tmp_path_factory.mktemp("mail")) as server:
        yield server


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, post: MailServer) -> Iterator[House]:
    """The fixture hospital, which mails."""
    with open_house(tmp_path_factory.mktemp("house"), engagements=True, mail=post.settings) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _calm(house: House, post: MailServer) -> None:
    """Let the minute of the test before pass, and the server take mails."""
    house.clock.advance(timedelta(minutes=2))
    post.refusal = None


_HIRED: list[int] = []


def hired(house: House) -> tuple[str, str, Invited]:
    """Invite somebody new; return her login, her address and the invitation."""
    _HIRED.append(1)
    login = f"perdue{len(_HIRED)}"
    email = f"{login}.x@imagix.example"
    world = house.world
    people, dsi = world.services.people, world.who("dsi")
    person = house.run(
        people.create(
            dsi,
            world.id,
            login=login,
            full_name=f"Camille {login}",
            email=email,
            roles=frozenset({Role.TECHNICIAN}),
            supplier_id=world.supplier.id,
        )
    )
    world.people[login] = person
    return login, email, house.run(people.invite(dsi, world.id, person.id))


def settled(house: House) -> tuple[str, str, str, list[str]]:
    """Hire and enrol somebody, with recovery codes; return her login, address, TOTP secret and codes."""
    login, email, invited = hired(house)
    visits, clock = house.world.services.visits, house.clock
    shown = house.run(visits.open(invited.token, "127.0.0.1"))
    house.run(visits.choose_password(shown, Secret(PASSWORD)))
    situation = house.run(visits.look(shown))
    assert situation.enrolment is not None
    secret = situation.enrolment.secret.reveal()
    shown = house.run(visits.confirm(shown, pyotp.TOTP(secret).at(clock.now())))
    codes = [code.reveal() for code in house.run(visits.make_codes(shown))]
    clock.advance(timedelta(seconds=60))
    return login, email, secret, codes


def form(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """Open the page at *path* and send its form."""
    page = client.get(path)
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', page.text)
    assert found, page.text
    return client.post(path, data={"form_token": found[1], **fields})


def mail_to(post: MailServer, address: str, subject: str) -> EmailMessage:
    """Wait until a mail of that *subject* to *address* has arrived, and return it."""

    def found() -> list[EmailMessage]:
        return [one for one in post.to(address) if one["Subject"] == subject]

    until(lambda: bool(found()), f"a mail to {address}: {subject}")
    return found()[-1]


def test_a_lost_telephone_is_replaced_with_password_and_recovery_code(house: House, post: MailServer) -> None:
    """She links another telephone alone; the old one is dead at once, and she and the referent are told."""
    login, email, old, codes = settled(house)
    with house.client(language="fr") as client:
        done = form(
            client, "/account/lost-phone", login=login, password=PASSWORD, recovery_code=codes[0].lower()
        )
        assert done.headers["location"] == "/enrol"
        world = house.world
        attempt = house.run(world.services.login.begin(login, "127.0.0.9", hospital_id=world.id))
        code = pyotp.TOTP(old).at(house.clock.now())
        with pytest.raises(AuthenticationFailed):
            house.run(attempt.check_password_and_code(Secret(PASSWORD), code))
        page = client.get("/enrol/code").text
        found = re.search(r'class="secret">([A-Z2-7 ]+)<', page)
        assert found
        new = found[1].replace(" ", "")
        assert new != old
        proved = form(client, "/enrol/code", code=pyotp.TOTP(new).at(house.clock.now()))
        assert proved.headers["location"] == "/enrol/key"
    mail_to(post, email, "Un code de secours a servi – CH de Test")
    mail_to(post, REFERENT, f"{login} s’est servi d’un code de secours")
    told = mail_to(post, email, "Votre téléphone a changé – CH de Test").get_content()
    assert "Ce n’est pas vous\N{NO-BREAK SPACE}?" in told
    assert "It was not you?" in told
    mail_to(post, REFERENT, f"{login} a relié un autre téléphone par un code de secours")


def test_a_forgotten_password_is_replaced_with_telephone_and_recovery_code(
    house: House, post: MailServer
) -> None:
    """She chooses another password alone; the one before serves no more, her tokens end, and both are told."""
    login, email, secret, codes = settled(house)
    world = house.world
    person = world.people[login]
    token = house.run(world.services.tokens.issue(person, person.roles, timedelta(days=1), "test"))
    with house.client(language="fr") as client:
        code = pyotp.TOTP(secret).at(house.clock.now())
        done = form(client, "/account/lost-password", login=login, code=code, recovery_code=codes[1])
        assert done.headers["location"] == "/enrol"
        assert client.get("/enrol").headers["location"] == "/enrol/password"
        assert client.get("/enrol/key").headers["location"] == "/enrol/password"
        weak = form(client, "/enrol/password", password=login * 3, again=login * 3)
        assert weak.status_code == 422
        chosen = form(client, "/enrol/password", password=OTHER, again=OTHER)
        assert chosen.status_code == 303
        with house.client() as caller:
            assert (
                caller.get("/v1/me", headers={"Authorization": f"Bearer {token.reveal()}"}).status_code == 401
            )
        house.clock.advance(timedelta(seconds=60))
        fresh = pyotp.TOTP(secret).at(house.clock.now())
        wrong = form(client, "/account/sign-in", login=login, password=PASSWORD, code=fresh)
        assert wrong.status_code == 401
        right = form(client, "/account/sign-in", login=login, password=OTHER, code=fresh)
        assert right.headers["location"] == "/enrol"
    mail_to(post, email, "Votre mot de passe a changé – CH de Test")


def test_one_thing_alone_opens_no_lost_path(house: House) -> None:
    """Password alone, telephone alone, a recovery code alone or used: all are told alike, and counted."""
    login, _, secret, codes = settled(house)
    with house.client(language="fr") as client:
        way = "/account/lost-phone"
        assert form(client, way, login=login, password=PASSWORD, recovery_code=codes[0]).status_code == 303
        client.cookies.clear()
        answers = [
            form(client, way, login=login, password=PASSWORD, recovery_code=codes[0]),
            form(client, way, login=login, password="un autre violon gris", recovery_code=codes[1]),
        ]
        nobody = form(client, way, login="personne", password=PASSWORD, recovery_code=codes[1])
        bare = [re.sub(r'[0-9a-f]{64}|value="[a-z0-9]*"', "", one.text) for one in (*answers, nobody)]
        assert [one.status_code for one in answers] == [401, 401]
        assert len(set(bare)) == 1
        code = pyotp.TOTP(secret).at(house.clock.now())
        used = form(client, "/account/lost-password", login=login, code=code, recovery_code=codes[0])
        assert used.status_code == 401
        locked = form(client, way, login=login, password=PASSWORD, recovery_code=codes[2])
        assert locked.status_code == 429
        assert "trop d’échecs" in locked.text
    _, changes = house.run(house.world.services.access.changes_since(0))
    told = {change.name for change in changes if change.subject == house.world.people[login].id}
    assert {"person.recovered", "person.recovery_failed"} <= told


def test_whoever_reads_her_mail_alone_does_not_get_in(house: House, post: MailServer) -> None:
    """A renewed person's link goes by mail and asks for a code told by voice; five guesses and it is void."""
    login, email, _, _ = settled(house)
    with house.client("dsi", "fr") as dsi:
        made = dsi.post(
            f"/v1/people/{house.world.people[login].id}/renewal", json={"reason": "téléphone perdu"}
        ).json()
    assert made["mail"] == "sent"
    assert re.fullmatch(r"[0-9]{8}", made["spoken_code"])
    mail = mail_to(post, email, "Renouveler votre accès à distance – CH de Test").get_content()
    found = re.search(r"https://\S+/i/\S+", mail)
    assert found
    assert found[0] == made["link"]
    assert made["spoken_code"] not in mail
    path = found[0].removeprefix(house.url)
    fields = {"password": OTHER, "again": OTHER}
    with house.client(language="fr") as thief:
        assert thief.get(path).status_code == 200
        assert "vive voix" in thief.get("/enrol/password").text
        assert form(thief, "/enrol/password", **fields).status_code == 422
        for number in range(3):
            guess = f"{(int(made['spoken_code']) + 1 + number) % 10**8:08}"
            assert form(thief, "/enrol/password", spoken_code=guess, **fields).status_code == 422
        last = form(thief, "/enrol/password", spoken_code="00000000x", **fields)
        assert last.status_code == 401
        assert thief.get(path).status_code == 404
    with house.client(language="fr") as hers:
        assert hers.get(path).status_code == 404
    mail_to(post, email, "Votre accès est à renouveler – CH de Test")
    mail_to(post, REFERENT, f"L’accès de {login} est renouvelé")
    mail_to(post, email, "Votre invitation est annulée – CH de Test")
    mail_to(post, REFERENT, f"L’invitation de {login} a été bloquée")


def test_the_right_voice_opens_a_renewal(house: House) -> None:
    """With the code told by voice, in groups if she likes, the renewed person goes on."""
    login, _, _, _ = settled(house)
    with house.client("dsi", "fr") as dsi:
        made = dsi.post(
            f"/v1/people/{house.world.people[login].id}/renewal", json={"reason": "téléphone perdu"}
        ).json()
    code = made["spoken_code"]
    with house.client(language="fr") as hers:
        hers.get(made["link"].removeprefix(house.url))
        done = form(
            hers, "/enrol/password", password=OTHER, again=OTHER, spoken_code=f"{code[:4]} {code[4:]}"
        )
        assert done.headers["location"].startswith("/enrol/code")


def test_a_mail_that_is_refused_waits_and_the_planner_is_told(house: House, post: MailServer) -> None:
    """The invitation is there to be copied, the server's word is told, and the mail leaves when it is taken."""
    login, email, _ = hired(house)
    mail_to(post, email, "Votre accès à distance – CH de Test")
    person_id = house.world.people[login].id
    post.refusal = "451 revenez plus tard"
    with house.client("dsi", "fr") as dsi:
        made = dsi.post(f"/v1/people/{person_id}/invitation").json()
        assert made["mail"] == "waiting"
        assert "451" in made["fault"]
        assert made["token"] in made["link"]
        assert made["token"] not in made["fault"]
        post.refusal = None
        house.clock.advance(timedelta(minutes=1))
        until(lambda: len(post.to(email)) == 2, "the second invitation")
        assert made["link"] in post.to(email)[-1].get_content()
        until(
            lambda: dsi.get(f"/v1/people/{person_id}/mails").json()["items"][0]["state"] == MailState.SENT,
            "the mail is noted as sent",
        )
        listed = dsi.get(f"/v1/people/{person_id}/mails")
        assert made["token"] not in listed.text


def test_an_added_key_is_told(house: House, post: MailServer) -> None:
    """A key that somebody adds in a visit is told to the person it is added for."""
    login, email, secret, _ = settled(house)
    with house.client(language="fr") as client:
        code = pyotp.TOTP(secret).at(house.clock.now())
        assert form(client, "/account/sign-in", login=login, password=PASSWORD, code=code).status_code == 303
        page = client.get("/enrol/key")
        found = re.search(r'name="form_token" value="([0-9a-f]{64})"', page.text)
        assert found
        files = {"file": ("id.pub", host_key_line().encode(), "text/plain")}
        added = client.post("/enrol/key", data={"form_token": found[1], "public_key": ""}, files=files)
        assert "SHA256:" in added.text
        private = {"file": ("id", b"-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", "text/plain")}
        refused = client.post("/enrol/key", data={"form_token": found[1]}, files=private)
        assert refused.status_code == 422
        assert client.post(
            "/enrol/key", data={"form_token": found[1]}, files={"file": b"\xff\xfe"}
        ).status_code
    mail_to(post, email, "Une clé a été ajoutée – CH de Test")


def test_a_server_with_another_certificate_gets_no_mail(tmp_path: Path, post: MailServer) -> None:
    """A mail server that the CA did not certify is told nothing: the invitation waits, and can be copied."""
    with mail_server(tmp_path / "other") as impostor:
        settings = post.settings
        wrong = type(settings)(
            host=settings.host,
            port=impostor.settings.port,
            transport=settings.transport,
            sender=settings.sender,
            user=settings.user,
            password=settings.password,
            authority=settings.authority,
        )
        with open_house(tmp_path, mail=wrong) as house, house.client("dsi") as dsi:
            made = dsi.post(f"/v1/people/{house.world.who('bob')}/invitation").json()
        assert made["mail"] == "waiting"
        assert "certificate" in made["fault"].lower()
        assert impostor.arrived == []


def test_a_tokens_certificate_is_handed_over_on_the_page(house: House, post: MailServer) -> None:
    """As DER with its chain pasted beside it: enrolled, in the journal, told by mail; another's is refused."""
    login, email, secret, _ = settled(house)
    world, now = house.world, house.clock.now()
    root = Authority("IGC Imagix racine", now)
    add = world.services.anchors.add
    house.run(add(world.who("dsi"), world.id, name="IGC Imagix", certificate=root.pem))
    issuer = root.under("IGC Imagix personnes", now)
    hers = issuer.certify(curve_key().public_key(), now, email=email)
    other = issuer.certify(curve_key().public_key(), now, email="bob@imagix.example")
    chain = "".join(one.public_bytes(Encoding.PEM).decode() for one in hers.intermediates)
    with house.client(language="fr") as client:
        code = pyotp.TOTP(secret).at(house.clock.now())
        assert form(client, "/account/sign-in", login=login, password=PASSWORD, code=code).status_code == 303
        found = re.search(r'name="form_token" value="([0-9a-f]{64})"', client.get("/enrol/key").text)
        assert found
        fields = {"form_token": found[1], "public_key": chain}
        refused = client.post("/enrol/key", data={**fields, "public_key": other.pem})
        assert refused.status_code == 422
        assert "ne dit pas qu’il est le vôtre" in refused.text
        der = {
            "file": ("token.cer", hers.certificate.public_bytes(Encoding.DER), "application/x-x509-ca-cert")
        }
        added = client.post("/enrol/key", data=fields, files=der)
        assert added.status_code == 200, added.text
        assert "Certificat enregistré" in added.text
        assert "certificat valable jusqu" in added.text
    house.ingest_all()
    filters = JournalFilters(hospital_id=world.id, name="person.token_added")
    [told] = house.run(house.journal.entries(filters)).entries
    assert login in f"{told.event}" or world.people[login].id in f"{told.event}"
    mail_to(post, email, "Une clé a été ajoutée – CH de Test")
    mail_to(post, REFERENT, f"{login} a ajouté une clé")
