"""What a technician reads of her own windows and of what she asked for."""

from dataclasses import dataclass

from policy.domain.interventions import InterventionKind
from policy.domain.windows import Extension, Occurrence, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWindow:
    """One opening of a window that names her.

    ``devices`` are names, those of groups included; ``asked_by_her``: the window began as her request.
    ``extensions`` are what she asked for of this opening, oldest first, and ``deciders`` the full names of those
    who decided, by their ids.
    """

    window: Window
    occurrence: Occurrence
    kind: InterventionKind
    devices: tuple[str, ...]
    asked_by_her: bool
    extensions: tuple[Extension, ...]
    deciders: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTime:
    """More time, asked for: the extension, the names of the devices it is for, and whether she has a session there."""

    extension: Extension
    devices: tuple[str, ...]
    inside: bool
