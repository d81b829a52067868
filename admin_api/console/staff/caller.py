"""One request to the console: who asks, by which session, and what was typed before."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from starlette.datastructures import FormData
from starlette.requests import Request

from admin_api.console.caller import CONSOLE, Caller, text
from admin_api.deps import Context
from policy.domain.hospitals import Hospital
from policy.domain.ids import HospitalId, PersonId
from policy.domain.people import Role
from policy.errors import AuthenticationFailed
from policy.services.console_sessions import Visitor
from policy.services.tokens import Principal


@dataclass(slots=True)
class StaffCaller(Caller):
    """What a screen knows of its request. ``visitor`` is None for somebody who has not signed in.

    ``fault`` is a sentence about what was refused, ``kept`` what was typed into the form that it is about.
    """

    hospital: Hospital | None = None
    visitor: Visitor | None = None
    fault: str | None = None
    kept: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    async def arrive(cls, request: Request, context: Context, *, by_itself: bool = False) -> Self:
        """Read the request and look who it is; somebody unknown is nobody. Raises PolicyUnavailable.

        *by_itself*: a page that lies open asks, and nobody did anything.
        """
        caller = cls.of(request, context, CONSOLE)
        caller.hospital = await context.services.hospitals.get(context.settings.hospital_id)
        if caller.visit is None:
            return caller
        try:
            visitor = await context.services.console_sessions.authenticate(caller.visit, by_itself=by_itself)
        except AuthenticationFailed:
            return caller
        if visitor.person.hospital_id == context.settings.hospital_id:
            caller.visitor = visitor
            if not caller.chose_language:
                caller.language = visitor.person.language
        return caller

    @property
    def who(self) -> Visitor:
        """Who has signed in; raises AuthenticationFailed where nobody has."""
        if self.visitor is None:
            raise AuthenticationFailed("authentication failed")
        return self.visitor

    @property
    def here(self) -> Hospital:
        """The hospital; raises TypeError before ``arrive``."""
        if self.hospital is None:
            raise TypeError("the caller has not arrived")
        return self.hospital

    @property
    def actor(self) -> PersonId:
        """The person's id, as services ask for it."""
        return self.who.person.id

    @property
    def hospital_id(self) -> HospitalId:
        """The hospital's id, which scopes every query."""
        return self.here.id

    @property
    def roles(self) -> frozenset[Role]:
        """The roles that she has now; none before she has signed in."""
        return frozenset() if self.visitor is None else self.visitor.roles

    @property
    def principal(self) -> Principal:
        """Who calls, as the API's functions ask for it."""
        who = self.who
        return Principal(
            person=who.person, roles=who.roles, hospital_id=who.person.hospital_id, token_id=who.session.id
        )

    @property
    def partial(self) -> bool:
        """Whether a part of the page asks for itself, by htmx."""
        return self.request.headers.get("hx-request") == "true"

    def path(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str, *, longest: int = 200) -> str:
        """Return a field of the query, bounded and without blanks around it; empty where there is none."""
        return self.request.query_params.get(name, "")[:longest].strip()

    def keep(self, form: FormData) -> None:
        """Remember what was typed, but for secrets, so that the form can be shown again."""
        names = [name for name in form if name not in {"password", "code", "form_token"}]
        self.kept = {name: text(form, name) for name in names}
