"""Every route, tried by nobody and by each role: deny by default."""

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from admin_api.app import routes
from policy.domain.people import Role
from tests.support.api_house import House

NOBODY = {
    ("POST", "/v1/login"),
    ("POST", "/v1/enrolment/password"),
    ("POST", "/v1/enrolment/engagements"),
    ("POST", "/v1/enrolment/accept"),
    ("POST", "/v1/enrolment/confirm"),
}
_PLANNERS = {"planner", "administrator"}
_STAFF = {"planner", "security", "administrator"}
_EVERYBODY = {"technician", "planner", "security", "administrator"}
MATRIX: dict[tuple[str, str], set[str]] = {
    ("POST", "/v1/logout"): _EVERYBODY,
    ("GET", "/v1/me"): _EVERYBODY,
    ("GET", "/v1/tokens"): _EVERYBODY,
    ("POST", "/v1/tokens/{token_id}/revoke"): _EVERYBODY,
    ("GET", "/v1/hospitals"): _STAFF,
    ("GET", "/v1/hospitals/{hospital_id}"): _STAFF,
    ("PATCH", "/v1/hospitals/{hospital_id}"): {"administrator"},
    ("GET", "/v1/factors"): _STAFF,
    ("PUT", "/v1/factors"): {"administrator"},
    ("GET", "/v1/trust-anchors"): _STAFF,
    ("POST", "/v1/trust-anchors"): {"administrator"},
    ("PATCH", "/v1/trust-anchors/{anchor_id}"): {"administrator"},
    ("POST", "/v1/trust-anchors/{anchor_id}/remove"): {"administrator"},
    ("GET", "/v1/trust-anchors/{anchor_id}/lists"): _STAFF,
    ("POST", "/v1/trust-anchors/{anchor_id}/lists"): {"security", "administrator"},
    ("GET", "/v1/login-authorities"): _STAFF,
    ("POST", "/v1/login-authorities"): {"administrator"},
    ("POST", "/v1/login-authorities/{authority_id}/krl"): {"security", "administrator"},
    ("POST", "/v1/login-authorities/{authority_id}/remove"): {"administrator"},
    ("GET", "/v1/people/{person_id}/certificates"): _EVERYBODY,
    ("POST", "/v1/people/{person_id}/post"): {"administrator"},
    ("POST", "/v1/people/{person_id}/certificates"): {"administrator"},
    ("GET", "/v1/suppliers"): _STAFF,
    ("POST", "/v1/suppliers"): {"administrator"},
    ("GET", "/v1/suppliers/{supplier_id}"): _STAFF,
    ("PATCH", "/v1/suppliers/{supplier_id}"): {"administrator"},
    ("POST", "/v1/suppliers/{supplier_id}/suspend"): _STAFF,
    ("POST", "/v1/suppliers/{supplier_id}/resume"): {"security", "administrator"},
    ("GET", "/v1/people"): _STAFF,
    ("POST", "/v1/people"): {"administrator"},
    ("GET", "/v1/people/{person_id}"): _STAFF,
    ("POST", "/v1/people/{person_id}/invitation"): {"administrator"},
    ("POST", "/v1/people/{person_id}/renewal"): {"administrator"},
    ("POST", "/v1/people/{person_id}/suspend"): _STAFF,
    ("POST", "/v1/people/{person_id}/resume"): {"security", "administrator"},
    ("POST", "/v1/people/{person_id}/unlock"): {"security", "administrator"},
    ("GET", "/v1/people/{person_id}/keys"): _EVERYBODY,
    ("POST", "/v1/people/{person_id}/keys"): _EVERYBODY,
    ("POST", "/v1/people/{person_id}/keys/remove"): _EVERYBODY,
    ("GET", "/v1/people/{person_id}/engagements"): _EVERYBODY,
    ("GET", "/v1/people/{person_id}/mails"): _STAFF,
    ("GET", "/v1/engagements"): _STAFF,
    ("POST", "/v1/engagements/{kind}"): {"administrator"},
    ("GET", "/v1/zones"): _STAFF,
    ("POST", "/v1/zones"): {"administrator"},
    ("GET", "/v1/zones/{zone_id}"): _STAFF,
    ("GET", "/v1/devices"): _STAFF,
    ("POST", "/v1/devices"): {"administrator"},
    ("GET", "/v1/devices/{device_id}"): _STAFF,
    ("PATCH", "/v1/devices/{device_id}"): {"administrator"},
    ("POST", "/v1/devices/{device_id}/suspend"): _STAFF,
    ("POST", "/v1/devices/{device_id}/resume"): {"security", "administrator"},
    ("POST", "/v1/devices/{device_id}/host-keys"): _PLANNERS,
    ("POST", "/v1/devices/{device_id}/host-keys/unpin"): _PLANNERS,
    ("GET", "/v1/devices/{device_id}/accounts"): _STAFF,
    ("GET", "/v1/alarms"): {"security", "administrator"},
    ("POST", "/v1/alarms/test"): {"security", "administrator"},
    ("GET", "/v1/alarms/{alarm_id}"): {"security", "administrator"},
    ("POST", "/v1/alarms/{alarm_id}/acknowledge"): {"security", "administrator"},
    ("POST", "/v1/alarms/{alarm_id}/close"): {"security", "administrator"},
    ("POST", "/v1/devices/{device_id}/accounts"): {"administrator"},
    ("PUT", "/v1/devices/{device_id}/accounts/{account_id}/secret"): {"administrator"},
    ("PUT", "/v1/hospitals/{hospital_id}/continuation"): {"administrator"},
    ("GET", "/v1/derogations"): _STAFF,
    ("POST", "/v1/devices/{device_id}/derogations"): {"security", "administrator"},
    ("POST", "/v1/derogations/{derogation_id}/withdraw"): {"security", "administrator"},
    ("GET", "/v1/device-authorities"): _STAFF,
    ("POST", "/v1/device-authorities"): {"administrator"},
    ("POST", "/v1/device-authorities/{authority_id}/switch"): {"administrator"},
    ("POST", "/v1/devices/{device_id}/accounts/{account_id}/suspend"): _STAFF,
    ("POST", "/v1/devices/{device_id}/accounts/{account_id}/resume"): {"security", "administrator"},
    ("GET", "/v1/ssh"): _EVERYBODY,
    ("GET", "/v1/people/{person_id}/ways"): _STAFF,
    ("GET", "/v1/tasks"): _STAFF,
    ("POST", "/v1/tasks"): _PLANNERS,
    ("GET", "/v1/tasks/{task_id}"): _STAFF,
    ("GET", "/v1/interventions"): _STAFF,
    ("POST", "/v1/interventions"): _PLANNERS,
    ("GET", "/v1/interventions/{intervention_id}"): _STAFF,
    ("POST", "/v1/interventions/{intervention_id}/hold"): _PLANNERS,
    ("POST", "/v1/interventions/{intervention_id}/resume"): _PLANNERS,
    ("POST", "/v1/interventions/{intervention_id}/close"): _PLANNERS,
    ("POST", "/v1/interventions/{intervention_id}/cancel"): _PLANNERS,
    ("GET", "/v1/windows"): _STAFF,
    ("POST", "/v1/windows"): _PLANNERS,
    ("GET", "/v1/windows/{window_id}"): _STAFF,
    ("POST", "/v1/windows/{window_id}/approve"): _PLANNERS,
    ("POST", "/v1/windows/{window_id}/refuse"): _PLANNERS,
    ("POST", "/v1/windows/{window_id}/cancel"): _STAFF,
    ("POST", "/v1/windows/{window_id}/move"): _PLANNERS,
    ("POST", "/v1/windows/{window_id}/extend"): _PLANNERS,
    ("POST", "/v1/windows/{window_id}/shorten"): _STAFF,
    ("POST", "/v1/windows/{window_id}/extensions"): _PLANNERS,
    ("GET", "/v1/extensions"): _STAFF,
    ("POST", "/v1/extensions/{extension_id}/decide"): _PLANNERS,
    ("GET", "/v1/reports"): _STAFF,
    ("POST", "/v1/reports/{report_id}/acknowledge"): _PLANNERS,
    ("GET", "/v1/presence"): _STAFF,
    ("GET", "/v1/readers"): {"security", "administrator"},
    ("POST", "/v1/readers/{name}/unlock"): {"security"},
    ("POST", "/v1/readers/{name}/lock"): {"security", "administrator"},
    ("POST", "/v1/readers/rewrap"): {"security"},
    ("GET", "/v1/store"): _STAFF,
    ("GET", "/v1/store/gaps"): {"security", "administrator"},
    ("GET", "/v1/search"): {"security"},
    ("GET", "/v1/search/standing"): {"security", "administrator"},
    ("POST", "/v1/search/rebuild"): {"security", "administrator"},
    ("GET", "/v1/sessions"): _STAFF,
    ("GET", "/v1/sessions/{session_id}"): _STAFF,
    ("POST", "/v1/sessions/{session_id}/cut"): _STAFF,
    ("POST", "/v1/sessions/{session_id}/watch"): {"security"},
    ("POST", "/v1/cuts"): _STAFF,
    ("GET", "/v1/exercises"): _STAFF,
    ("POST", "/v1/exercises"): _STAFF,
    ("POST", "/v1/flows/probes"): {"security", "administrator"},
    ("GET", "/v1/self-audits"): {"security", "administrator"},
    ("GET", "/v1/self-audits/{audit_id}"): {"security", "administrator"},
    ("POST", "/v1/reopen"): {"security", "administrator"},
    ("GET", "/v1/gates"): _STAFF,
    ("GET", "/v1/why"): _STAFF,
    ("GET", "/v1/traces"): _STAFF,
    ("GET", "/v1/traces/{trace_id}"): _STAFF,
    ("POST", "/v1/traces/{trace_id}/verify"): {"security", "administrator"},
    ("GET", "/v1/traces/{trace_id}/asciicast"): {"security"},
    ("GET", "/v1/traces/{trace_id}/transcript"): {"security"},
    ("GET", "/v1/traces/{trace_id}/events"): {"security"},
    ("GET", "/v1/traces/{trace_id}/files"): {"security"},
    ("GET", "/v1/retention"): {"security", "administrator"},
    ("POST", "/v1/retention/rules"): {"security", "administrator"},
    ("POST", "/v1/retention/rules/{rule_id}/approve"): {"security", "administrator"},
    ("POST", "/v1/retention/rules/{rule_id}/refuse"): {"security", "administrator"},
    ("GET", "/v1/retention/plan"): {"security", "administrator"},
    ("POST", "/v1/retention/run"): {"security", "administrator"},
    ("GET", "/v1/holds"): {"security", "administrator"},
    ("POST", "/v1/holds"): {"security"},
    ("POST", "/v1/holds/{hold_id}/lift"): {"security"},
    ("GET", "/v1/erasures"): {"security", "administrator"},
    ("POST", "/v1/erasures"): {"security"},
    ("POST", "/v1/erasures/{erasure_id}/approve"): {"security", "administrator"},
    ("POST", "/v1/erasures/{erasure_id}/refuse"): {"security", "administrator"},
    ("GET", "/v1/journal"): {"security", "administrator"},
    ("POST", "/v1/journal/verify"): {"security", "administrator"},
    ("GET", "/v1/checkpoints"): {"security", "administrator"},
    ("POST", "/v1/checkpoints"): {"security", "administrator"},
    ("POST", "/v1/traces/verify"): {"security", "administrator"},
    ("GET", "/v1/evidence"): {"security"},
    ("GET", "/v1/evidence/plan"): {"security", "administrator"},
    ("GET", "/v1/evidence/keys"): {"security", "administrator"},
    ("GET", "/v1/proofs/export"): {"security", "administrator"},
}
"""Written by hand from the duties of each role, not read from the code: who may call what."""


