"""From the names that people type to the identifiers that the API speaks, and back."""

import base64
import difflib
import hashlib
import re
from collections.abc import Sequence
from typing import Final

from ecluse.client import ApiClient, Json
from ecluse.errors import NameUnknown
from policy.domain.ids import is_identifier
from policy.i18n import OneOf

_PREFIX = re.compile(r"[0-9a-f]{1,32}")
_DIGITS = re.compile(r"[0-9a-f]{1,31}")

_LOOKED_AT: Final = 1000
"""How many names are looked through for one that was meant."""
_LISTS: Final = {
    "people": "ecluse people list",
    "devices": "ecluse devices list",
    "suppliers": "ecluse suppliers list",
    "zones": "ecluse zones list",
    "accounts": "ecluse accounts list DEVICE",
    "windows": "ecluse windows list",
    "interventions": "ecluse interventions list",
    "tokens": "ecluse tokens list",
    "trust-anchors": "ecluse anchors list",
    "login-authorities": "ecluse login-ca list",
    "extensions": "ecluse extensions list",
    "sessions": "ecluse sessions list --past",
    "alarms": "ecluse alarms list --state all",
}
"""The command that shows all there are of what the API calls so."""


def person(client: ApiClient, name: str) -> Json:
    """Return the person of this login or identifier; raises NameUnknown, Refused for an identifier."""
    return _find(client, "people", "login", name)


def device(client: ApiClient, name: str) -> Json:
    """Return the device of this name or identifier; raises NameUnknown."""
    return _find(client, "devices", "name", name)


def supplier(client: ApiClient, name: str) -> Json:
    """Return the supplier of this name or identifier; raises NameUnknown."""
    return _find(client, "suppliers", "name", name)


def zone(client: ApiClient, name: str) -> Json:
    """Return the zone of this name or identifier; raises NameUnknown."""
    return _find(client, "zones", "name", name)


def anchor(client: ApiClient, name: str) -> Json:
    """Return the trust anchor of this name or identifier; raises NameUnknown."""
    return _listed(client, "trust-anchors", name)


def login_authority(client: ApiClient, name: str) -> Json:
    """Return the SSH authority of this name or identifier; raises NameUnknown."""
    return _listed(client, "login-authorities", name)


def _listed(client: ApiClient, noun: str, name: str) -> Json:
    known = list(client.items(f"/v1/{noun}"))
    for found in known:
        if name in (found["name"], found["id"]):
            return found
    raise _unknown(noun, name, [found["name"] for found in known])


def account(client: ApiClient, device_id: str, name: str) -> Json:
    """Return the dedicated account of this name on the device; raises NameUnknown."""
    known = list(client.items(f"/v1/devices/{device_id}/accounts"))
    for found in known:
        if name in (found["name"], found["id"]):
            return found
    raise _unknown("accounts", name, [found["name"] for found in known])


def window(client: ApiClient, text: str) -> Json:
    """Return the window of this identifier, or the only one that starts by it; raises NameUnknown."""
    return _by_prefix(client, "windows", text)


def intervention(client: ApiClient, text: str) -> Json:
    """Return the intervention of this identifier, or the only one that starts by it; raises NameUnknown."""
    return _by_prefix(client, "interventions", text)


def token(client: ApiClient, text: str) -> Json:
    """Return the token of this identifier, or the only one that starts by it; raises NameUnknown."""
    found = list(client.items("/v1/tokens", at_most=2, prefix=text)) if _PREFIX.fullmatch(text) else []
    return only(found, "tokens", text)


def extension(client: ApiClient, text: str) -> Json:
    """Return the undecided extension of this identifier, or the only one that starts by it; raises NameUnknown."""
    return only(
        [item for item in client.items("/v1/extensions") if item["id"].startswith(text)], "extensions", text
    )


def alarm(client: ApiClient, text: str) -> Json:
    """Return the alarm of this identifier, or the only one that starts by it; raises NameUnknown."""
    if is_identifier(text):
        return client.get(f"/v1/alarms/{text}")
    every = client.items("/v1/alarms", state="all")
    found = only([item for item in every if item["id"].startswith(text)], "alarms", text)
    return client.get(f"/v1/alarms/{found['id']}")


def session(client: ApiClient, text: str) -> Json:
    """Return the session of this identifier, or the only one that starts by it; raises NameUnknown."""
    return _by_prefix(client, "sessions", text)


def trace(client: ApiClient, text: str) -> Json:
    """Return the trace of this identifier, or the only one that starts by it; raises NameUnknown.

    First digits are looked up among the sessions of the last 90 days.
    """
    identifier = text if is_identifier(text) else _by_prefix(client, "sessions", text)["id"]
    return client.get(f"/v1/traces/{identifier}")


def host_key(line: str) -> tuple[str, str]:
    """Return the algorithm and the SHA-256 fingerprint of a public key's OpenSSH *line*, as ``ssh-keygen -l`` does."""
    algorithm, _, encoded = line.partition(" ")
    digest = hashlib.sha256(base64.b64decode(encoded.partition(" ")[0])).digest()
    return algorithm, f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def people_by_id(client: ApiClient) -> dict[str, str]:
    """Return every person's login by identifier, to show lists with names."""
    return {found["id"]: found["login"] for found in client.items("/v1/people")}


def devices_by_id(client: ApiClient) -> dict[str, str]:
    """Return every device's name by identifier, to show lists with names."""
    return {found["id"]: found["name"] for found in client.items("/v1/devices")}


def suppliers_by_id(client: ApiClient) -> dict[str, str]:
    """Return every supplier's name by identifier, to show lists with names."""
    return {found["id"]: found["name"] for found in client.items("/v1/suppliers")}


def _find(client: ApiClient, noun: str, key: str, name: str) -> Json:
    if is_identifier(name):
        return client.get(f"/v1/{noun}/{name}")
    found = list(client.items(f"/v1/{noun}", at_most=1, **{key: name}))
    if not found:
        raise _unknown(noun, name, [item[key] for item in client.items(f"/v1/{noun}", at_most=_LOOKED_AT)])
    return found[0]


def _by_prefix(client: ApiClient, noun: str, text: str) -> Json:
    if is_identifier(text):
        return client.get(f"/v1/{noun}/{text}")
    found = list(client.items(f"/v1/{noun}", at_most=2, prefix=text)) if _DIGITS.fullmatch(text) else []
    return only(found, noun, text)


def only(found: list[Json], noun: str, text: str) -> Json:
    """Return the one that was *found* by the first digits *text*; raises NameUnknown where there is none or another."""
    if not found:
        raise _unknown(noun, text, ())
    if len(found) > 1:
        raise NameUnknown("name.several", noun=noun, name=text)
    return found[0]


def _unknown(noun: str, name: str, known: Sequence[str]) -> NameUnknown:
    """Return what to raise for *name*: with the nearest of the *known* ones, and where to read them all."""
    facts = {"noun": noun, "name": name, "command": _LISTS[noun]}
    near = difflib.get_close_matches(name, known, n=3)
    if not near:
        return NameUnknown("name.unknown", **facts)
    return NameUnknown("name.near", near=OneOf(near), **facts)
