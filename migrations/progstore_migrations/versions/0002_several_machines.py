"""Several machines: what is received from others, and what has yet to be sent to a server."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the three tables; what is there stays as it is, and older writers go on."""
    op.create_table(
        "remotes",
        sa.Column("process_id", ID, autoincrement=False, nullable=False),
        sa.Column("received_at", sa.Double()),
        sa.Column("clock_offset", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_remotes")),
    )
    op.create_table(
        "outgoing",
        sa.Column("url", WORDS, nullable=False),
        sa.Column("session_id", ID, autoincrement=False, nullable=False),
        sa.Column("task_id", ID, autoincrement=False, nullable=False),
        sa.Column("rev", ID, nullable=False),
        sa.Column("events_after", ID, nullable=False),
        sa.PrimaryKeyConstraint("url", "session_id", "task_id", name=op.f("pk_outgoing")),
    )
    op.create_table(
        "senders",
        sa.Column("url", WORDS, nullable=False),
        sa.Column("process_id", ID, autoincrement=False, nullable=False),
        sa.Column("beats", ID, nullable=False),
        sa.PrimaryKeyConstraint("url", "process_id", name=op.f("pk_senders")),
    )


def downgrade() -> None:
    """Forget what was not sent yet, and what is known of other machines' clocks."""
    for table in ("senders", "outgoing", "remotes"):
        op.drop_table(table)
