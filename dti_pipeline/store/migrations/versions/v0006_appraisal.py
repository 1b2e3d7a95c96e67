"""appraisal: the chain of events, and discrepancies between claims and harvested figures"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("assessment", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("actor_unit", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("criterion", sa.String(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("recorded_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_event_sequence", "event", ["assessment", "sequence"], unique=True)
    op.create_table(
        "discrepancy",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("is_withdrawn", sa.Boolean(), nullable=False),
        sa.Column("night", sa.String(), nullable=False),
        sa.Column("assessment", sa.String(), nullable=False),
        sa.Column("framework", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("criterion", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("claimed", sa.String(), nullable=True),
        sa.Column("claimed_state", sa.String(), nullable=True),
        sa.Column("claim", sa.String(), nullable=True),
        sa.Column("automatic", sa.String(), nullable=True),
        sa.Column("automatic_state", sa.String(), nullable=True),
        sa.Column("automatic_reason", sa.Text(), nullable=True),
        sa.Column("observations", sa.Text(), nullable=False),
        sa.Column("other_sources", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("is_decided", sa.Boolean(), nullable=False),
        sa.Column("rank_impact", sa.Integer(), nullable=True),
        sa.Column("unit_places", sa.Integer(), nullable=True),
        sa.Column("points_micro", sa.Integer(), nullable=True),
        sa.Column("recorded_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_discrepancy_night", "discrepancy", ["night", "assessment", "level"])


def downgrade() -> None:
    op.drop_table("discrepancy")
    op.drop_table("event")