def _filled(path: str) -> str:
    return re.sub(r"\{[a-z_]+\}", "f" * 32, path)


def _doors() -> Iterator[tuple[str, str]]:
    for method, path, _ in routes():
        yield method, path


def test_the_matrix_names_every_route() -> None:
    """A route that nobody put into the matrix fails here, so that none is added in silence."""
    assert set(_doors()) == set(MATRIX) | NOBODY


def test_nobody_gets_the_same_answer_everywhere(house: House) -> None:
    """Without a token every path, existing or not, answers 401 with one body; nothing tells them apart."""
    bodies: set[bytes] = set()
    with house.client() as client:
        doors = [
            *MATRIX,
            ("GET", "/openapi.json"),
            ("GET", "/v1/nothing"),
            ("DELETE", "/v1/me"),
            ("GET", "/docs"),
        ]
        for method, path in doors:
            for options in ({}, {"content": b"{"}, {"json": {"surprise": 1}}):
                answer = client.request(method, _filled(path), **options)
                assert answer.status_code == 401, (method, path)
                assert answer.headers["content-type"] == "application/problem+json"
                bodies.add(answer.content)
    assert len(bodies) == 1


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Basic YTpi", "Bearer " + "x" * 600, "Bearer ecltok_" + "0" * 32 + "_" + "A" * 43],
)
def test_a_token_that_is_not_in_force_is_no_token(house: House, header: str) -> None:
    """Malformed, oversized and unknown tokens get the answer of having none."""
    with house.client() as client:
        none = client.get("/v1/me")
        answer = client.get("/v1/me", headers={"Authorization": header})
    assert (answer.status_code, answer.content) == (401, none.content)


