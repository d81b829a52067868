"""Refusals: one kind of document, in the language asked for, that names the fields and the next step."""

import pytest

from tests.support.api_house import House


def _problem(answer: object) -> dict[str, object]:
    document: dict[str, object] = answer.json()  # type: ignore[attr-defined]  # an httpx.Response
    assert answer.headers["content-type"] == "application/problem+json"  # type: ignore[attr-defined]  # the same
    assert {"type", "title", "status", "detail", "next", "errors"} <= set(document)
    assert document["detail"]
    assert document["next"]
    return document


def test_wrong_path_wrong_method_wrong_body_are_problems(house: House) -> None:
    """404, 405 and 422 have the same shape as every other refusal."""
    with house.client("dsi") as client:
        assert _problem(client.get("/v1/nothing"))["status"] == 404
        refused = client.delete("/v1/me")
        assert _problem(refused)["status"] == 405
        wrong = _problem(
            client.post("/v1/suppliers", content=b"{", headers={"Content-Type": "application/json"})
        )
        assert wrong["status"] == 422


def test_each_wrong_field_is_named_and_nothing_changes(house: House) -> None:
    """A body with several faults names each by its dotted path, and makes nothing."""
    body = {"name": "", "sites": [{"name": "Lyon", "country": "fr", "networks": []}], "colour": "red"}
    with house.client("dsi") as client:
        before = client.get("/v1/suppliers").json()
        document = _problem(client.post("/v1/suppliers", json=body))
        fields = {item["field"] for item in document["errors"]}  # type: ignore[attr-defined]  # a list
        assert fields == {"name", "sites.0.country", "sites.0.networks", "colour"}
        assert client.get("/v1/suppliers").json() == before


def test_a_value_that_policy_refuses_names_its_field(house: House) -> None:
    """What only policy can judge (a network that is none) is named like any other field."""
    body = {"name": "Réseau faux", "sites": [{"name": "Lyon", "country": "FR", "networks": ["192.0.2.0/99"]}]}
    with house.client("dsi") as client:
        document = _problem(client.post("/v1/suppliers", json=body))
    assert document["status"] == 422
    assert "network" in str(document["errors"])


@pytest.mark.parametrize(
    ("header", "title"),
    [
        ("fr", "Introuvable"),
        ("en", "Not found"),
        ("de, en;q=0.5", "Not found"),
        ("fr;q=0.1, en;q=0.9", "Not found"),
        ("*;q=x, \x7f;;;", "Introuvable"),
    ],
)
def test_the_language_is_the_one_asked_for(house: House, header: str, title: str) -> None:
    """Accept-Language chooses, weights included; where it names nothing spoken here, the person's own language does."""
    with house.client("dsi") as client:
        answer = client.get(f"/v1/people/{'f' * 32}", headers={"Accept-Language": header.replace("\x7f", "")})
    assert _problem(answer)["title"] == title


def test_a_body_over_the_limit_is_refused_unread(house: House) -> None:
    """Too large a body gets 413, with or without its length declared; before log-in the limit is smaller."""
    with house.client("dsi") as client, house.client() as stranger:
        large = b"x" * 65 * 1024
        assert _problem(client.post("/v1/suppliers", content=large))["status"] == 413
        pieces = (b"x" * 1024 for _ in range(65))
        assert _problem(client.post("/v1/suppliers", content=pieces))["status"] == 413
        assert _problem(stranger.post("/v1/login", content=b"x" * 17 * 1024))["status"] == 413


def test_an_internal_error_tells_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is a bare 500: no class, no file, no message of it."""

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("/secret/path and a password")

    monkeypatch.setattr(type(house.world.services.people), "list", broken)
    with house.client("dsi") as client:
        answer = client.get("/v1/people")
    assert _problem(answer)["status"] == 500
    assert b"secret" not in answer.content
    assert b"RuntimeError" not in answer.content


def test_lists_are_read_page_by_page(house: House) -> None:
    """Following ``next`` gives every item once, in order; a cursor of another list is refused."""
    with house.client("dsi") as client:
        for number in range(7):
            client.post("/v1/suppliers", json={"name": f"Page {number}", "sites": []}).raise_for_status()
        whole = [item["id"] for item in client.get("/v1/suppliers").json()["items"]]
        seen: list[str] = []
        after: str | None = None
        while True:
            query = {"limit": 3} | ({"after": after} if after else {})
            page = client.get("/v1/suppliers", params=query).json()
            assert len(page["items"]) <= 3
            seen += [item["id"] for item in page["items"]]
            after = page["next"]
            if after is None:
                break
        assert seen == whole
        for path in ("/v1/suppliers", "/v1/sessions?state=past", "/v1/traces"):
            stray = client.get(
                path, params={"after": "stray", **({"state": "past"} if "state" in path else {})}
            )
            assert _problem(stray)["errors"][0]["field"] == "after"  # type: ignore[index]  # a list
        assert client.get("/v1/suppliers", params={"limit": 501}).status_code == 422
