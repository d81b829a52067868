"""Where a person may be expected to go: what her SSH configuration is made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A device that an approved window opens to a person, now or later, and the dedicated accounts that it allows."""

    device_name: str
    account_names: tuple[str, ...]
