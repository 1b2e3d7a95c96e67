"""The tables: facts, append-only. SQLModel for their shape; migrations under `migrations/` create them.

Ids are sha256 of the content, so the same fact written twice is one row. Facts that a night derives (inputs, scores,
rankings) carry a `revision`: a changed outcome is a new row, never an update, and the highest revision is current.
Numbers that people argue about are never floats here: decimals are text, points are integers of 1e-6.
Moments are ISO 8601 text in UTC, because SQLite drops time zones. Not here: queries (`facts.py`).
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Text
from sqlmodel import Field, SQLModel


class UnitRow(SQLModel, table=True):
    """A unit as the registry had it."""

    __tablename__ = "unit"
    id: str = Field(primary_key=True)
    code: str = Field(index=True)
    name: str
    level: str
    parent: str | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    is_fictional: bool = False
    recorded_at: str


class SourceRow(SQLModel, table=True):
    """An installation of a source system as it was configured."""

    __tablename__ = "source"
    id: str = Field(primary_key=True)
    connector: str
    site: str
    publisher: str
    base_url: str
    province: str
    recorded_at: str


class SnapshotRow(SQLModel, table=True):
    """One answer (or failed attempt) on one night, with the request that got it. Its bytes lie beside, by sha256."""

    __tablename__ = "snapshot"
    __table_args__ = (Index("ix_snapshot_site_night", "connector", "site", "night"),)
    id: str = Field(primary_key=True)
    connector: str
    site: str
    night: str
    request: str = Field(sa_column=Column(Text, nullable=False))
    request_sha256: str
    reading_id: str | None = Field(default=None, index=True)
    """What was read from the bytes; equal answers to equal requests share one reading."""
    url: str
    status: int | None = None
    headers: str = Field(sa_column=Column(Text, nullable=False))
    body_sha256: str | None = None
    body_bytes: int | None = None
    original_sha256: str | None = None
    """Of the bytes as they came, where the kept ones are redacted."""
    removed: str = Field(default="[]", sa_column=Column(Text, nullable=False))
    """JSON list of the fields that were removed from the kept bytes."""
    failure_kind: str | None = None
    failure_message: str | None = None
    is_retryable: bool | None = None
    warnings: str = Field(sa_column=Column(Text, nullable=False))
    connector_version: str
    reread_of: str | None = None
    """The answer's row before this one, where this one says what was read from the same bytes later: by another version
    of the reader, or after a decision on what waits in quarantine. `captured_at` is then the moment of that."""
    captured_at: str
    dagster_run: str


class ObservationRow(SQLModel, table=True):
    """One figure read from bytes, about one unit and period."""

    __tablename__ = "observation"
    __table_args__ = (Index("ix_observation_metric_period", "metric", "period_start", "period_end"),)
    id: str = Field(primary_key=True)
    reading_id: str = Field(index=True)
    connector: str
    site: str
    connector_version: str
    metric: str
    unit: str = Field(index=True)
    source_unit: str
    unit_name: str
    period_start: str
    period_end: str
    value: str | None = None
    numerator: str | None = None
    denominator: str | None = None
    state: str
    flag: str | None = None
    reason: str | None = None
    """Why a figure in state `unavailable` could not be had."""
    locator: str
    recorded_at: str


class QuarantineRow(SQLModel, table=True):
    """A record that was read and not trusted, with the reason. Its reading is named as if nothing were held back."""

    __tablename__ = "quarantine"
    id: str = Field(primary_key=True)
    reading_id: str = Field(index=True)
    connector: str
    site: str
    locator: str
    reason: str
    record: str = Field(sa_column=Column(Text, nullable=False))
    observation: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    """JSON of the whole figure where it was read well and breaks a rule, so that it can be released."""
    recorded_at: str


class QuarantineDecisionRow(SQLModel, table=True):
    """What became of a record in quarantine; the highest revision counts."""

    __tablename__ = "quarantine_decision"
    id: str = Field(primary_key=True)
    revision: int
    quarantine_id: str = Field(index=True)
    decision: str
    """`released` or `rejected` by a person; `cleared` where the same bytes are read without complaint by now, and
    `reopened` where the complaint came back."""
    decided_by: str
    reason: str
    recorded_at: str


class SubmissionRow(SQLModel, table=True):
    """What one file says about one unit, as it was handed in; or a file that was refused, with no unit perhaps.

    `recorded_at` is the moment of arrival, which deadlines look at.
    """

    __tablename__ = "submission"
    __table_args__ = (Index("ix_submission_unit", "assessment", "unit"),)
    id: str = Field(primary_key=True)
    assessment: str
    level: str | None = None
    unit: str | None = None
    sequence: int
    """1, 2, … per assessment and unit, in the order of arrival. A later one supersedes what it speaks of."""
    kind: str
    """`workbook`, `csv`, `json`, or `files`: evidence without a report."""
    file_name: str
    body_sha256: str | None = None
    """Null for `files`, which has no report."""
    body_bytes: int | None = None
    outcome: str
    """`accepted`, `accepted_with_problems` or `refused`."""
    problems: str = Field(default="[]", sa_column=Column(Text, nullable=False))
    """JSON list of {where, message, is_error, criterion}."""
    facts: str = Field(default="{}", sa_column=Column(Text, nullable=False))
    """General information, as JSON: collected, never scored."""
    channel: str
    """How it came: `cli` or `inbox`."""
    submitted_by: str | None = None
    recorded_at: str


class ClaimRow(SQLModel, table=True):
    """A self-reported input as handed in, with the file and place it stands in."""

    __tablename__ = "claim"
    __table_args__ = (Index("ix_claim_level", "assessment", "level"),)
    id: str = Field(primary_key=True)
    submission: str = Field(index=True)
    assessment: str
    level: str
    unit: str
    criterion: str
    name: str
    value: str | None = None
    state: str
    body_sha256: str
    locator: str
    recorded_at: str


class ReportedCellRow(SQLModel, table=True):
    """What a submission says of one criterion besides its figures. There is one for every cell it speaks of."""

    __tablename__ = "reported_cell"
    __table_args__ = (Index("ix_reported_cell_level", "assessment", "level"),)
    id: str = Field(primary_key=True)
    submission: str = Field(index=True)
    assessment: str
    level: str
    unit: str
    criterion: str
    is_blank: bool
    """Nothing was filled in."""
    self_score: str | None = None
    explanation: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    evidence: str = Field(default="[]", sa_column=Column(Text, nullable=False))
    """JSON list of [file name, pages or null], in the order of the report."""
    not_applicable: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    """The reason of a request not to be assessed here."""
    locator: str
    recorded_at: str


class EvidenceFileRow(SQLModel, table=True):
    """An evidence file as it arrived, under the name that reports cite. The bytes lie by sha256 beside the database."""

    __tablename__ = "evidence_file"
    __table_args__ = (Index("ix_evidence_file_unit", "assessment", "unit"),)
    id: str = Field(primary_key=True)
    submission: str = Field(index=True)
    assessment: str
    unit: str
    name: str
    """Base name, NFC."""
    sha256: str
    media_type: str
    """By content."""
    body_bytes: int
    pages: int | None = None
    recorded_at: str


class SignatureCheckRow(SQLModel, table=True):
    """What the signatures of an evidence file come to, under one set of roots, signers and deadlines.

    Judged at the moment of signing or arrival, never of looking, so it is computed once.
    """

    __tablename__ = "signature_check"
    id: str = Field(primary_key=True)
    file: str = Field(index=True)
    """Id of the evidence file's row."""
    context_sha256: str
    """Over roots, revocation lists, registered signers, demanded roles and deadline."""
    verdict: str
    reason: str = Field(sa_column=Column(Text, nullable=False))
    signatures: str = Field(sa_column=Column(Text, nullable=False))
    """JSON list: who signed, when, over what, with what result."""
    recorded_at: str


