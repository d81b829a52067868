"""Rehearsals of the general cut, and which gateways heard."""

from sqlalchemy import JSON, Column, Integer, PrimaryKeyConstraint, String, Table

from policy.store.columns import UtcDateTime
from policy.store.tables.schema import ID, hospital, metadata, own

exercises = Table(
    "exercises",
    metadata,
    hospital(),
    Column("id", ID, nullable=False),
    Column("begun_at", UtcDateTime, nullable=False),
    Column("begun_by", ID, nullable=False),
    Column("reason", String(500), nullable=False),
    Column("finished_at", UtcDateTime),
    Column("result", JSON(none_as_null=True)),
    PrimaryKeyConstraint("hospital_id", "id"),
    own("people", "begun_by"),
)

exercise_answers = Table(
    "exercise_answers",
    metadata,
    hospital(),
    Column("exercise_id", ID, nullable=False),
    Column("node", String(100), nullable=False),
    Column("sessions", Integer, nullable=False),
    PrimaryKeyConstraint("hospital_id", "exercise_id", "node"),
    own("exercises", "exercise_id"),
)
