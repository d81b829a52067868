"""What a person goes through before her first session: texts and their acceptance, visits, recovery codes, mails."""

from sqlalchemy import (
    JSON,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from policy.store.columns import UtcDateTime
from policy.store.tables.schema import ID, hospital, metadata, own

DIGEST = String(64)
KIND = String(32)

engagement_texts = Table(
    "engagement_texts",
    metadata,
    hospital(),
    Column("kind", KIND, nullable=False),
    Column("version", Integer, nullable=False),
    Column("titles", JSON, nullable=False),
    Column("paragraphs", JSON, nullable=False),
    Column("digest", DIGEST, nullable=False),
    Column("published_at", UtcDateTime, nullable=False),
    Column("effective_at", UtcDateTime, nullable=False),
    Column("published_by", ID),
    PrimaryKeyConstraint("hospital_id", "kind", "version"),
    own("people", "published_by"),
)

engagements = Table(
    "engagements",
    metadata,
    hospital(),
    Column("person_id", ID, nullable=False),
    Column("kind", KIND, nullable=False),
    Column("version", Integer, nullable=False),
    Column("digest", DIGEST, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("source", String(45), nullable=False),
    PrimaryKeyConstraint("hospital_id", "person_id", "kind", "version"),
    own("people", "person_id"),
    ForeignKeyConstraint(
        ["hospital_id", "kind", "version"],
        ["engagement_texts.hospital_id", "engagement_texts.kind", "engagement_texts.version"],
    ),
)

engagement_duties = Table(
    "engagement_duties",
    metadata,
    hospital(),
    Column("person_id", ID, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("hospital_id", "person_id"),
    own("people", "person_id"),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    hospital(),
    Column("person_id", ID, nullable=False),
    Column("code_hash", DIGEST, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    PrimaryKeyConstraint("hospital_id", "person_id", "code_hash"),
    own("people", "person_id"),
)

visits = Table(
    "visits",
    metadata,
    hospital(),
    Column("token_hash", DIGEST, nullable=False),
    Column("person_id", ID, nullable=False),
    Column("purpose", KIND, nullable=False),
    Column("invitation_hash", DIGEST),
    Column("source", String(45), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("chosen_at", UtcDateTime),
    Column("confirmed_at", UtcDateTime),
    PrimaryKeyConstraint("hospital_id", "token_hash"),
    own("people", "person_id"),
    ForeignKeyConstraint(
        ["hospital_id", "invitation_hash"], ["invitations.hospital_id", "invitations.token_hash"]
    ),
    Index(None, "hospital_id", "person_id"),
)

mails = Table(
    "mails",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("person_id", ID, nullable=False),
    Column("kind", KIND, nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("sealed", Text),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("next_try_at", UtcDateTime, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("abandoned_at", UtcDateTime),
    Column("fault", String(200)),
    PrimaryKeyConstraint("hospital_id", "id"),
    own("people", "person_id"),
    Index(None, "next_try_at"),
    Index(None, "hospital_id", "person_id"),
)
"""``sealed`` is the link of an invitation, until the mail has left or its time is over."""
