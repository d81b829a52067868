"""The OpenAPI description: what a client's author reads instead of the code."""

from collections.abc import Iterator
from typing import Any

import pytest

from admin_api.problems import MEDIA_TYPE
from tests.support.api_house import House

WITHOUT_SCHEMA = {
    "/v1/traces/{trace_id}/asciicast",
    "/v1/traces/{trace_id}/transcript",
    "/v1/traces/{trace_id}/events",
    "/v1/traces/{trace_id}/files",
    "/v1/traces/verify",
    "/v1/retention/run",
    "/v1/evidence",
    "/v1/proofs/export",
    "/v1/readers/rewrap",
    "/v1/sessions/{session_id}/watch",
}
"""Streams: their answer is no JSON document."""


@pytest.fixture(scope="module")
def described(house: House) -> dict[str, Any]:
    """The description as the API serves it."""
    with house.client("alice") as client:
        answer = client.get("/openapi.json")
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def _operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in described["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def _shape(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    # a body that may be left out is its shape, or null
    wanted = next(one for one in schema.get("anyOf", [schema]) if "$ref" in one)
    name = wanted["$ref"].rpartition("/")[2]
    found: dict[str, Any] = described["components"]["schemas"][name]
    return found


def test_each_operation_says_what_it_does(described: dict[str, Any]) -> None:
    """A summary of its own, a sentence, a tag and a unique name stand at every operation."""
    names: list[str] = []
    for method, path, operation in _operations(described):
        assert operation["summary"], (method, path)
        assert operation["description"].endswith("."), (method, path)
        assert operation["tags"], (method, path)
        names.append(operation["operationId"])
    assert len(names) == len(set(names)) > 50


def test_each_body_has_an_example_that_its_own_schema_takes(described: dict[str, Any]) -> None:
    """Where a body is read, an example shows it: it names only fields that exist, and all that are required."""
    seen = 0
    for method, path, operation in _operations(described):
        if "requestBody" not in operation:
            continue
        seen += 1
        shape = _shape(described, operation["requestBody"]["content"]["application/json"]["schema"])
        assert shape.get("examples"), (method, path)
        for example in shape["examples"]:
            assert set(example) <= set(shape["properties"]), (method, path)
            assert set(shape.get("required", ())) <= set(example), (method, path)
        assert shape["additionalProperties"] is False, (method, path)
    assert seen > 20


def test_each_operation_describes_its_refusals_and_its_answer(described: dict[str, Any]) -> None:
    """Problems are the shape of every refusal, and each answer but a stream and an empty one has a schema."""
    for method, path, operation in _operations(described):
        responses = operation["responses"]
        for status in ("4XX", "5XX"):
            assert list(responses[status]["content"]) == [MEDIA_TYPE], (method, path)
            assert responses[status]["description"], (method, path)
        done = next(body for status, body in responses.items() if status.startswith("2"))
        if "204" not in responses and path not in WITHOUT_SCHEMA:
            assert "$ref" in done["content"]["application/json"]["schema"], (method, path)


def test_no_answer_of_the_description_has_a_secret_field(described: dict[str, Any]) -> None:
    """Secrets of accounts are written only: the one shape that has them says so."""
    for name, shape in described["components"]["schemas"].items():
        secret = shape.get("properties", {}).get("secret")
        if secret is not None and name != "Provisioning":
            assert secret["writeOnly"] is True, name


def test_every_operation_but_the_public_ones_asks_for_a_bearer(house: House) -> None:
    """Log-in and enrolment need no token; all the rest say that they do."""
    with house.client("dsi") as client:
        document = client.get("/openapi.json").json()
    public = {path for _, path, one in _operations(document) if one["security"] == []}
    assert public == {
        "/v1/login",
        "/v1/enrolment/password",
        "/v1/enrolment/engagements",
        "/v1/enrolment/accept",
        "/v1/enrolment/confirm",
    }
