"""${message}"""

from alembic import op
import sqlalchemy as sa

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}

kind = ""  # "expand"; or "contract", and then unused_since = the first revision whose programs no longer use what goes


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