class EventRow(SQLModel, table=True):
    """One entry of an assessment's chain of appraisal: what somebody did or was refused. Never changed.

    `id` is the sha256 over every other column, `previous` included, so no entry can be edited unseen.
    """

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_sequence", "assessment", "sequence", unique=True),)
    id: str = Field(primary_key=True)
    previous: str
    sequence: int
    """1, 2, … per assessment without a gap."""
    assessment: str
    action: str
    actor: str
    actor_unit: str
    role: str
    unit: str
    criterion: str | None = None
    payload: str = Field(sa_column=Column(Text, nullable=False))
    """Canonical JSON of what the action says."""
    outcome: str
    """`done` or `refused`."""
    refusal: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    recorded_at: str


class InputRow(SQLModel, table=True):
    """The value that a night used for one input of one cell, and what it rests on."""

    __tablename__ = "input"
    __table_args__ = (Index("ix_input_night", "night", "assessment", "level"),)
    id: str = Field(primary_key=True)
    revision: int
    is_withdrawn: bool = False
    night: str
    assessment: str
    framework: str
    level: str
    unit: str
    unit_name: str
    parent: str | None = None
    criterion: str
    name: str
    value: str | None = None
    state: str
    origin: str
    """`appraised`, `harvested`, `self_reported`, `decision` (a figure that the decision prints) or `none`."""
    evidence: str = Field(sa_column=Column(Text, nullable=False))
    """JSON list of observation or claim ids (or the clause), in a fixed order; several where a figure is a sum."""
    reason: str | None = None
    age_days: int | None = None
    """Days between the night and the newest night on which the source still said so."""
    grade: str | None = None
    """How strong the evidence is, A to D; null where there is no value."""
    recorded_at: str


