"""Sessions of the console, and the traces that are read in them."""

from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)

from policy.store.columns import UtcDateTime
from policy.store.tables.schema import ID, hospital, metadata, own

console_sessions = Table(
    "console_sessions",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("token_hash", String(64), nullable=False),
    Column("person_id", ID, nullable=False),
    Column("source", String(45), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("proved_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("hospital_id", "id"),
    UniqueConstraint("hospital_id", "token_hash"),
    own("people", "person_id"),
    Index(None, "hospital_id", "person_id"),
)

console_readings = Table(
    "console_readings",
    metadata,
    hospital(),
    Column("console_session_id", ID, nullable=False),
    Column("trace_id", String(64), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("hospital_id", "console_session_id", "trace_id"),
    ForeignKeyConstraint(
        ["hospital_id", "console_session_id"], ["console_sessions.hospital_id", "console_sessions.id"]
    ),
)
