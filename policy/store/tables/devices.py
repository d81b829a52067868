"""Zones, devices, their groups and their dedicated accounts."""

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
    text,
)

from policy.store.columns import UtcDateTime
from policy.store.tables.schema import ID, LABEL, NAME, hospital, metadata, own

zones = Table(
    "zones",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("name", LABEL, nullable=False),
    Column("source_address", String(45)),
    PrimaryKeyConstraint("hospital_id", "id"),
    UniqueConstraint("hospital_id", "name"),
)

devices = Table(
    "devices",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("name", NAME, nullable=False),
    Column("description", String(500), nullable=False),
    Column("zone_id", ID, nullable=False),
    Column("address", String(45), nullable=False),
    Column("port", Integer, nullable=False),
    Column("host_keys", JSON, nullable=False),
    Column("algorithms", JSON, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("level", String(16), nullable=False, server_default="standard"),
    PrimaryKeyConstraint("hospital_id", "id"),
    UniqueConstraint("hospital_id", "name"),
    own("zones", "zone_id"),
)

device_groups = Table(
    "device_groups",
    metadata,
    hospital(),
    Column("device_id", ID, nullable=False),
    Column("name", NAME, nullable=False),
    PrimaryKeyConstraint("hospital_id", "device_id", "name"),
    own("devices", "device_id"),
    Index(None, "hospital_id", "name"),
)

accounts = Table(
    "accounts",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("device_id", ID, nullable=False),
    Column("name", NAME, nullable=False),
    Column("method", String(16), nullable=False),
    Column("active", Boolean, nullable=False),
    PrimaryKeyConstraint("hospital_id", "id"),
    UniqueConstraint("hospital_id", "device_id", "name"),
    own("devices", "device_id"),
)

account_secrets = Table(
    "account_secrets",
    metadata,
    hospital(),
    Column("account_id", ID, nullable=False),
    Column("sealed", Text, nullable=False),
    Column("fingerprint", String(128), nullable=False),
    PrimaryKeyConstraint("hospital_id", "account_id"),
    UniqueConstraint("hospital_id", "fingerprint"),
    own("accounts", "account_id"),
)

device_authorities = Table(
    "device_authorities",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("state", String(16), nullable=False),
    Column("public_key", String(500), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("made_by", ID, nullable=False),
    Column("retired_at", UtcDateTime),
    PrimaryKeyConstraint("hospital_id", "id"),
    own("people", "made_by"),
    Index(
        "uq_device_authorities_in_use",
        "hospital_id",
        "state",
        unique=True,
        sqlite_where=text("state <> 'retired'"),
        postgresql_where=text("state <> 'retired'"),
    ),
)

authority_keys = Table(
    "authority_keys",
    metadata,
    hospital(),
    Column("authority_id", ID, nullable=False),
    Column("sealed", Text, nullable=False),
    PrimaryKeyConstraint("hospital_id", "authority_id"),
    own("device_authorities", "authority_id"),
)

derogations = Table(
    "derogations",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("device_id", ID, nullable=False),
    Column("weakness", String(100), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("decided_by", ID, nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("withdrawn_at", UtcDateTime),
    PrimaryKeyConstraint("hospital_id", "id"),
    own("devices", "device_id"),
    own("people", "decided_by"),
    Index(None, "hospital_id", "device_id"),
)
