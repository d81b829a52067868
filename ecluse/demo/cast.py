"""The people of the demonstration: how each one logs in."""

import secrets
from dataclasses import dataclass
from datetime import timedelta

import pyotp

from ecluse.client import ApiClient
from policy.clock import Clock

STEP = timedelta(seconds=30)
TOLERATED_STEPS = (0, 1, -1)
"""A code serves once, and one step early or late is tolerated (RFC 6238 §5.2): three log-ins in a row at most."""


class Actor:
    """A person of the demonstration, who knows a password and owns an authenticator."""

    def __init__(self, login: str, full_name: str, roles: tuple[str, ...], language: str = "fr") -> None:
        """Choose a fresh password; the authenticator comes with ``enrol``."""
        self.login = login
        self.full_name = full_name
        self.roles = roles
        self.language = language
        self.email = f"{login}.{login}@demo.example"
        self.password = "-".join(secrets.token_hex(3) for _ in range(4))
        self.totp_secret = ""
        self._used: set[str] = set()

    @property
    def role(self) -> str:
        """The first of the person's roles."""
        return self.roles[0]

    def enrol(self, client: ApiClient, invitation: str, clock: Clock) -> None:
        """Answer the *invitation* as a person would: password, authenticator, texts, first code."""
        shown = client.post("/v1/enrolment/password", {"invitation": invitation, "password": self.password})
        self.totp_secret = str(shown["secret"])
        texts = client.post("/v1/enrolment/engagements", {"invitation": invitation})["items"]
        versions = {text["kind"]: text["version"] for text in texts}
        client.post("/v1/enrolment/accept", {"invitation": invitation, "versions": versions})
        client.post("/v1/enrolment/confirm", {"invitation": invitation, "code": self.code(clock)})

    def code(self, clock: Clock) -> str:
        """Return a code that serves now and was not given before; waits for nothing.

        Raises LookupError when the three that serve now were all given.
        """
        authenticator = pyotp.TOTP(self.totp_secret)
        for steps in TOLERATED_STEPS:
            code = authenticator.at(clock.now() + steps * STEP)
            if code not in self._used:
                self._used.add(code)
                return code
        raise LookupError(f"{self.login} has used every code that serves now")

    def shown_code(self, clock: Clock) -> str:
        """Return the code that the authenticator shows now, used or not."""
        return pyotp.TOTP(self.totp_secret).at(clock.now())

    def document(self) -> dict[str, str]:
        """Return the person as ``demo.json`` says it."""
        return {
            "login": self.login,
            "role": self.role,
            "password": self.password,
            "totp_secret": self.totp_secret,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Troupe:
    """Everybody: two administrators, an operator, a security officer and two technicians of one supplier.

    The operator holds every role of the hospital's side: the printed commands and ``demo.json`` carry its token.
    """

    dsi: Actor
    denis: Actor
    operator: Actor
    rssi: Actor
    alice: Actor
    bob: Actor

    @classmethod
    def gather(cls) -> "Troupe":
        """Return the people, each with a fresh password."""
        return cls(
            dsi=Actor("dsi", "Denise Martin (DSI)", ("administrator", "planner")),
            denis=Actor("denis", "Denis Leroy (DSI)", ("administrator", "planner")),
            operator=Actor("operator", "Olive Petit", ("administrator", "planner", "security")),
            rssi=Actor("rssi", "Rosa Simon (RSSI)", ("security",)),
            alice=Actor("alice", "Alice Bernard", ("technician",)),
            bob=Actor("bob", "Bob Garnier", ("technician",)),
        )

    def everybody(self) -> tuple[Actor, ...]:
        """Return all of them, administrators first."""
        return (self.dsi, self.denis, self.operator, self.rssi, self.alice, self.bob)
