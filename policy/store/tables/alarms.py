"""Alarms, what is counted before one is raised, messages about them, and how far the journal was read for them."""

from sqlalchemy import (
    JSON,
    BigInteger,
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
from policy.store.tables.schema import ID, hospital, metadata, own

alarms = Table(
    "alarms",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("key", String(200), nullable=False),
    Column("open_key", String(265)),
    Column("severity", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("person_id", String(64)),
    Column("device_id", String(64)),
    Column("session_id", String(64)),
    Column("over_at", UtcDateTime),
    Column("acknowledged_by", ID),
    Column("acknowledged_at", UtcDateTime),
    Column("acknowledged_note", Text),
    Column("closed_by", ID),
    Column("closed_at", UtcDateTime),
    Column("closed_note", Text),
    PrimaryKeyConstraint("hospital_id", "id"),
    UniqueConstraint("hospital_id", "open_key"),
    own("people", "acknowledged_by"),
    own("people", "closed_by"),
    Index(None, "hospital_id", "state", "last_at"),
)
"""``open_key`` is there until the alarm is closed: of one cause no two alarms can be open."""

alarm_tallies = Table(
    "alarm_tallies",
    metadata,
    hospital(),
    Column("name", String(300), nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("amount", BigInteger, nullable=False),
    PrimaryKeyConstraint("hospital_id", "name"),
)

alarm_calls = Table(
    "alarm_calls",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("alarm_id", ID, nullable=False),
    Column("event", String(16), nullable=False),
    Column("alarm", JSON, nullable=False),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("next_try_at", UtcDateTime, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("delivered_at", UtcDateTime),
    Column("abandoned_at", UtcDateTime),
    Column("fault", String(200)),
    PrimaryKeyConstraint("hospital_id", "id"),
    own("alarms", "alarm_id"),
    Index(None, "hospital_id", "next_try_at"),
)

journal_readers = Table(
    "journal_readers",
    metadata,
    hospital(),
    Column("reader", String(32), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("holder", String(200)),
    Column("held_until", UtcDateTime),
    PrimaryKeyConstraint("hospital_id", "reader"),
)

journal_bookmarks = Table(
    "journal_bookmarks",
    metadata,
    hospital(),
    Column("reader", String(32), nullable=False),
    Column("writer", String(200), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    PrimaryKeyConstraint("hospital_id", "reader", "writer"),
)
