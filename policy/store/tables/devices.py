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
)

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
