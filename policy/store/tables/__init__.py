"""Tables of the policy database.

Every row has a hospital, and the hospital's id is in every key, so that the database itself refuses a row that
points into another hospital (invariant 11). The exceptions serve the installation as a whole: the running numbers
of attempts and of the outbox, the gateways' leases, and the names of processes.
"""

from policy.store.tables.alarms import (
    alarm_calls,
    alarm_tallies,
    alarms,
    journal_bookmarks,
    journal_readers,
)
from policy.store.tables.certificates import (
    login_authorities,
    revocation_lists,
    token_certificates,
    trust_anchors,
)
from policy.store.tables.console import console_readings, console_sessions
from policy.store.tables.devices import (
    account_secrets,
    accounts,
    authority_keys,
    derogations,
    device_authorities,
    device_groups,
    devices,
    zones,
)
from policy.store.tables.enrolment import (
    engagement_duties,
    engagement_texts,
    engagements,
    mails,
    recovery_codes,
    visits,
)
from policy.store.tables.exercises import exercise_answers, exercises
from policy.store.tables.keeping import erasures, holds, retention_rules
from policy.store.tables.people import (
    attempts,
    hospitals,
    invitations,
    passwords,
    people,
    ssh_keys,
    suppliers,
    tokens,
    totp_secrets,
    totp_uses,
)
from policy.store.tables.running import (
    continuations,
    extensions,
    nodes,
    outbox,
    programs,
    revocations,
    sessions,
    tasks,
)
from policy.store.tables.schema import metadata
from policy.store.tables.windows import (
    interventions,
    occurrences,
    reports,
    window_devices,
    window_groups,
    window_people,
    windows,
)

__all__ = [
    "account_secrets",
    "accounts",
    "alarm_calls",
    "alarm_tallies",
    "alarms",
    "attempts",
    "authority_keys",
    "console_readings",
    "console_sessions",
    "continuations",
    "derogations",
    "device_authorities",
    "device_groups",
    "devices",
    "engagement_duties",
    "engagement_texts",
    "engagements",
    "erasures",
    "exercise_answers",
    "exercises",
    "extensions",
    "holds",
    "hospitals",
    "interventions",
    "invitations",
    "journal_bookmarks",
    "journal_readers",
    "login_authorities",
    "mails",
    "metadata",
    "nodes",
    "occurrences",
    "outbox",
    "passwords",
    "people",
    "programs",
    "recovery_codes",
    "reports",
    "retention_rules",
    "revocation_lists",
    "revocations",
    "sessions",
    "ssh_keys",
    "suppliers",
    "tasks",
    "token_certificates",
    "tokens",
    "totp_secrets",
    "totp_uses",
    "trust_anchors",
    "visits",
    "window_devices",
    "window_groups",
    "window_people",
    "windows",
    "zones",
]
