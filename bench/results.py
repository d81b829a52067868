"""The figures of one run: samples by row and route, the table, and the JSON."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from rich.table import Table

from bench.ground import Route

HEADINGS = {
    Route.DIRECT: "direct sshd",
    Route.JUMP: "ssh -J",
    Route.ECLUSE: "Écluse, recording",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: its samples' unit is the one that *unit* names."""

    label: str
    unit: str
    show: Callable[[Sequence[float]], str]


def _whole(samples: Sequence[float]) -> str:
    return f"{median(samples):,.0f}"


def _fine(samples: Sequence[float]) -> str:
    return f"{median(samples):.2f}"


def percentile(samples: Sequence[float], rank: int) -> float:
    """Return the *rank*-th percentile (1 to 99); of a single sample, that sample."""
    return quantiles(samples, n=100, method="inclusive")[rank - 1] if len(samples) > 1 else samples[0]


def _echo(samples: Sequence[float]) -> str:
    return f"{percentile(samples, 50):.2f} / {percentile(samples, 99):.2f}"


def _among(name: str, label: str) -> dict[str, Row]:
    """Return the rows of one kind of strangers, *label* in words."""
    return {
        f"{name}-calm": Row(label="keystroke echo before them, p50 / p99", unit="ms", show=_echo),
        name: Row(label=f"keystroke echo, {{slow}} {label}, p50 / p99", unit="ms", show=_echo),
        f"{name}-login": Row(label="log-in to prompt meanwhile, p50 / p99", unit="ms", show=_echo),
        f"{name}-tries": Row(label="their connections a second", unit="1/s", show=_whole),
        f"{name}-cpu": Row(label="CPU of the gateway meanwhile", unit="s/s", show=_fine),
        f"{name}-memory": Row(label="memory of the gateway, growth meanwhile", unit="MiB", show=_fine),
    }


_STRANGERS = {
    **_among("slow", "slow strangers"),
    **_among("mute", "mute strangers"),
    **_among("knock", "strangers who have keys exchanged"),
}
ROWS = {
    "down": Row(label="exec down, zeros", unit="MiB/s", show=_whole),
    "up": Row(label="exec up, zeros", unit="MiB/s", show=_whole),
    "noise": Row(label="exec down, random bytes", unit="MiB/s", show=_whole),
    "get": Row(label="sftp get", unit="MiB/s", show=_whole),
    "put": Row(label="sftp put", unit="MiB/s", show=_whole),
    "jump-down": Row(label="exec down, zeros, by ssh -J through Écluse", unit="MiB/s", show=_whole),
    "jump-noise": Row(label="exec down, random bytes, by ssh -J through Écluse", unit="MiB/s", show=_whole),
    "cpu-down": Row(label="CPU between, exec down, zeros", unit="s/GiB", show=_fine),
    "cpu-up": Row(label="CPU between, exec up, zeros", unit="s/GiB", show=_fine),
    "cpu-noise": Row(label="CPU between, exec down, random bytes", unit="s/GiB", show=_fine),
    "cpu-get": Row(label="CPU between, sftp get", unit="s/GiB", show=_fine),
    "cpu-put": Row(label="CPU between, sftp put", unit="s/GiB", show=_fine),
    "cpu-jump-down": Row(label="CPU between, zeros, by ssh -J through Écluse", unit="s/GiB", show=_fine),
    "cpu-jump-noise": Row(
        label="CPU between, random bytes, by ssh -J through Écluse", unit="s/GiB", show=_fine
    ),
    "login-password": Row(label="log-in to prompt, password (+ code)", unit="ms", show=_whole),
    "login-key": Row(label="log-in to prompt, key (+ code)", unit="ms", show=_whole),
    "rate-password": Row(label="log-ins a second, password (+ code)", unit="1/s", show=_fine),
    "rate-key": Row(label="log-ins a second, key (+ code)", unit="1/s", show=_fine),
    "rate-token": Row(label="log-ins a second, token certificate alone", unit="1/s", show=_fine),
    "rate-certificate": Row(label="log-ins a second, OpenSSH certificate + code", unit="1/s", show=_fine),
    "rate-security-key": Row(label="log-ins a second, FIDO2 key, verified, alone", unit="1/s", show=_fine),
    "echo": Row(label="keystroke echo, alone, p50 / p99", unit="ms", show=_echo),
    "busy": Row(label="keystroke echo, {busy} busy sessions, p50 / p99", unit="ms", show=_echo),
    **_STRANGERS,
    "memory": Row(label="memory an idle session, over {idle}", unit="KiB", show=_whole),
    "memory-all": Row(label="memory of whoever is between, with {idle} idle", unit="MiB", show=_whole),
}


class Results:
    """Samples as they come in."""

    def __init__(self, **counts: int) -> None:
        """Title the rows by *counts*: of ``busy`` and ``idle`` sessions, of ``slow`` strangers."""
        self._counts = counts
        self._samples: dict[str, dict[Route, list[float]]] = {}
        self.failures: list[str] = []

    def add(self, row: str, route: Route, *samples: float) -> None:
        """Keep *samples*, in the unit of *row*."""
        self._samples.setdefault(row, {}).setdefault(route, []).extend(samples)

    def fail(self, row: str, error: Exception) -> None:
        """Keep why *row* has no figures, or not all of them."""
        self.failures.append(f"{row}: {error}")

    def table(self, title: str) -> Table:
        """Return what was measured as a table."""
        table = Table(title=title, caption="ratio: Écluse to ssh -J", title_justify="left")
        table.add_column("")
        for heading in HEADINGS.values():
            table.add_column(heading, justify="right")
        table.add_column("ratio", justify="right")
        table.add_column("unit")
        for key, row in ROWS.items():
            columns = self._samples.get(key)
            if columns:
                cells = [row.show(columns[route]) if route in columns else "–" for route in HEADINGS]
                table.add_row(row.label.format(**self._counts), *cells, _ratio(columns), row.unit)
        return table

    def document(self) -> dict[str, Any]:
        """Return every sample, and the median by row and route, as JSON values."""
        return {
            "rows": {
                key: {
                    "label": ROWS[key].label.format(**self._counts),
                    "unit": ROWS[key].unit,
                    "median": {route.value: median(samples) for route, samples in columns.items()},
                    "samples": {route.value: samples for route, samples in columns.items()},
                }
                for key, columns in self._samples.items()
            },
            "failures": self.failures,
        }


def _ratio(columns: dict[Route, list[float]]) -> str:
    jump, ecluse = (columns.get(route) for route in (Route.JUMP, Route.ECLUSE))
    if not jump or not ecluse or not median(jump):
        return "–"
    return f"{median(ecluse) / median(jump):.2f}"
