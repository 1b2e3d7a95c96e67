"""assessments: one framework may be assessed for several years; ratings, standings, footnotes and publications"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INDEXES = {
    "claim": ("ix_claim_key", ["level", "unit", "criterion", "name"], []),
    "input": ("ix_input_night", ["level"], ["night"]),
    "score": ("ix_score_night", ["level"], ["night"]),
    "ranking": ("ix_ranking_night", ["level"], ["night"]),
}
_NULLABLE: dict[str, sa.types.TypeEngine[Any]] = {
    "total_micro": sa.Integer(),
    "max_points": sa.String(),
    "percent": sa.String(),
    "published": sa.String(),
}


def upgrade() -> None:
    for table, (index, after, before) in _INDEXES.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_index(index)
            batch_op.add_column(sa.Column("assessment", sa.String(), nullable=True))
        # Until now a framework had one assessment, named as the framework was.
        rows = sa.table(table, sa.column("assessment"), sa.column("framework"))
        op.execute(rows.update().values(assessment=rows.c.framework))
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.alter_column("assessment", existing_type=sa.String(), nullable=False)
            batch_op.create_index(index, [*before, "assessment", *after], unique=False)
    with op.batch_alter_table("ranking", schema=None) as batch_op:
        for column, kind in _NULLABLE.items():
            batch_op.alter_column(column, existing_type=kind, nullable=True)
        for column in ("standing", "basis", "level_basis"):
            batch_op.add_column(sa.Column(column, sa.String(), nullable=True))
        batch_op.add_column(sa.Column("groups", sa.Text(), nullable=True))
        for column in ("standing_reason", "printed", "level_published", "rating_reason"):
            batch_op.add_column(sa.Column(column, sa.String(), nullable=True))
    ranking = sa.table(
        "ranking",
        *(
            sa.column(name)
            for name in ("standing", "basis", "level_basis", "groups", "printed", "level_published", "published")
        ),
    )
    op.execute(
        ranking.update().values(
            standing="ranked",
            basis="points",
            level_basis="points",
            groups="[]",
            printed=ranking.c.published,
            level_published=ranking.c.published,
        )
    )
    with op.batch_alter_table("ranking", schema=None) as batch_op:
        for column in ("standing", "basis", "level_basis"):
            batch_op.alter_column(column, existing_type=sa.String(), nullable=False)
        batch_op.alter_column("groups", existing_type=sa.Text(), nullable=False)
    op.create_table(
        "footnote",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("is_withdrawn", sa.Boolean(), nullable=False),
        sa.Column("night", sa.String(), nullable=False),
        sa.Column("assessment", sa.String(), nullable=False),
        sa.Column("framework", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("footnote", schema=None) as batch_op:
        batch_op.create_index("ix_footnote_night", ["night", "assessment", "level"], unique=False)
    op.create_table(
        "publication",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("assessment", sa.String(), nullable=False),
        sa.Column("night", sa.String(), nullable=False),
        sa.Column("is_rehearsal", sa.Boolean(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("frozen_by", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("publication", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_publication_assessment"), ["assessment"], unique=False)


def downgrade() -> None:
    op.drop_table("publication")
    op.drop_table("footnote")
    with op.batch_alter_table("ranking", schema=None) as batch_op:
        for column in (
            "standing",
            "basis",
            "level_basis",
            "groups",
            "standing_reason",
            "printed",
            "level_published",
            "rating_reason",
        ):
            batch_op.drop_column(column)
        for column, kind in _NULLABLE.items():
            batch_op.alter_column(column, existing_type=kind, nullable=False)
    for table, (index, after, before) in _INDEXES.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_index(index)
            batch_op.drop_column("assessment")
            batch_op.create_index(index, [*before, "framework", *after], unique=False)
