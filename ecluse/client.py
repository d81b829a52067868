"""A client of the API: the command line has no other way in, so roles, four eyes and the journal bind it too."""

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from ecluse.errors import NotLoggedIn, Refused, Unreachable
from ecluse.profile import Profile

Json = dict[str, Any]
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_REFUSED_FROM = 400
_UNAUTHENTICATED = 401


class ApiClient:
    """Speaks JSON to one installation, over TLS that only the installation's own CA can vouch for.

    Every method raises Unreachable, NotLoggedIn (the token is missing or over) or Refused.
    """

    def __init__(self, profile: Profile, language: str) -> None:
        """Prepare to speak for *profile*, asking for answers in *language* (``fr`` or ``en``)."""
        self._profile = profile
        try:
            # a context made from a CA file trusts nothing else, the system's authorities included
            trust = ssl.create_default_context(cafile=str(profile.ca))
        except (OSError, ssl.SSLError) as broken:
            raise Unreachable("client.ca", path=str(profile.ca)) from broken
        headers = {"Accept-Language": language, "Accept": "application/json"}
        if profile.token is not None:
            headers["Authorization"] = f"Bearer {profile.token.reveal()}"
        self._http = httpx.Client(
            base_url=profile.url, verify=trust, headers=headers, timeout=_TIMEOUT, trust_env=False
        )

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **query: object) -> Json:
        """Return the document at *path*; a query value of None is left out, ``from_`` is written ``from``."""
        return self._send("GET", path, params=_query(query))

    def post(self, path: str, body: Mapping[str, object] | None = None, **query: object) -> Json:
        """Post *body* as JSON and return the answer, {} where there is none."""
        return self._send("POST", path, json=dict(body or {}), params=_query(query))

    def patch(self, path: str, body: Mapping[str, object]) -> Json:
        """Change what is at *path*."""
        return self._send("PATCH", path, json=dict(body))

    def put(self, path: str, body: Mapping[str, object]) -> Json:
        """Write what is at *path*."""
        return self._send("PUT", path, json=dict(body))

    def delete(self, path: str) -> Json:
        """Take away what is at *path*."""
        return self._send("DELETE", path)

    def items(self, path: str, *, at_most: int | None = None, **query: object) -> Iterator[Json]:
        """Yield the items of a list, page after page, at most *at_most* of them."""
        after: str | None = None
        left = at_most
        while left is None or left > 0:
            page = self.get(path, after=after, limit=100 if left is None else min(left, 100), **query)
            found = page.get("items", [])
            yield from found
            left = None if left is None else left - len(found)
            after = page.get("next")
            if after is None:
                return

    @contextmanager
    def stream(self, path: str, *, patience: float = 30.0, **query: object) -> Iterator[Iterator[bytes]]:
        """Open the bytes at *path*, to be read piece by piece; each may take *patience* seconds to come."""
        timeout = httpx.Timeout(patience, connect=5.0)
        sent = self._http.stream("GET", path, params=_query(query), timeout=timeout)
        with _told(self._profile.url), sent as answer:
            if answer.status_code >= _REFUSED_FROM:
                answer.read()
                self._refuse(answer)
            yield answer.iter_bytes()

    @contextmanager
    def lines(self, path: str, body: Mapping[str, object] | None = None) -> Iterator[Iterator[Json]]:
        """Post *body* and open the JSON lines that are the answer, to be read as they come."""
        with (
            _told(self._profile.url),
            self._http.stream("POST", path, json=dict(body or {})) as answer,
        ):
            if answer.status_code >= _REFUSED_FROM:
                answer.read()
                self._refuse(answer)
            yield (json.loads(line) for line in answer.iter_lines())

    def _send(self, method: str, path: str, **options: Any) -> Json:
        with _told(self._profile.url):
            answer = self._http.request(method, path, **options)
        if answer.status_code >= _REFUSED_FROM:
            self._refuse(answer)
        return _document(answer)

    def _refuse(self, answer: httpx.Response) -> None:
        document = _document(answer)
        slug = str(document.get("type", "")).rpartition(":")[2]
        if answer.status_code == _UNAUTHENTICATED and slug == "unauthenticated":
            raise NotLoggedIn("login.needed")
        raise Refused(answer.status_code, document)


def _query(values: Mapping[str, object]) -> dict[str, str | list[str]]:
    return {
        name.removesuffix("_"): [str(one) for one in value] if isinstance(value, list) else str(value)
        for name, value in values.items()
        if value is not None
    }


def _document(answer: httpx.Response) -> Json:
    if not answer.content:
        return {}
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def _told(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.ConnectError as refused:
        key = "client.certificate" if "CERTIFICATE_VERIFY_FAILED" in str(refused) else "client.unreachable"
        raise Unreachable(key, url=url) from refused
    except httpx.HTTPError as broken:
        raise Unreachable("client.broken", url=url, why=type(broken).__name__) from broken
    except httpx.InvalidURL as broken:
        raise Unreachable("client.unreachable", url=url) from broken