class StandingRow(SQLModel, table=True):
    """A cell that on one night is not worth its figures, because of what was or was not handed in for it."""

    __tablename__ = "standing"
    __table_args__ = (Index("ix_standing_night", "night", "assessment", "level"),)
    id: str = Field(primary_key=True)
    revision: int
    is_withdrawn: bool = False
    night: str
    assessment: str
    framework: str
    level: str
    unit: str
    criterion: str
    state: str
    """A cell state: `zero_no_evidence`, `zero_late`, `zero_rejected`, `pending`, …"""
    reason: str = Field(sa_column=Column(Text, nullable=False))
    evidence: str = Field(sa_column=Column(Text, nullable=False))
    """JSON list of the ids of submissions and evidence files that it rests on."""
    recorded_at: str


class DiscrepancyRow(SQLModel, table=True):
    """What a unit and sources say of one input on one night, side by side, and what the difference is worth.

    There is one for every bound input of which somebody says something, and for every claim that does not count as it
    stands.
    """

    __tablename__ = "discrepancy"
    __table_args__ = (Index("ix_discrepancy_night", "night", "assessment", "level"),)
    id: str = Field(primary_key=True)
    revision: int
    is_withdrawn: bool = False
    night: str
    assessment: str
    framework: str
    level: str
    unit: str
    criterion: str
    name: str
    claimed: str | None = None
    claimed_state: str | None = None
    """An input state; null where nothing was claimed."""
    claim: str | None = None
    """Id of the claim."""
    automatic: str | None = None
    automatic_state: str | None = None
    """An input state; null where no metric is bound."""
    automatic_reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    observations: str = Field(default="[]", sa_column=Column(Text, nullable=False))
    """JSON list of the ids of the observations behind the automatic side."""
    other_sources: str = Field(default="[]", sa_column=Column(Text, nullable=False))
    """JSON list of [connector, unit, value]: figures of sources that go after the one taken, where they differ."""
    kind: str
    """`equal`, `within_tolerance`, `claim_higher`, `claim_lower`, `differs` (another option), `unit_mismatch`,
    `period_mismatch`, `only_claim` or `only_automatic`."""
    note: str | None = None
    """What a mismatch of unit or period is thought to be."""
    is_decided: bool
    """An appraiser has decided on the cell since."""
    rank_impact: int | None = None
    """By how many places the units would move together in their official pools, were the other values of the cell
    taken: the claims, or what sources say where the claims count. Null where there are no others or they make no
    points."""
    unit_places: int | None = None
    """By how many places this unit would move; positive: upwards. Null where it is not ranked before or after."""
    points_micro: int | None = None
    """By how much the cell's points would change."""
    recorded_at: str


