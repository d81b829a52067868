"""Suppliers and the sites they declared (rule C2)."""

from dataclasses import dataclass
from ipaddress import ip_network

from policy.domain.addresses import read_address
from policy.domain.ids import HospitalId, SiteId, SupplierId


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A declared place of work: its country (ISO 3166-1 alpha-2) and the networks it connects from (CIDR)."""

    id: SiteId
    name: str
    country: str
    networks: tuple[str, ...]

    def contains(self, address: str) -> bool:
        """Tell whether *address* belongs to this site: an IP literal, IPv4-mapped IPv6 and scope id included.

        What is no IP literal belongs nowhere.
        """
        try:
            candidate = read_address(address)
        except ValueError:
            return False
        return any(candidate in ip_network(network) for network in self.networks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplier:
    """A company, or an internal unit, whose people intervene; ``one_post`` as for a person, for each of them."""

    id: SupplierId
    hospital_id: HospitalId
    name: str
    active: bool
    sites: tuple[Site, ...]
    one_post: bool = False

    def site_of(self, address: str) -> Site | None:
        """Return the declared site that *address* belongs to, or None."""
        return next((site for site in self.sites if site.contains(address)), None)
