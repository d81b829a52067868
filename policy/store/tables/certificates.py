"""Certificates that people log in with, and whom the hospital believes when it looks at them."""

from sqlalchemy import (
    JSON,
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from policy.store.columns import UtcDateTime
from policy.store.tables.schema import ID, LABEL, hospital, metadata, own

trust_anchors = Table(
    "trust_anchors",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("name", LABEL, nullable=False),
    Column("certificate", LargeBinary, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("supplier_id", ID),
    Column("crl_urls", JSON, nullable=False),
    Column("ocsp_url", String(500)),
    Column("when_stale", String(16), nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("hospital_id", "id"),
    UniqueConstraint("hospital_id", "name"),
    own("suppliers", "supplier_id"),
)

revocation_lists = Table(
    "revocation_lists",
    metadata,
    hospital(),
    Column("anchor_id", ID, nullable=False),
    Column("issuer", String(64), nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("this_update", UtcDateTime, nullable=False),
    Column("next_update", UtcDateTime, nullable=False),
    Column("source", String(500), nullable=False),
    Column("taken_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("hospital_id", "anchor_id", "issuer"),
    own("trust_anchors", "anchor_id"),
)

token_certificates = Table(
    "token_certificates",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("person_id", ID, nullable=False),
    Column("key_fingerprint", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("pem", Text, nullable=False),
    Column("subject", String(500), nullable=False),
    Column("not_before", UtcDateTime, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
    Column("revoked_as", String(16)),
    Column("revoked_at", UtcDateTime),
    Column("revoked_by", String(500)),
    PrimaryKeyConstraint("hospital_id", "id"),
    UniqueConstraint("hospital_id", "fingerprint"),
    own("people", "person_id"),
    Index(None, "hospital_id", "person_id"),
)

login_authorities = Table(
    "login_authorities",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("name", LABEL, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("supplier_id", ID),
    Column("krl", LargeBinary),
    Column("krl_at", UtcDateTime),
    Column("added_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("hospital_id", "id"),
    UniqueConstraint("hospital_id", "name"),
    UniqueConstraint("hospital_id", "fingerprint"),
    own("suppliers", "supplier_id"),
)