@pytest.mark.parametrize("role", list(Role))
def test_each_role_passes_its_own_doors_only(house: House, role: Role) -> None:
    """A token of one role is refused (403) at every route the matrix does not give it, before the body is read."""
    login = {Role.TECHNICIAN: "alice", Role.SECURITY: "rssi"}.get(role, "dsi")
    token = house.token(login, roles=frozenset({role})).reveal()
    with house.client() as client:
        client.headers["Authorization"] = f"Bearer {token}"
        for (method, path), allowed in MATRIX.items():
            if path == "/v1/logout" or (path == "/v1/cuts" and role.value in allowed):
                continue
            answer = client.request(
                method, _filled(path), content=b"{", headers={"Content-Type": "application/json"}
            )
            refused = _refused_for_role(answer)
            assert refused is (role.value not in allowed), (role, method, path, answer.text)


def _refused_for_role(answer: httpx.Response) -> bool:
    return answer.status_code == 403 and str(answer.json()["type"]).endswith(":role-missing")


def test_a_suspended_person_s_token_is_void_at_once(house: House) -> None:
    """Suspending a person ends her tokens with the next call, and resuming her brings them back."""
    world = house.world
    with house.client("rssi") as boss, house.client("alice") as client:
        assert client.get("/v1/me").status_code == 200
        boss.post(f"/v1/people/{world.who('alice')}/suspend", json={"reason": "Test"}).raise_for_status()
        assert client.get("/v1/me").status_code == 401
        boss.post(f"/v1/people/{world.who('alice')}/resume", json={"reason": "Test"}).raise_for_status()


