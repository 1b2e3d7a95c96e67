"""The workbook's layout as data: sheets, headings with the spellings that are read, and texts (`layout.yaml`).

Here: shapes and look-ups that both the template and the reader use. Not here: writing a workbook (`template.py`), its
formulas (`formulas.py`) and reading one (`dti_pipeline.evidence.reading`).
"""

from __future__ import annotations

import re
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dti_pipeline.datafiles import read_model
from dti_pipeline.frameworks.model import InputKind, Text
from dti_pipeline.text import nfc

ColumnKey = Literal[
    "key",
    "code",
    "name",
    "max_points",
    "rule",
    "symbol",
    "label",
    "automatic",
    "source",
    "value",
    "self_score",
    "explanation",
    "evidence",
    "pages",
    "request",
    "effective",
    "raw",
]
MetaKey = Literal["schema", "assessment", "framework", "level", "unit", "unit_name", "as_of", "figures_sha256"]
META_KEYS: tuple[MetaKey, ...] = (
    "schema", "assessment", "framework", "level", "unit", "unit_name", "as_of", "figures_sha256",
)  # fmt: skip
"""The rows of the very hidden sheet, key in its first column and value in its second, from the first row on."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)


class Sheets(_Model):
    guide: Text
    facts: Text
    scores: Text
    meta: Text
    lists: Text


class Column(_Model):
    """A column of the sheet of scores."""

    key: ColumnKey
    heading: Text
    synonyms: tuple[Text, ...] = ()
    per: Literal["criterion", "input"]
    fill: Literal["unit", "score", "given", "hidden"]
    width: int


class Fact(_Model):
    """A line of the general information: label in the first column, what the unit writes in the second."""

    key: Text
    label: Text
    synonyms: tuple[Text, ...] = ()
    given: bool = False


class ScoreWords(_Model):
    """What stands under the self score where the figures give no points."""

    missing: Text
    invalid: Text
    zero_denominator: Text
    not_applicable: Text
    requested: Text
    requirement: Text
    out_of_range: Text


class Texts(_Model):
    """Words around the sheets' cells."""

    default_source: Text
    total: Text
    criteria_left: Text
    page: Text
    scores_title: Text
    scores_subtitle: Text
    facts_title: Text
    guide_title: Text


class InputWords(_Model):
    """What a cell says while it is filled in, and when it refuses what was typed."""

    message: Annotated[str, Field(max_length=100)]
    """After the label of the input; both together have 255 characters."""
    error: Annotated[str, Field(max_length=255)]


class Prompt(_Model):
    title: Annotated[str, Field(max_length=32)]
    message: Annotated[str, Field(max_length=255)]


class About(_Model):
    """One line at the top of the guide."""

    label: Text
    text: Text


class Guide(_Model):
    """The texts of the sheet that says how to fill in the others; braces are filled in by the template."""

    about: tuple[About, ...]
    due: Text
    due_at: Text
    no_deadline: Text
    supplement_on_request: Text
    supplement_asked: Text
    how_title: Text
    how: tuple[Text, ...]
    evidence_title: Text
    signatures: dict[Literal["both", "leader", "organisation", "none", "unstated"], Text]
    evidence: dict[Literal["required", "statement"], Text]
    policy: Text
    by_clause: Text
    by_choice: Text
    evidence_files: Text


class Layout(_Model):
    schema_name: Text
    sheets: Sheets
    columns: tuple[Column, ...]
    separators: tuple[str, ...]
    facts: tuple[Fact, ...]
    score_words: ScoreWords
    texts: Texts
    inputs: dict[InputKind, InputWords]
    error_title: Annotated[str, Field(max_length=32)]
    evidence_message_title: Annotated[str, Field(max_length=32)]
    pages_message: Prompt
    guide: Guide

    @model_validator(mode="after")
    def _unambiguous(self) -> Self:
        if sorted(column.key for column in self.columns) != sorted(get_args(ColumnKey)):
            raise ValueError("columns: every column once, and no other")
        for what, items in (
            ("columns", [(column.heading, *column.synonyms) for column in self.columns]),
            ("facts", [(fact.label, *fact.synonyms) for fact in self.facts]),
        ):
            spellings = [normal(text) for item in items for text in item]
            if twice := sorted({text for text in spellings if spellings.count(text) > 1}):
                raise ValueError(f"{what}: a spelling stands twice: {', '.join(twice)}")
        return self

    @cached_property
    def _columns_by_spelling(self) -> dict[str, Column]:
        return {normal(text): column for column in self.columns for text in (column.heading, *column.synonyms)}

    @cached_property
    def _facts_by_spelling(self) -> dict[str, Fact]:
        return {normal(text): fact for fact in self.facts for text in (fact.label, *fact.synonyms)}

    def column(self, key: ColumnKey) -> Column:
        """The column of that key. Raises KeyError."""
        for column in self.columns:
            if column.key == key:
                return column
        raise KeyError(key)

    def column_of(self, heading: str) -> Column | None:
        """The column that a heading in a handed-in sheet means; None for a heading that is not ours."""
        return self._columns_by_spelling.get(normal(heading))

    def fact_of(self, label: str) -> Fact | None:
        """The line of general information that a label means; None for a label that is not ours."""
        return self._facts_by_spelling.get(normal(label))


def normal(text: str) -> str:
    """A heading as it is compared: NFC, without case, runs of white space as one space, no colon or star at its end."""
    return re.sub(r"\s+", " ", nfc(text)).strip().rstrip(":*").rstrip().casefold()


@cache
def load_layout() -> Layout:
    """The layout of the workbook. Raises DataFileError."""
    return read_model(Path(__file__).with_name("layout.yaml"), Layout)
