"""evidence: submissions with their arrival, evidence files, signature checks, standings and grades"""

import json
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "submission",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("assessment", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=True),
        sa.Column("unit", sa.String(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("body_sha256", sa.String(), nullable=True),
        sa.Column("body_bytes", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("problems", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("submitted_by", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_submission_unit", "submission", ["assessment", "unit"])
    op.create_table(
        "reported_cell",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("submission", sa.String(), nullable=False),
        sa.Column("assessment", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("criterion", sa.String(), nullable=False),
        sa.Column("is_blank", sa.Boolean(), nullable=False),
        sa.Column("self_score", sa.String(), nullable=True),
        sa.Column("explanation", sa.Text(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("not_applicable", sa.Text(), nullable=True),
        sa.Column("locator", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_reported_cell_level", "reported_cell", ["assessment", "level"])
    op.create_index("ix_reported_cell_submission", "reported_cell", ["submission"])
    _rebuild_claims()
    op.create_table(
        "evidence_file",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("submission", sa.String(), nullable=False),
        sa.Column("assessment", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("body_bytes", sa.Integer(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=True),
        sa.Column("recorded_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_evidence_file_unit", "evidence_file", ["assessment", "unit"])
    op.create_index("ix_evidence_file_submission", "evidence_file", ["submission"])
    op.create_table(
        "signature_check",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("context_sha256", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("signatures", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_signature_check_file", "signature_check", ["file"])
    op.create_table(
        "standing",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("is_withdrawn", sa.Boolean(), nullable=False),
        sa.Column("night", sa.String(), nullable=False),
        sa.Column("assessment", sa.String(), nullable=False),
        sa.Column("framework", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("criterion", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_standing_night", "standing", ["night", "assessment", "level"])
    with op.batch_alter_table("input", schema=None) as batch_op:
        batch_op.add_column(sa.Column("grade", sa.String(), nullable=True))


def _rebuild_claims() -> None:
    """Claims hang on the submission they came with; until now a file of claims was its own record."""
    connection = op.get_bind()
    old = [
        dict(row)
        for row in connection.execute(
            sa.text("SELECT * FROM claim ORDER BY assessment, unit, recorded_at, revision, id")
        ).mappings()
    ]
    op.drop_index("ix_claim_key", table_name="claim")
    op.drop_table("claim")
    claim = op.create_table(
        "claim",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("submission", sa.String(), nullable=False),
        sa.Column("assessment", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("criterion", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("body_sha256", sa.String(), nullable=False),
        sa.Column("locator", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_claim_level", "claim", ["assessment", "level"])
    op.create_index("ix_claim_submission", "claim", ["submission"])
    submissions: list[dict[str, Any]] = []
    cells: list[dict[str, Any]] = []
    claims: list[dict[str, Any]] = []
    for (assessment, unit), rows in groupby(old, key=itemgetter("assessment", "unit")):
        said: dict[tuple[str, str], dict[str, Any]] = {}
        for sequence, (recorded_at, arrived) in enumerate(groupby(rows, key=itemgetter("recorded_at")), start=1):
            changed = list(arrived)
            submission = _id("submission", assessment, unit, recorded_at)
            submissions.append(
                {
                    "id": submission,
                    "assessment": assessment,
                    "level": changed[0]["level"],
                    "unit": unit,
                    "sequence": sequence,
                    "kind": "csv",
                    "file_name": "self-report.csv",
                    "body_sha256": changed[0]["body_sha256"],
                    "outcome": "accepted",
                    "problems": "[]",
                    "facts": "{}",
                    "channel": "inbox",
                    "recorded_at": recorded_at,
                }
            )
            for row in changed:
                # A line taken out of the file: the newer file says nothing of that input.
                gone = {"value": None, "state": "missing"} if row["is_withdrawn"] else {}
                said[row["criterion"], row["name"]] = row | gone
            # A submission speaks of whole cells, so the lines that had not changed stand in it again.
            spoken = {row["criterion"] for row in changed}
            own = {row["id"] for row in changed}
            for row in said.values():
                if row["criterion"] in spoken:
                    claims.append(
                        {column.name: row[column.name] for column in claim.columns if column.name != "submission"}
                        | {"id": row["id"] if row["id"] in own else _id("claim", submission, row["id"])}
                        | {"submission": submission, "recorded_at": recorded_at}
                    )
            for criterion in sorted(spoken):
                first = next(row for row in said.values() if row["criterion"] == criterion)
                mine = [row for row in said.values() if row["criterion"] == criterion]
                cells.append(
                    {
                        "id": _id("reported_cell", submission, criterion),
                        "submission": submission,
                        "assessment": assessment,
                        "level": first["level"],
                        "unit": unit,
                        "criterion": criterion,
                        "is_blank": all(row["state"] == "missing" for row in mine),
                        "evidence": "[]",
                        "locator": first["locator"],
                        "recorded_at": recorded_at,
                    }
                )
    for table, found in (("submission", submissions), ("reported_cell", cells), ("claim", claims)):
        if found:
            op.bulk_insert(sa.table(table, *(sa.column(name) for name in found[0])), found)


def _id(*parts: str) -> str:
    return sha256(json.dumps(parts).encode()).hexdigest()


def downgrade() -> None:
    raise NotImplementedError("what was handed in cannot be put back into a single table of claims")