class ScoreRow(SQLModel, table=True):
    """The outcome of one cell on one night."""

    __tablename__ = "score"
    __table_args__ = (Index("ix_score_night", "night", "assessment", "level"),)
    id: str = Field(primary_key=True)
    revision: int
    is_withdrawn: bool = False
    night: str
    assessment: str
    framework: str
    framework_sha256: str
    level: str
    unit: str
    criterion: str
    points_micro: int | None = None
    max_points: str
    state: str
    reason: str | None = None
    source_points: str | None = None
    """The platform's own score of the criterion, kept beside ours."""
    recorded_at: str


class RankingRow(SQLModel, table=True):
    """Total, rating and rank of one unit on one night. Scores and ranks are null for units that have none."""

    __tablename__ = "ranking"
    __table_args__ = (Index("ix_ranking_night", "night", "assessment", "level"),)
    id: str = Field(primary_key=True)
    revision: int
    is_withdrawn: bool = False
    night: str
    assessment: str
    framework: str
    level: str
    unit: str
    unit_name: str
    standing: str
    """`ranked`, `not_appraised` (0 and ranked), `unranked` (below the lowest class) or `exempt`."""
    standing_reason: str | None = None
    total_micro: int | None = None
    max_points: str | None = None
    percent: str | None = None
    basis: str
    """What the pool is ranked on: `points` or `percent`."""
    published: str | None = None
    printed: str | None = None
    """The published score, with more decimals where rounding would hide why it is rated so."""
    level_basis: str
    level_published: str | None = None
    """The same for the order over the whole level."""
    groups: str = Field(sa_column=Column(Text, nullable=False))
    """JSON list of [branch code, points in 1e-6] in the framework's order."""
    is_provisional: bool
    rank: int | None = None
    pool: str
    rank_in_pool: int | None = None
    rating: str | None = None
    rating_reason: str | None = None
    recorded_at: str


class FootnoteRow(SQLModel, table=True):
    """One footnote of a ranked table on one night: which rule touched it and who chose it."""

    __tablename__ = "footnote"
    __table_args__ = (Index("ix_footnote_night", "night", "assessment", "level"),)
    id: str = Field(primary_key=True)
    revision: int
    is_withdrawn: bool = False
    night: str
    assessment: str
    framework: str
    level: str
    position: int
    text: str = Field(sa_column=Column(Text, nullable=False))
    recorded_at: str


class PublicationRow(SQLModel, table=True):
    """Ranked tables that were frozen as an assessment's result, or as a rehearsal of it."""

    __tablename__ = "publication"
    id: str = Field(primary_key=True)
    assessment: str = Field(index=True)
    night: str
    is_rehearsal: bool
    files: str = Field(sa_column=Column(Text, nullable=False))
    """JSON: file name -> sha256."""
    frozen_by: str
    recorded_at: str


class RunRow(SQLModel, table=True):
    """A night that was run: first Dagster run, code version and knowledge cut-off."""

    __tablename__ = "run"
    id: str = Field(primary_key=True)
    night: str = Field(index=True)
    cut_off: str
    code_version: str
    dagster_run: str
    recorded_at: str


class CheckRow(SQLModel, table=True):
    """The result of a quality suite on one night, kept whole (JSON without run times)."""

    __tablename__ = "check_result"
    __table_args__ = (Index("ix_check_result_night", "night"),)
    id: str = Field(primary_key=True)
    revision: int
    is_withdrawn: bool = False
    night: str
    subject: str
    suite: str
    outcome: str
    """`passed`, `failed` or `could_not_run`: a check that crashed is not bad data."""
    result: str = Field(sa_column=Column(Text, nullable=False))
    recorded_at: str
