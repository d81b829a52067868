"""What makes a screen: its path, who may ask for it, and what answers. Refused by default."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Final, TypeAlias

from starlette.datastructures import FormData
from starlette.responses import Response

from admin_api.console.staff.caller import StaffCaller
from policy.domain.people import Role

Shown: TypeAlias = Callable[[StaffCaller], Awaitable[Response]]
Taken: TypeAlias = Callable[[StaffCaller, FormData], Awaitable[Response]]

READERS: Final = frozenset({Role.PLANNER, Role.SECURITY, Role.ADMINISTRATOR})
"""Who may see which sessions there are; what was done in one is for the security role alone."""
STOPPERS: Final = READERS
AUDITORS: Final = frozenset({Role.SECURITY, Role.ADMINISTRATOR})
REPLAYERS: Final = frozenset({Role.SECURITY})
ANYONE: Final = frozenset[Role]()
"""Written out, for the few screens that serve somebody who has not signed in."""
PREFIX: Final = "/console"


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """One way in: *method* and *path* (as Starlette writes one), the *roles* of which any one may ask for it.

    ``fresh``: only with a code that was given a short time ago. ``by_itself``: a page that lies open asks for it again and
    again, which is no activity of anybody's. ``show`` answers a GET, ``take`` a form.
    """

    method: str
    path: str
    roles: frozenset[Role]
    fresh: bool
    by_itself: bool = False
    show: Shown | None
    take: Taken | None

    @property
    def public(self) -> bool:
        """Whether somebody who has not signed in may ask."""
        return not self.roles

    def open_to(self, roles: Collection[Role]) -> bool:
        """Tell whether somebody with these *roles* may ask."""
        return self.public or not self.roles.isdisjoint(roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the menu: the key of its word, where it leads, its picture's name, and its place."""

    key: str
    path: str
    icon: str
    order: int
    roles: frozenset[Role]


class Screens:
    """The screens of one module."""

    def __init__(self) -> None:
        """Begin without any."""
        self.found: list[Screen] = []
        self.entries: list[Entry] = []

    def get(
        self, path: str, *, roles: frozenset[Role] | None = None, by_itself: bool = False
    ) -> Callable[[Shown], Shown]:
        """Let a GET of *path* be answered by what is decorated; raises ValueError for one that names no *roles*."""

        def added(show: Shown) -> Shown:
            self._add(
                Screen(
                    method="GET",
                    path=path,
                    roles=_named(path, roles),
                    fresh=False,
                    by_itself=by_itself,
                    show=show,
                    take=None,
                )
            )
            return show

        return added

    def post(
        self, path: str, *, roles: frozenset[Role] | None = None, fresh: bool = False
    ) -> Callable[[Taken], Taken]:
        """Let a form sent to *path* be taken by what is decorated; raises ValueError for one that names no *roles*."""

        def added(take: Taken) -> Taken:
            self._add(
                Screen(method="POST", path=path, roles=_named(path, roles), fresh=fresh, show=None, take=take)
            )
            return take

        return added

    def entry(self, key: str, path: str, *, icon: str, order: int, roles: frozenset[Role]) -> None:
        """Put a line into the menu of those who hold one of *roles*."""
        self.entries.append(Entry(key=key, path=path, icon=icon, order=order, roles=roles))

    def _add(self, screen: Screen) -> None:
        if not screen.path.startswith(PREFIX):
            raise ValueError(f"{screen.path} is no path of the console")
        self.found.append(screen)


def _named(path: str, roles: frozenset[Role] | None) -> frozenset[Role]:
    if roles is None:
        raise ValueError(f"{path} does not say who may ask for it")
    return roles
