"""The catalogue's and the journal's tables: rows are inserted, never changed; old entries of the journal go by rule."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, MetaData, String, Table, Text

from recorder.store.columns import Instant

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

sessions_opened = Table(
    "sessions_opened",
    metadata,
    Column("hospital_id", String(64), primary_key=True),
    Column("session_id", String(64), primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("node", String(128), nullable=False),
    Column("person_id", String(64), nullable=False),
    Column("supplier_id", String(64), nullable=False),
    Column("device_id", String(64), nullable=False),
    Column("window_id", String(64), nullable=False),
    Column("header", Text, nullable=False),
    Index(None, "hospital_id", "started_at", "session_id"),
    Index("ix_sessions_opened_device", "hospital_id", "device_id", "started_at", "session_id"),
    Index("ix_sessions_opened_person", "hospital_id", "person_id", "started_at", "session_id"),
    Index("ix_sessions_opened_supplier", "hospital_id", "supplier_id", "started_at", "session_id"),
)

sessions_closed = Table(
    "sessions_closed",
    metadata,
    Column("hospital_id", String(64), primary_key=True),
    Column("session_id", String(64), primary_key=True),
    Column("closed_at", Instant, nullable=False),
    Column("end_reason", Text, nullable=False),
    Column("interrupted", Boolean, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("trimmed_bytes", BigInteger, nullable=False),
    Column("manifest_sha256", String(64), nullable=False),
    Column("signer", String(16), nullable=False),
    Column("lasted", BigInteger, nullable=False, server_default="0"),
    Index("ix_sessions_closed_lasted", "hospital_id", "lasted", "closed_at", "session_id"),
    Index(None, "hospital_id", "closed_at"),
)
"""``lasted``: microseconds from its opening to its end, to find what lasted long."""

journal_entries = Table(
    "journal_entries",
    metadata,
    Column("hospital_id", String(64), primary_key=True),
    Column("writer", String(200), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("name", String(100), nullable=False),
    Column("actor", Text),
    Column("person_id", String(64)),
    Column("device_id", String(64)),
    Column("session_id", String(64)),
    Column("source", Text),
    Column("event_id", String(64), nullable=False),
    Column("outbox_id", String(64)),
    Column("content", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Index(None, "hospital_id", "outbox_id", unique=True),
    Index(None, "hospital_id", "event_id", unique=True),
    Index(None, "hospital_id", "at", "writer", "seq"),
    Index(None, "hospital_id", "session_id"),
)

journal_purges = Table(
    "journal_purges",
    metadata,
    Column("hospital_id", String(64), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("made_at", Instant, nullable=False),
    Column("content", Text, nullable=False),
    Column("signature", String(128), nullable=False),
)
"""The signed record of what went of the journal by rule, kept before anything goes; the newest tells of all of it."""

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("hospital_id", String(64), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("content", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("signature", String(128), nullable=False),
    Column("signer", String(16), nullable=False),
)

checkpoint_heads = Table(
    "checkpoint_heads",
    metadata,
    Column("hospital_id", String(64), primary_key=True),
    Column("writer", String(200), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False),
    Column("sequence", BigInteger, nullable=False),
)

checkpoint_facts = Table(
    "checkpoint_facts",
    metadata,
    Column("hospital_id", String(64), primary_key=True),
    Column("session_id", String(64), primary_key=True),
    Column("fact", String(8), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
)

checkpoint_stamps = Table(
    "checkpoint_stamps",
    metadata,
    Column("hospital_id", String(64), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("authority", String(64), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("token", Text, nullable=False),
)

checkpoint_deliveries = Table(
    "checkpoint_deliveries",
    metadata,
    Column("hospital_id", String(64), primary_key=True),
    Column("target", String(64), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("document", String(80), primary_key=True),
    Column("at", Instant, nullable=False),
)

sessions_purged = Table(
    "sessions_purged",
    metadata,
    Column("hospital_id", String(64), primary_key=True),
    Column("session_id", String(64), primary_key=True),
    Column("purged_at", Instant, nullable=False),
    Column("purge_sha256", String(64), nullable=False),
)

purge_records = Table(
    "purge_records",
    metadata,
    Column("hospital_id", String(64), primary_key=True),
    Column("session_id", String(64), primary_key=True),
    Column("made_at", Instant, nullable=False),
    Column("kept_until", Instant),
    Column("content", Text, nullable=False),
    Column("signature", String(128), nullable=False),
)
"""The signed record of a purge, before anything is destroyed: whoever dies on the way finishes by it.

``kept_until``: until when the store refuses to let go what is named as kept; null where all goes at once.
"""

purges_finished = Table(
    "purges_finished",
    metadata,
    Column("hospital_id", String(64), primary_key=True),
    Column("session_id", String(64), primary_key=True),
    Column("at", Instant, nullable=False),
)

holds_stored = Table(
    "holds_stored",
    metadata,
    Column("hospital_id", String(64), primary_key=True),
    Column("session_id", String(64), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("held", Boolean, nullable=False),
)
"""When the store was told to hold a trace, and to let go; the row of the highest number says how it stands."""
