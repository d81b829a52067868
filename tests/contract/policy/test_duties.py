"""Every use case refuses whoever has not the role for it."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import fields
from datetime import timedelta
from typing import Any, Final

import pytest

from policy.domain.access import RevocationScope
from policy.domain.devices import AccountMethod
from policy.domain.engagements import EngagementKind
from policy.domain.factors import DEFAULT_TABLE
from policy.domain.holds import Recorded
from policy.domain.ids import PersonId
from policy.domain.interventions import InterventionKind
from policy.domain.people import Language, Role
from policy.domain.reports import Goal
from policy.domain.tasks import TaskKind
from policy.domain.windows import Channel
from policy.errors import Forbidden, PolicyError
from policy.services import Services
from policy.vault.secret import Secret
from tests.support.pki import Authority
from tests.support.policy_world import HALF_AN_HOUR, World, host_key_line

MANAGE, PLAN, STOP, RESUME = "administrator", "planner", "planner security", "security"
READ = STOP
ASK = "technician alone"
HOLD = "security alone"
Call = Callable[[World, PersonId], Awaitable[object]]
_TOKENS: Final[dict[str, str]] = {}


def _a_token(world: World) -> str:
    return _TOKENS[world.id]


_EMPTY_KRL: Final = b"SSHKRL\n\0" + (1).to_bytes(4, "big") + bytes(32)


def _anchor(world: World) -> str:
    return Authority("IGC", world.clock.now()).pem


def _recorded(world: World) -> Recorded:
    now = world.clock.now()
    return Recorded(
        session_id="0" * 32,
        person_id=world.who("alice"),
        device_id="0" * 32,
        intervention_id="0" * 32,
        opened_at=now,
        closed_at=now,
    )


async def _nobody(*_: object) -> bool:
    """Tell that nobody is concerned by a hold."""
    return False


def calls() -> dict[str, tuple[str, Call]]:
    """Return every use case that somebody asks for: who may, besides the administrator, and how it is called."""
    key, none = host_key_line(), "0" * 32

    def ask(service: str, method: str, /, *arguments: Any, **named: Any) -> Call:
        def call(world: World, actor: PersonId) -> Awaitable[object]:
            real = [argument(world) if callable(argument) else argument for argument in arguments]
            kept = {name: value(world) if callable(value) else value for name, value in named.items()}
            found = getattr(getattr(world.services, service), method)(actor, world.id, *real, **kept)
            assert inspect.isawaitable(found)
            return found

        return call

    why = {"reason": "essai"}
    alice = lambda world: world.who("alice")  # noqa: E731 - the table below reads better whole
    device, zone, account = (
        lambda world: world.device.id,
        lambda world: world.zone.id,
        lambda world: world.account.id,
    )
    supplier, window = lambda world: world.supplier.id, lambda world: world.window.id
    intervention = lambda world: world.window.intervention_id  # noqa: E731 - same
    later = lambda world: world.clock.now() + timedelta(hours=3)  # noqa: E731 - same
    table: list[tuple[str, str, Call]] = [
        ("hospitals.update", MANAGE, ask("hospitals", "update", name="Autre")),
        (
            "hospitals.allow_continuations",
            MANAGE,
            ask("hospitals", "allow_continuations", seconds=60, connections=4),
        ),
        ("suppliers.create", MANAGE, ask("suppliers", "create", name="Autre", sites=())),
        ("suppliers.update", MANAGE, ask("suppliers", "update", supplier, name="Autre")),
        ("suppliers.suspend", STOP, ask("suppliers", "suspend", supplier, **why)),
        ("suppliers.resume", RESUME, ask("suppliers", "resume", supplier, **why)),
        ("suppliers.get", READ, ask("suppliers", "get", supplier)),
        ("suppliers.list", READ, ask("suppliers", "list")),
        (
            "people.create",
            MANAGE,
            ask(
                "people",
                "create",
                login="carole",
                full_name="Carole",
                email="carole@hopital.example",
                roles=frozenset({Role.PLANNER}),
            ),
        ),
        ("people.invite", MANAGE, ask("people", "invite", lambda world: world.who("bob"))),
        ("people.renew", MANAGE, ask("people", "renew", alice, **why)),
        ("people.suspend", STOP, ask("people", "suspend", alice, **why)),
        ("people.resume", RESUME, ask("people", "resume", alice, **why)),
        ("people.unlock", RESUME, ask("people", "unlock", alice)),
        ("people.add_key", MANAGE, ask("people", "add_key", alice, key)),
        ("people.remove_key", MANAGE, ask("people", "remove_key", alice, "SHA256:none")),
        ("people.keys", READ, ask("people", "keys", alice)),
        ("people.enrolled", READ, ask("people", "enrolled", alice)),
        ("people.get", READ, ask("people", "get", alice)),
        ("people.list", READ, ask("people", "list")),
        ("devices.create_zone", MANAGE, ask("devices", "create_zone", name="autre")),
        ("devices.get_zone", READ, ask("devices", "get_zone", zone)),
        ("devices.zones", READ, ask("devices", "zones")),
        ("devices.create", MANAGE, ask("devices", "create", name="x", zone_id=zone, address="192.0.2.1")),
        ("devices.update", MANAGE, ask("devices", "update", device, port=2222)),
        ("devices.suspend", STOP, ask("devices", "suspend", device, **why)),
        ("devices.resume", RESUME, ask("devices", "resume", device, **why)),
        ("devices.pin_host_key", PLAN, ask("devices", "pin_host_key", device, key)),
        ("devices.unpin_host_key", PLAN, ask("devices", "unpin_host_key", device, "SHA256:none")),
        ("devices.get", READ, ask("devices", "get", device)),
        ("devices.list", READ, ask("devices", "list")),
        (
            "devices.add_account",
            MANAGE,
            ask(
                "devices",
                "add_account",
                device,
                name="param",
                method=AccountMethod.PASSWORD,
                secret=Secret("one of its own"),
            ),
        ),
        ("devices.replace_secret", MANAGE, ask("devices", "replace_secret", account, Secret("another one"))),
        ("factors.table", READ, ask("factors", "table")),
        (
            "anchors.add",
            MANAGE,
            ask("anchors", "add", name="IGC", certificate=_anchor),
        ),
        ("anchors.change", MANAGE, ask("anchors", "change", none, crl_urls=())),
        ("anchors.remove", MANAGE, ask("anchors", "remove", none, **why)),
        ("anchors.list", READ, ask("anchors", "list")),
        ("anchors.lists", READ, ask("anchors", "lists", none)),
        ("anchors.take_list", RESUME, ask("anchors", "take_list", none, b"")),
        ("token_certificates.enrol", MANAGE, ask("token_certificates", "enrol", alice, "")),
        ("token_certificates.list", READ, ask("token_certificates", "list", alice)),
        (
            "login_authorities.add",
            MANAGE,
            ask("login_authorities", "add", name="CA", public_key=host_key_line()),
        ),
        ("login_authorities.take_krl", RESUME, ask("login_authorities", "take_krl", none, _EMPTY_KRL)),
        ("login_authorities.remove", MANAGE, ask("login_authorities", "remove", none, **why)),
        ("login_authorities.list", READ, ask("login_authorities", "list")),
        ("people.bind_to_one_post", MANAGE, ask("people", "bind_to_one_post", alice, one_post=True)),
        ("factors.change", MANAGE, ask("factors", "change", DEFAULT_TABLE.rows)),
        ("authorities.make", MANAGE, ask("authorities", "make")),
        ("authorities.switch", MANAGE, ask("authorities", "switch", none)),
        ("authorities.list", READ, ask("authorities", "list")),
        ("derogations.accept", RESUME, ask("derogations", "accept", device, until=later, **why)),
        ("derogations.withdraw", RESUME, ask("derogations", "withdraw", none, **why)),
        ("derogations.list", READ, ask("derogations", "list")),
        ("devices.suspend_account", STOP, ask("devices", "suspend_account", account, **why)),
        ("devices.resume_account", RESUME, ask("devices", "resume_account", account, **why)),
        ("devices.accounts", READ, ask("devices", "accounts", device)),
        (
            "interventions.create",
            PLAN,
            ask(
                "interventions",
                "create",
                supplier_id=supplier,
                kind=InterventionKind.REMOTE_MAINTENANCE,
                purpose="essai",
            ),
        ),
        ("interventions.hold", PLAN, ask("interventions", "hold", intervention, **why)),
        ("interventions.resume", PLAN, ask("interventions", "resume", intervention, **why)),
        ("interventions.close", PLAN, ask("interventions", "close", intervention, **why)),
        ("interventions.cancel", PLAN, ask("interventions", "cancel", intervention, **why)),
        ("interventions.get", READ, ask("interventions", "get", intervention)),
        ("interventions.list", READ, ask("interventions", "list")),
        (
            "windows.plan",
            PLAN,
            ask(
                "windows",
                "plan",
                purpose="essai",
                people=lambda world: [world.who("alice")],
                devices=lambda world: [world.device.id],
                channels=[Channel.SHELL],
                intervention_id=intervention,
                start=later,
                end=lambda world: world.clock.now() + timedelta(hours=4),
            ),
        ),
        ("windows.approve", PLAN, ask("windows", "approve", window, version=2)),
        (
            "windows.move",
            PLAN,
            ask(
                "windows",
                "move",
                window,
                version=2,
                start=later,
                end=lambda world: world.clock.now() + timedelta(hours=4),
            ),
        ),
        ("windows.cancel", STOP, ask("windows", "cancel", window, **why)),
        ("windows.shorten", STOP, ask("windows", "shorten", window, end=lambda world: world.clock.now())),
        ("windows.extend", PLAN, ask("windows", "extend", window, end=later)),
        ("windows.request_extension", PLAN, ask("windows", "request_extension", window, end=later)),
        ("windows.decide_extension", PLAN, ask("windows", "decide_extension", none, approve=True)),
        ("windows.refuse", PLAN, ask("windows", "refuse", window, version=2, **why)),
        (
            "requests.ask",
            ASK,
            ask(
                "requests",
                "ask",
                device_name="scan01",
                kind=InterventionKind.REMOTE_MAINTENANCE,
                purpose="essai",
                start=later,
                end=lambda world: world.clock.now() + timedelta(hours=4),
                channels=[Channel.SHELL],
            ),
        ),
        ("reports.own", ASK, ask("reports", "own")),
        (
            "reports.file",
            ASK,
            ask("reports", "file", goal=Goal.REACHED, what="Fait", device_name="scan01"),
        ),
        ("reports.list", READ, ask("reports", "list")),
        ("reports.acknowledge", PLAN, ask("reports", "acknowledge", none)),
        ("own_factors.held", ASK, ask("own_factors", "held")),
        ("requests.withdraw", ASK, ask("requests", "withdraw", digits="0000")),
        ("requests.extend", ASK, ask("requests", "extend", length=HALF_AN_HOUR, **why)),
        (
            "requests.windows",
            ASK,
            ask("requests", "windows", since=lambda world: world.clock.now(), until=later),
        ),
        ("windows.extensions", READ, ask("windows", "extensions")),
        ("windows.get", READ, ask("windows", "get", window)),
        ("windows.list", READ, ask("windows", "list")),
        ("revocations.cut", STOP, ask("revocations", "cut", RevocationScope.ALL, "", "essai")),
        ("revocations.cut_everything", STOP, ask("revocations", "cut_everything", "essai")),
        ("revocations.reopen", RESUME, ask("revocations", "reopen", "essai")),
        ("exercises.run", STOP, ask("exercises", "run", "essai", within=0.0)),
        ("exercises.list", READ, ask("exercises", "list")),
        ("revocations.list", READ, ask("revocations", "list", lambda world: world.clock.now())),
        ("device_tasks.request", PLAN, ask("device_tasks", "request", TaskKind.FETCH_HOST_KEYS, device)),
        ("device_tasks.get", READ, ask("device_tasks", "get", none)),
        ("device_tasks.list", READ, ask("device_tasks", "list")),
        ("engagements.texts", READ, ask("engagements", "texts")),
        (
            "engagements.publish",
            MANAGE,
            ask(
                "engagements",
                "publish",
                EngagementKind.CHARTER,
                titles=dict.fromkeys(Language, "Charte"),
                paragraphs=dict.fromkeys(Language, ("Une règle.",)),
            ),
        ),
        ("engagements.accepted", READ, ask("engagements", "accepted", alice)),
        ("mails.of_person", READ, ask("mails", "of_person", alice)),
        ("holds.place", HOLD, ask("holds", "place", case="A-1", session_id=none, **why)),
        ("holds.lift", HOLD, ask("holds", "lift", none, concerned=lambda _: _nobody, **why)),
        ("holds.list", RESUME, ask("holds", "list")),
        ("erasures.ask", HOLD, ask("erasures", "ask", _recorded, **why)),
        (
            "erasures.decide",
            RESUME,
            ask("erasures", "decide", none, _recorded, approve=False, answer="essai"),
        ),
        ("erasures.get", RESUME, ask("erasures", "get", none)),
        ("erasures.list", RESUME, ask("erasures", "list")),
        ("retention.ask", RESUME, ask("retention", "ask", recordings_days=200)),
        ("retention.approve", RESUME, ask("retention", "approve", none)),
        ("retention.refuse", RESUME, ask("retention", "refuse", none, **why)),
        ("retention.history", READ, ask("retention", "history")),
        ("retention.waiting", RESUME, ask("retention", "waiting")),
        ("alarms.list", RESUME, ask("alarms", "list")),
        ("alarms.waiting", RESUME, ask("alarms", "waiting")),
        ("alarms.get", RESUME, ask("alarms", "get", none)),
        ("alarms.calls", RESUME, ask("alarms", "calls", none)),
        ("alarms.acknowledge", RESUME, ask("alarms", "acknowledge", none)),
        ("alarms.close", RESUME, ask("alarms", "close", none, note="essai")),
        ("tokens.list", READ, ask("tokens", "list")),
        ("tokens.revoke_token", STOP, ask("tokens", "revoke_token", _a_token)),
    ]
    return {name: (who, call) for name, who, call in table}


CALLS: Final = calls()


def test_no_use_case_is_left_out() -> None:
    """Each method that takes an actor is in the table above, so that a new one cannot forget to ask who calls."""
    found = {
        f"{field.name}.{name}"
        for field in fields(Services)
        if inspect.isclass(field.type)
        for name, method in inspect.getmembers(field.type, inspect.iscoroutinefunction)
        if not name.startswith("_") and "actor" in inspect.signature(method).parameters
    }
    assert found == set(CALLS)


async def outcome(world: World, name: str, actor: PersonId) -> str:
    """Return whether *actor* was refused for who she is, or got past that."""
    try:
        await CALLS[name][1](world, actor)
    except Forbidden as refusal:
        return "refused" if str(refusal).startswith("only these roles") else "heard"
    except PolicyError:
        return "heard"  # something else was wrong with the call, and she was told so
    return "heard"


@pytest.mark.parametrize("name", CALLS)
async def test_only_its_roles_may(world: World, name: str) -> None:
    """Each use case hears the roles it belongs to, and refuses a technician, a stranger and the suspended."""
    services, dsi = world.services, world.who("dsi")
    for login, role in (("carole", Role.PLANNER), ("gone", Role.ADMINISTRATOR)):
        person = await services.people.create(
            dsi,
            world.id,
            login=login,
            full_name=login,
            email=f"{login}@elsewhere.example",
            roles=frozenset({role}),
        )
        world.people[login] = person
    await services.tokens.issue(world.people["dsi"], frozenset({Role.PLANNER}), HALF_AN_HOUR, "essai")
    _TOKENS[world.id] = (await services.tokens.list(dsi, world.id))[0].id
    await services.people.suspend(dsi, world.id, world.who("gone"), reason="départ")
    who = CALLS[name][0].split()
    for stranger in (world.who("gone"), PersonId("0" * 32)):
        assert await outcome(world, name, stranger) == "refused"
    assert await outcome(world, name, world.who("bob")) == ("heard" if "technician" in who else "refused")
    assert await outcome(world, name, world.who("rssi")) == ("heard" if "security" in who else "refused")
    assert await outcome(world, name, world.who("carole")) == ("heard" if "planner" in who else "refused")
    assert await outcome(world, name, world.who("denis")) == ("refused" if "alone" in who else "heard")
