"""Where a process is watched: a frozen value, made by the composition root."""

from dataclasses import dataclass

from policy.vault.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationSettings:
    """Where the process of *section* of the settings is watched.

    ``token`` is asked of who reads metrics; None: this machine alone reads them.
    """

    section: str
    host: str
    port: int
    token: Secret | None = None
