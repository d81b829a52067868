"""Checks of what people write, shared by the use cases; each raises InvalidInput naming the field and the way out."""

import re
import unicodedata
from collections.abc import Iterable
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import TypeVar

from policy.domain.devices import KNOWN
from policy.domain.ids import is_name
from policy.domain.suppliers import Site
from policy.errors import InvalidInput

Choice = TypeVar("Choice", bound=StrEnum)

_COUNTRY = re.compile(r"[A-Z]{2}")
_EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+")
_SHARED_MAILBOXES = frozenset(
    {
        "accueil", "admin", "administrateur", "administrator", "commercial", "contact", "dsi", "equipe", "helpdesk",
        "hello", "hotline", "info", "informatique", "infos", "it", "mail", "maintenance", "no-reply", "noreply",
        "office", "postmaster", "root", "sav", "secretariat", "security", "securite", "service", "services",
        "support", "team", "tech", "technique", "webmaster",
    }
)  # fmt: skip


def choice(kind: type[Choice], value: str, field: str) -> Choice:
    """Return *value* as a member of the enumeration *kind*."""
    try:
        return kind(value)
    except ValueError:
        raise InvalidInput(field, "write one of: " + ", ".join(member.value for member in kind)) from None


def name(text: str, field: str) -> str:
    """Return *text* if it may name a person, a device, an account or a group."""
    if not is_name(text):
        raise InvalidInput(
            field, "write 1 to 63 of a-z, 0-9, '.', '_' and '-', starting with a letter or a digit"
        )
    return text


def line(text: str, field: str, *, longest: int = 200, empty: bool = False) -> str:
    """Return *text* without outer spaces: one line of at most *longest* characters, none of them a control."""
    stripped = text.strip()
    if not stripped and not empty:
        raise InvalidInput(field, "must not be empty")
    if len(stripped) > longest:
        raise InvalidInput(field, f"write at most {longest} characters")
    if any(unicodedata.category(character) in {"Cc", "Cs", "Cf", "Zl", "Zp"} for character in stripped):
        raise InvalidInput(field, "write one line of text, without control or invisible characters")
    return stripped


def paragraph(text: str, field: str, *, longest: int) -> str:
    """Return *text* without outer spaces: lines of at most *longest* characters in all, none of them a control."""
    lines = [one.rstrip() for one in text.strip().replace("\r\n", "\n").split("\n")]
    if not any(lines):
        raise InvalidInput(field, "must not be empty")
    if len(text) > longest:
        raise InvalidInput(field, f"write at most {longest} characters")
    return "\n".join(line(one, field, longest=longest, empty=True) for one in lines)


def email(text: str) -> str:
    """Return the address in lower case; a mailbox that several people read is refused (E3, S36)."""
    lowered = text.strip().lower()
    if len(lowered) > 254 or _EMAIL.fullmatch(lowered) is None:
        raise InvalidInput("email", "write one e-mail address, such as alice.martin@imagix.example")
    local = lowered.partition("@")[0].partition("+")[0]
    if re.sub(r"[0-9._-]+$", "", local) in _SHARED_MAILBOXES or local in _SHARED_MAILBOXES:
        raise InvalidInput(
            "email", f"{lowered} is a shared mailbox; write the address of the person alone (E3)"
        )
    return lowered


def address(text: str, field: str = "address") -> str:
    """Return the canonical IP literal.

    Never a host name: whoever answers for the name could point it at another machine between the check and the
    call.
    """
    try:
        found = ip_address(text.strip())
    except ValueError:
        raise InvalidInput(
            field, "write an IP address; a host name is refused, since its owner could point it elsewhere"
        ) from None
    if found.is_multicast or found.is_unspecified:
        raise InvalidInput(field, f"{found} is no address of a machine")
    if getattr(found, "scope_id", None) is not None:
        raise InvalidInput(field, "write the address without a scope (%…)")
    return str(found)


def port(number: int, field: str = "port") -> int:
    """Return a TCP port."""
    if isinstance(number, bool) or not 1 <= number <= 65535:
        raise InvalidInput(field, "write a number from 1 to 65535")
    return number


def algorithms(names: Iterable[str], kind: str) -> tuple[str, ...]:
    """Return names of SSH algorithms of that *kind* as they were written, in order; a name no gateway can speak is refused."""
    found = tuple(names)
    if set(found) - set(KNOWN[kind]):
        raise InvalidInput(f"algorithms.{kind}", "write one of: " + ", ".join(KNOWN[kind]))
    return found


def sites(declared: Iterable[Site]) -> tuple[Site, ...]:
    """Return the sites with canonical networks (rule C2)."""
    checked = tuple(_site(number, site) for number, site in enumerate(declared))
    names = [site.name for site in checked]
    if len(set(names)) != len(names):
        raise InvalidInput("sites", "give each site another name")
    return checked


def _site(number: int, site: Site) -> Site:
    field = f"sites.{number}"
    if _COUNTRY.fullmatch(site.country) is None:
        raise InvalidInput(f"{field}.country", "write the country's two letters, such as FR (ISO 3166-1)")
    if not site.networks:
        raise InvalidInput(f"{field}.networks", "write at least one network, such as 192.0.2.0/24")
    networks = []
    for text in site.networks:
        try:
            network = ip_network(text.strip())
        except ValueError as error:
            raise InvalidInput(
                f"{field}.networks", f"{text!r} is no network: {error}; write one such as 192.0.2.0/24"
            ) from None
        if network.prefixlen == 0:
            raise InvalidInput(f"{field}.networks", f"{network} is every address: no site is everywhere (C2)")
        networks.append(str(network))
    return Site(
        id=site.id, name=line(site.name, f"{field}.name"), country=site.country, networks=tuple(networks)
    )
