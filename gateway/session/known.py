"""What every log line about a session says of it."""

import structlog

from policy.domain.access import Grant


def known_by(grant: Grant) -> dict[str, str]:
    """Return the ids that tell a session: its own, the person's and the device's."""
    return {"session": grant.session_id, "person": grant.person_id, "device": grant.device_id}


def speak_of(grant: Grant) -> None:
    """Put these ids on every line that the running task logs from here on, and the tasks it starts."""
    structlog.contextvars.bind_contextvars(**known_by(grant))
