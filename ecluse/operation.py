"""The sections of the settings about how the machine is run: where it is watched, what lets it start, its logs."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=0, le=65535)]


class Section(BaseModel):
    """One section: frozen, and nothing in it that is not a setting."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Watched(Section):
    """Where a process answers ``/healthz``, ``/readyz`` and ``/metrics``, in plain HTTP: without a port, nowhere.

    ``metrics_token_file`` holds what who reads metrics must show, 32 characters or more; needed where
    ``metrics_host`` is not this machine alone, and asked of this machine too where it is set.
    """

    metrics_host: str = "127.0.0.1"
    metrics_port: Port | None = None
    metrics_token_file: Path | None = None


class StartSection(Section):
    """What keeps a process from starting.

    ``clock_seconds``: how far the clock may be from that of the NTP source, the database server or the trace store.
    ``despite_clock`` starts it all the same, with a line in the log each time: for the hour of an emergency.
    """

    clock_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    despite_clock: bool = False


class TracingSection(Section):
    """Where spans of what the programs do are sent, by OTLP over HTTP: ``https://collector.hospital.example:4318``; unset, nowhere.

    ``sample`` is the share of traces that are sent, 0 to 1; ``ca`` the PEM file of who vouches for the collector.
    """

    endpoint: Annotated[str, Field(pattern=r"^https?://[^\s/?#]{1,250}/?$")] | None = None
    sample: Annotated[float, Field(ge=0, le=1)] = 1.0
    ca: Path | None = None


class BackupSection(Section):
    """Whom backups are sealed for, PEM files of public keys, and the folder they go to; unset, ``backups``."""

    recipients: tuple[Path, ...] = ()
    folder: Path | None = None


class SelfAuditSection(Section):
    """The self-audit: after how many days without one it is late, and what else may be listened to on this machine.

    ``listens`` names further ports beside the settings' own, ``22/tcp``: the machine's own ssh, its monitoring.
    ``advisories_url`` is the hospital's own mirror of the OSV database; unset, those on the Internet are asked.
    """

    late_days: Annotated[int, Field(ge=1, le=90)] = 3
    listens: tuple[Annotated[str, Field(pattern="^[0-9]{1,5}/(tcp|udp)$")], ...] = ()
    advisories_url: Annotated[str, Field(pattern=r"^https?://[^\s]{1,500}$")] | None = None


class LogSection(Section):
    """How chatty the logs are."""

    level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
