"""quarantine: held figures whole, what was decided on them, and answers read again"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("snapshot", schema=None) as batch_op:
        batch_op.add_column(sa.Column("reread_of", sa.String(), nullable=True))
    with op.batch_alter_table("quarantine", schema=None) as batch_op:
        batch_op.add_column(sa.Column("observation", sa.Text(), nullable=True))
    op.create_table(
        "quarantine_decision",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("quarantine_id", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("quarantine_decision", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_quarantine_decision_quarantine_id"), ["quarantine_id"], unique=False)


def downgrade() -> None:
    op.drop_table("quarantine_decision")
    with op.batch_alter_table("quarantine", schema=None) as batch_op:
        batch_op.drop_column("observation")
    with op.batch_alter_table("snapshot", schema=None) as batch_op:
        batch_op.drop_column("reread_of")
