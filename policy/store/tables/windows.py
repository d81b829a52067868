"""Interventions and their reports, windows, whom and what they name, and their occurrences."""

from sqlalchemy import (
    JSON,
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

from policy.store.columns import Microseconds, UtcDateTime
from policy.store.tables.schema import ID, NAME, hospital, metadata, own

interventions = Table(
    "interventions",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("supplier_id", ID, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("purpose", String(500), nullable=False),
    Column("state", String(16), nullable=False),
    Column("requested_by", ID, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("hospital_id", "id"),
    own("suppliers", "supplier_id"),
    own("people", "requested_by"),
)

windows = Table(
    "windows",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("intervention_id", ID, nullable=False),
    Column("account", NAME),
    Column("channels", JSON, nullable=False),
    Column("idle_limit", Microseconds, nullable=False),
    Column("output_counts", Boolean, nullable=False),
    Column("output_ceiling", Microseconds),
    Column("purpose", String(500), nullable=False),
    Column("state", String(16), nullable=False),
    Column("requested_by", ID, nullable=False),
    Column("approved_by", ID),
    Column("recurrence", JSON(none_as_null=True)),
    Column("stored_until", UtcDateTime),
    Column("version", Integer, nullable=False),
    Column("level", String(16), nullable=False, server_default="standard"),
    Column("answer", String(500)),
    Column("forwards", JSON, nullable=False, server_default="[]"),
    Column("outage_grace", Microseconds, nullable=False, server_default="60000000"),
    PrimaryKeyConstraint("hospital_id", "id"),
    own("interventions", "intervention_id"),
    own("people", "requested_by"),
    own("people", "approved_by"),
)

window_people = Table(
    "window_people",
    metadata,
    hospital(),
    Column("window_id", ID, nullable=False),
    Column("person_id", ID, nullable=False),
    PrimaryKeyConstraint("hospital_id", "window_id", "person_id"),
    own("windows", "window_id"),
    own("people", "person_id"),
    Index(None, "hospital_id", "person_id"),
)

window_devices = Table(
    "window_devices",
    metadata,
    hospital(),
    Column("window_id", ID, nullable=False),
    Column("device_id", ID, nullable=False),
    PrimaryKeyConstraint("hospital_id", "window_id", "device_id"),
    own("windows", "window_id"),
    own("devices", "device_id"),
    Index(None, "hospital_id", "device_id"),
)

window_groups = Table(
    "window_groups",
    metadata,
    hospital(),
    Column("window_id", ID, nullable=False),
    Column("name", NAME, nullable=False),
    PrimaryKeyConstraint("hospital_id", "window_id", "name"),
    own("windows", "window_id"),
    Index(None, "hospital_id", "name"),
)

occurrences = Table(
    "occurrences",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("window_id", ID, nullable=False),
    Column("start_at", UtcDateTime, nullable=False),
    Column("end_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("hospital_id", "id"),
    own("windows", "window_id"),
    Index(None, "hospital_id", "window_id", "end_at", "start_at"),
    Index(None, "hospital_id", "start_at", "end_at"),
)

reports = Table(
    "reports",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("intervention_id", ID, nullable=False),
    Column("author_id", ID, nullable=False),
    Column("state", String(16), nullable=False),
    Column("goal", String(16), nullable=False),
    Column("what", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("filed_at", UtcDateTime, nullable=False),
    Column("acknowledged_by", ID),
    Column("acknowledged_at", UtcDateTime),
    PrimaryKeyConstraint("hospital_id", "id"),
    UniqueConstraint("hospital_id", "intervention_id"),
    own("interventions", "intervention_id"),
    own("people", "author_id"),
    own("people", "acknowledged_by"),
)
