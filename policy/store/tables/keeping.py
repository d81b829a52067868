"""How long recordings are kept, what keeps them longer, and what was erased before its time."""

from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, String, Table, Text

from policy.store.columns import UtcDateTime
from policy.store.tables.schema import ID, LABEL, hospital, metadata, own

retention_rules = Table(
    "retention_rules",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("recordings_days", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("decider", LABEL, nullable=False),
    Column("asked_by", ID, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("approved_by", ID),
    Column("approved_at", UtcDateTime),
    Column("effective_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    PrimaryKeyConstraint("hospital_id", "id"),
    own("people", "asked_by"),
    own("people", "approved_by"),
)

holds = Table(
    "holds",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("case", LABEL, nullable=False),
    Column("reason", Text, nullable=False),
    Column("session_id", String(64)),
    Column("person_id", String(64)),
    Column("device_id", String(64)),
    Column("intervention_id", String(64)),
    Column("since", UtcDateTime),
    Column("until", UtcDateTime),
    Column("placed_by", ID, nullable=False),
    Column("placed_at", UtcDateTime, nullable=False),
    Column("lifted_by", ID),
    Column("lifted_at", UtcDateTime),
    Column("lift_reason", Text),
    PrimaryKeyConstraint("hospital_id", "id"),
    own("people", "placed_by"),
    own("people", "lifted_by"),
    Index(None, "hospital_id", "lifted_at"),
)
"""What a hold is about are texts, no references: a case outlives the register's rows."""

erasures = Table(
    "erasures",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("session_id", String(64), nullable=False),
    Column("person_id", String(64), nullable=False),
    Column("device_id", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("asked_by", ID, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("decided_by", ID),
    Column("decided_at", UtcDateTime),
    Column("answer", Text),
    Column("done_at", UtcDateTime),
    PrimaryKeyConstraint("hospital_id", "id"),
    own("people", "asked_by"),
    own("people", "decided_by"),
    Index(None, "hospital_id", "state"),
    Index(None, "hospital_id", "session_id"),
)
