"""${message}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    """Within a major version a revision only adds, so that older writers go on."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """There is no way back: make a copy with `progstore db backup` before an upgrade."""
    raise NotImplementedError("there is no way back; restore the copy that `progstore db backup` made")