def test_log_out_ends_the_token(house: House) -> None:
    """A token does not outlive its log-out."""
    with house.client("dsi") as client:
        assert client.post("/v1/logout").status_code == 204
        assert client.get("/v1/me").status_code == 401


def test_a_token_ends_with_its_time(house: House) -> None:
    """A token issued for a minute serves for that minute, and not at its end."""
    dsi = house.world.people["dsi"]
    token = house.run(
        house.world.services.tokens.issue(dsi, dsi.roles, timedelta(minutes=1), "short")
    ).reveal()
    with house.client() as client:
        client.headers["Authorization"] = f"Bearer {token}"
        house.clock.advance(timedelta(seconds=59))
        assert client.get("/v1/me").status_code == 200
        house.clock.advance(timedelta(seconds=1))
        assert client.get("/v1/me").status_code == 401


def test_the_description_covers_every_route_and_its_problems(house: House) -> None:
    """OpenAPI names every route, the roles it takes, and problem documents as the shape of each refusal."""
    with house.client("dsi") as client:
        described = client.get("/openapi.json").json()
    operations = {
        (method.upper(), path): one
        for path, item in described["paths"].items()
        for method, one in item.items()
    }
    assert set(operations) == set(MATRIX) | NOBODY
    for door, operation in operations.items():
        assert set(operation["x-roles"]) == MATRIX.get(door, set())
        assert list(operation["responses"]["4XX"]["content"]) == ["application/problem+json"]
        assert "422" not in operation["responses"]
    examples = [name for name, shape in described["components"]["schemas"].items() if "examples" in shape]
    assert {"WindowIn", "SupplierIn", "PersonIn", "DeviceIn", "CutIn", "Problem"} <= set(examples)


def test_every_answer_carries_the_security_headers(house: House) -> None:
    """Refusals, lists and unknown paths alike say no-store, nosniff, no framing, and hide the server's name."""
    with house.client("dsi") as client:
        for path in ("/v1/me", "/v1/nothing", "/v1/people?limit=nine"):
            answer = client.get(path)
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert "server" not in answer.headers


def test_whatever_security_alone_reads_asks_for_a_reason(house: House) -> None:
    """Each GET that only the security role may make is refused without a reason, by that field, before it is looked up."""
    alone = [path for method, path, route in routes() if method == "GET" and route.wanted == {"security"}]
    assert len(alone) >= 5
    with house.client("rssi") as client:
        for path in alone:
            refused = client.get(_filled(path), params={"q": "x"})
            assert refused.status_code == 422, path
            assert [one["field"] for one in refused.json()["errors"]] == ["reason"], path


def test_a_balancer_needs_no_token_and_learns_names_alone(house: House) -> None:
    """``/healthz`` and ``/readyz`` are for anybody, to read; they say what is well and what is not, and nothing else."""
    with house.client() as client:
        alive, ready, written = client.get("/healthz"), client.get("/readyz"), client.post("/readyz")
        below = client.get("/readyz/traces")
    assert (alive.status_code, alive.json()) == (200, {"status": "good"})
    assert (ready.status_code, ready.json()) == (200, {"status": "good", "checks": {"traces": "good"}})
    assert [written.status_code, below.status_code] == [401, 401]
    assert ready.headers["Strict-Transport-Security"]
