"""The flow matrix: which machine reaches which, by what, and when; out of what the API tells, in three forms."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Final

VERSION: Final = 1
_HEADINGS: Final = (
    "direction", "source", "source_name", "destination", "destination_name", "port", "protocol", "service", "when",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula, where a name begins with it."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFlow:
    """From the bastion, by its zone's ``source`` (None: by any of its addresses), to a device, while something is open."""

    device: str
    zone: str
    source: str | None
    address: str
    port: int

    def document(self) -> dict[str, object]:
        """Return it as the broker and the probe read it."""
        return {
            "device": self.device,
            "zone": self.zone,
            "source": self.source,
            "address": self.address,
            "port": self.port,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """From a network that a supplier declared to the bastion, at any time."""

    supplier: str
    site: str
    source: str
    names: tuple[str, ...]
    port: int

    def document(self) -> dict[str, object]:
        """Return it for scripts."""
        return {
            "supplier": self.supplier,
            "site": self.site,
            "source": self.source,
            "names": list(self.names),
            "port": self.port,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """All of one hospital's flows, in the order of names."""

    hospital: str
    hospital_id: str
    flows: tuple[DeviceFlow, ...]
    entries: tuple[Entry, ...]

    def document(self) -> dict[str, object]:
        """Return what ``--json`` prints: the register of the flow broker, and what the probe reads."""
        return {
            "version": VERSION,
            "hospital": self.hospital,
            "hospital_id": self.hospital_id,
            "flows": [flow.document() for flow in self.flows],
            "entries": [entry.document() for entry in self.entries],
        }


def matrix(
    hospital: Json, devices: Iterable[Json], zones: Iterable[Json], suppliers: Iterable[Json], gateway: Json
) -> Matrix:
    """Return the matrix of what the API lists. A suspended device stays: that it is not dialled is policy's to hold."""
    by_id = {zone["id"]: zone for zone in zones}
    flows = [
        DeviceFlow(
            device=device["name"],
            zone=by_id[device["zone_id"]]["name"],
            source=by_id[device["zone_id"]]["source_address"],
            address=str(ip_address(device["address"])),
            port=device["port"],
        )
        for device in devices
    ]
    entries = [
        Entry(
            supplier=supplier["name"],
            site=site["name"],
            source=network,
            names=tuple(gateway["names"]),
            port=gateway["port"],
        )
        for supplier in suppliers
        if supplier["active"]
        for site in supplier["sites"]
        for network in site["networks"]
    ]
    return Matrix(
        hospital=str(hospital["name"]),
        hospital_id=str(hospital["id"]),
        flows=tuple(sorted(flows, key=lambda flow: (flow.zone, flow.device))),
        entries=tuple(sorted(entries, key=lambda entry: (entry.supplier, entry.site, entry.source))),
    )


def rows(of: Matrix) -> list[tuple[object, ...]]:
    """Return the matrix under the headings of the CSV; an unknown source is empty."""
    entries = [
        (
            "in",
            entry.source,
            f"{entry.supplier} ({entry.site})",
            " ".join(entry.names),
            "bastion",
            entry.port,
            "always",
        )
        for entry in of.entries
    ]
    flows = [
        (
            "out",
            flow.source or "",
            "bastion",
            flow.address,
            f"{flow.device} ({flow.zone})",
            flow.port,
            "on demand",
        )
        for flow in of.flows
    ]
    return [(*row[:6], "tcp", "ssh", row[6]) for row in (*entries, *flows)]


def as_csv(of: Matrix) -> str:
    """Return the matrix as CSV (RFC 4180) with headings; no name is a formula to a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_HEADINGS)
    for row in rows(of):
        writer.writerow([_harmless(value) for value in row])
    return out.getvalue()


def as_nftables(of: Matrix) -> str:
    """Return a table for the firewalls around the bastion: suppliers to it, it to devices, and nothing else through.

    A device whose zone has no source address is left out, in a comment: such a flow would be from anywhere.
    """
    lines = [
        "# Flow matrix, for the firewalls around the bastion: by itself the bastion opens a way only while it is used.",
        *(
            f"# left out, its zone has no source address: {flow.device}"
            for flow in of.flows
            if flow.source is None
        ),
        "table inet ecluse_flows",
        "delete table inet ecluse_flows",
        "table inet ecluse_flows {",
        *_set("suppliers4", "ipv4_addr . inet_service", _entries(of, 4), interval=True),
        *_set("suppliers6", "ipv6_addr . inet_service", _entries(of, 6), interval=True),
        *_set("devices4", "ipv4_addr . ipv4_addr . inet_service", _devices(of, 4)),
        *_set("devices6", "ipv6_addr . ipv6_addr . inet_service", _devices(of, 6)),
        "\tset bastion4 { type ipv4_addr; }",
        "\tset bastion6 { type ipv6_addr; }",
        "\tchain forward {",
        "\t\ttype filter hook forward priority filter; policy drop;",
        "\t\tct state established,related accept",
        "\t\tip daddr @bastion4 ip saddr . tcp dport @suppliers4 accept",
        "\t\tip6 daddr @bastion6 ip6 saddr . tcp dport @suppliers6 accept",
        "\t\tip saddr . ip daddr . tcp dport @devices4 accept",
        "\t\tip6 saddr . ip6 daddr . tcp dport @devices6 accept",
        "\t}",
        "}",
    ]
    literal = {name for entry in of.entries for name in entry.names if _version(name)}
    lines += [
        f"add element inet ecluse_flows bastion{_version(name)} {{ {name} }}" for name in sorted(literal)
    ]
    if not literal:
        lines.append(
            "# The bastion's addresses towards the suppliers: add element inet ecluse_flows bastion4 { … }"
        )
    return "\n".join(lines) + "\n"


def _entries(of: Matrix, version: int) -> list[str]:
    return [f"{one.source} . {one.port}" for one in of.entries if ip_network(one.source).version == version]


def _devices(of: Matrix, version: int) -> list[str]:
    # a source of the other family never reaches the device, and would be no element of the set
    return [
        f"{one.source} . {one.address} . {one.port}"
        for one in of.flows
        if _version(one.source or "") == _version(one.address) == version
    ]


def _set(name: str, kind: str, elements: Sequence[str], *, interval: bool = False) -> list[str]:
    held = [f"\t\telements = {{ {', '.join(dict.fromkeys(elements))} }}"] if elements else []
    flags = ["\t\tflags interval", "\t\tauto-merge"] if interval else []
    return [f"\tset {name} {{", f"\t\ttype {kind}", *flags, *held, "\t}"]


def _version(text: str) -> int:
    """Return 4 or 6 for the literal of an address, 0 for anything else."""
    try:
        return ip_address(text).version
    except ValueError:
        return 0


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
