"""Assessments: which units a province scores under which framework, with what the operator decided.

Here: the shape of `assessments.yaml`. Not here: the decision's own rules (`model.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dti_pipeline.datafiles import DataFileError, read_model
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import LevelName
from dti_pipeline.scoring.engine import Choices, ExcludedPolicy, NotApplicablePolicy


class OperatorChoices(BaseModel):
    """Decided by a person where the decision is silent; printed with every result that it touched."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    not_applicable: NotApplicablePolicy | None = None
    excluded: ExcludedPolicy | None = None

    @property
    def choices(self) -> Choices:
        return Choices(self.not_applicable, self.excluded)


class Assessment(BaseModel):
    """One framework applied to the units of some provinces."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    framework: str
    provinces: tuple[str, ...] = Field(min_length=1)
    """Identifier codes; their registered units of each level are scored."""
    units: tuple[str, ...] | None = None
    """Only these units, where the source of the figures is known to cover no others; said in the notes."""
    self_reports: dict[LevelName, Path] = {}
    """Level -> CSV of self-reported inputs; relative to this file."""
    choices: OperatorChoices = OperatorChoices()

    @model_validator(mode="after")
    def _framework_exists(self) -> Self:
        load_framework(self.framework)
        return self


class AssessmentsFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    assessments: tuple[Assessment, ...]


def load_assessments(path: Path) -> tuple[Assessment, ...]:
    """Assessments of a file, one per framework; none where there is no file. Raises DataFileError."""
    if not path.exists():
        return ()
    assessments = read_model(path, AssessmentsFile).assessments
    ids = [assessment.framework for assessment in assessments]
    if twice := sorted({framework for framework in ids if ids.count(framework) > 1}):
        raise DataFileError(f"{path.name}: a framework is assessed twice: {', '.join(twice)}")
    return tuple(
        assessment.model_copy(
            update={"self_reports": {level: path.parent / file for level, file in assessment.self_reports.items()}}
        )
        for assessment in assessments
    )
