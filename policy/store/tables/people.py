"""The hospital, its suppliers, its people and what they log in with."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from policy.store.columns import UtcDateTime
from policy.store.tables.schema import ID, LABEL, NAME, SERIAL, hospital, metadata, own

hospitals = Table(
    "hospitals",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", LABEL, nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("security_contact", String(500), nullable=False),
    Column("factors", JSON(none_as_null=True)),
    Column("continuation_seconds", Integer, nullable=False, server_default="0"),
    Column("continuation_connections", Integer, nullable=False, server_default="0"),
    Column("closed_at", UtcDateTime),
    Column("closed_by", ID),
    Column("closed_reason", String(500)),
)

suppliers = Table(
    "suppliers",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("name", LABEL, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("sites", JSON, nullable=False),
    Column("one_post", Boolean, nullable=False, server_default=false()),
    PrimaryKeyConstraint("hospital_id", "id"),
    UniqueConstraint("hospital_id", "name"),
)

people = Table(
    "people",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("login", NAME, nullable=False),
    Column("full_name", LABEL, nullable=False),
    Column("email", String(254), nullable=False),
    Column("language", String(2), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("supplier_id", ID),
    Column("active", Boolean, nullable=False),
    Column("one_post", Boolean, nullable=False, server_default=false()),
    PrimaryKeyConstraint("hospital_id", "id"),
    UniqueConstraint("hospital_id", "login"),
    UniqueConstraint("hospital_id", "email"),
    Index(None, "id"),
    own("suppliers", "supplier_id"),
)

passwords = Table(
    "passwords",
    metadata,
    hospital(),
    Column("person_id", ID, nullable=False),
    Column("password_hash", Text, nullable=False),
    PrimaryKeyConstraint("person_id", "hospital_id"),
    own("people", "person_id"),
)

totp_secrets = Table(
    "totp_secrets",
    metadata,
    hospital(),
    Column("person_id", ID, nullable=False),
    Column("sealed", Text, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    PrimaryKeyConstraint("person_id", "hospital_id"),
    own("people", "person_id"),
)

totp_uses = Table(
    "totp_uses",
    metadata,
    hospital(),
    Column("person_id", ID, nullable=False),
    Column("step", BigInteger, nullable=False),
    PrimaryKeyConstraint("person_id", "step", "hospital_id"),
    own("people", "person_id"),
)

ssh_keys = Table(
    "ssh_keys",
    metadata,
    hospital(),
    Column("person_id", ID, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("algorithm", String(64), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("label", LABEL, nullable=False),
    Column("kind", String(16), nullable=False, server_default="plain"),
    Column("added_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("hospital_id", "fingerprint"),
    own("people", "person_id"),
    Index(None, "person_id", "hospital_id"),
)

invitations = Table(
    "invitations",
    metadata,
    hospital(),
    Column("person_id", ID, nullable=False),
    Column("token_hash", String(64), nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Column("invited_by", ID),
    Column("spoken_hash", String(64)),
    Column("spoken_failures", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("hospital_id", "token_hash"),
    own("people", "person_id"),
    own("people", "invited_by"),
    Index(None, "hospital_id", "person_id"),
)

tokens = Table(
    "tokens",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("person_id", ID, nullable=False),
    Column("token_hash", String(64), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("label", LABEL, nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    PrimaryKeyConstraint("hospital_id", "id"),
    UniqueConstraint("hospital_id", "token_hash"),
    own("people", "person_id"),
    Index(None, "hospital_id", "person_id"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("position", SERIAL, primary_key=True, autoincrement=True),
    hospital(),
    Column("id", ID, nullable=False),
    Column("login", String(64), nullable=False),
    Column("source", String(45), nullable=False),
    Column("origin", String(49), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("kind", String(32), nullable=False),
    UniqueConstraint("hospital_id", "id"),
    Index(None, "hospital_id", "login", "at"),
    Index(None, "hospital_id", "origin", "at"),
    sqlite_autoincrement=True,
)
