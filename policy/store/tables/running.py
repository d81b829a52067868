"""What goes on: cuts, extensions asked for, sessions, gateways' leases, processes, device tasks and the outbox."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from policy.store.columns import UtcDateTime
from policy.store.tables.schema import ID, NAME, SERIAL, hospital, metadata, own

revocations = Table(
    "revocations",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("scope", String(16), nullable=False),
    Column("target", ID, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("reason", String(500), nullable=False),
    Column("by_id", ID, nullable=False),
    PrimaryKeyConstraint("hospital_id", "id"),
    own("people", "by_id"),
    Index(None, "hospital_id", "at"),
)

extensions = Table(
    "extensions",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("window_id", ID, nullable=False),
    Column("occurrence_id", ID, nullable=False),
    Column("end_at", UtcDateTime, nullable=False),
    Column("requested_by", ID, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("reason", String(500), nullable=False, server_default=""),
    Column("decided_by", ID),
    Column("approved", Boolean),
    Column("answer", String(500)),
    PrimaryKeyConstraint("hospital_id", "id"),
    own("windows", "window_id"),
    own("occurrences", "occurrence_id"),
    own("people", "requested_by"),
    own("people", "decided_by"),
)

nodes = Table(
    "nodes",
    metadata,
    Column("node", String(100), primary_key=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("beat_at", UtcDateTime, nullable=False),
    Column("hospital_id", String(32)),  # not told by gateways of before revision 0019
)

programs = Table(
    "programs",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("node", String(100), primary_key=True),
    Column("claim", String(32), nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("version", String(32), nullable=False),
    Column("policy_schema", String(32), nullable=False),
    Column("trace_schema", String(32), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("beat_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("seal", String(64), nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("person_id", ID, nullable=False),
    Column("supplier_id", ID),
    Column("device_id", ID, nullable=False),
    Column("account_name", NAME, nullable=False),
    Column("window_id", ID, nullable=False),
    Column("node", String(100), nullable=False),
    Column("source", String(45), nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("hard_end", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("end_reason", String(100)),
    Column("granted", Text, nullable=False),
    PrimaryKeyConstraint("hospital_id", "id"),
    own("people", "person_id"),
    own("devices", "device_id"),
    own("windows", "window_id"),
    Index(None, "hospital_id", "person_id", "closed_at"),
    Index(None, "hospital_id", "closed_at", "opened_at"),
    Index(None, "hospital_id", "window_id"),
    Index(None, "node", "closed_at"),
)

tasks = Table(
    "tasks",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("device_id", ID, nullable=False),
    Column("account_id", ID),
    Column("state", String(16), nullable=False),
    Column("requested_by", ID, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("node", String(100)),
    Column("claimed_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("result", JSON(none_as_null=True)),
    PrimaryKeyConstraint("hospital_id", "id"),
    own("devices", "device_id"),
    own("accounts", "account_id"),
    own("people", "requested_by"),
    Index(None, "state", "requested_at"),
    Index(None, "hospital_id", "requested_at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("position", SERIAL, primary_key=True, autoincrement=True),
    hospital(),
    Column("id", ID, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("name", String(64), nullable=False),
    Column("actor", ID),
    Column("subject", String(64), nullable=False),
    Column("before", JSON, nullable=False),
    Column("after", JSON, nullable=False),
    UniqueConstraint("hospital_id", "id"),
    sqlite_autoincrement=True,
)
"""``position`` grows in commit order over all hospitals: a reader who has seen one has seen all before it."""

continuations = Table(
    "continuations",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("person_id", ID, nullable=False),
    Column("device", NAME, nullable=False),
    Column("source", String(45), nullable=False),
    Column("first", String(64), nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("attempt_id", ID, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("most", Integer, nullable=False),
    Column("uses", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    PrimaryKeyConstraint("hospital_id", "id"),
    UniqueConstraint("hospital_id", "person_id", "device", "source"),
    own("people", "person_id"),
)
