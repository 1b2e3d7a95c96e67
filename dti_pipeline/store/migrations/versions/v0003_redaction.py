"""redaction: kept bytes that differ from the original say what was removed; unavailable figures say why"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("snapshot", schema=None) as batch_op:
        batch_op.add_column(sa.Column("original_sha256", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("removed", sa.Text(), nullable=True))
    removed = sa.table("snapshot", sa.column("removed"))
    op.execute(removed.update().values(removed="[]"))
    with op.batch_alter_table("snapshot", schema=None) as batch_op:
        batch_op.alter_column("removed", existing_type=sa.Text(), nullable=False)
    with op.batch_alter_table("observation", schema=None) as batch_op:
        batch_op.add_column(sa.Column("reason", sa.String(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("observation", schema=None) as batch_op:
        batch_op.drop_column("reason")
    with op.batch_alter_table("snapshot", schema=None) as batch_op:
        batch_op.drop_column("removed")
        batch_op.drop_column("original_sha256")
