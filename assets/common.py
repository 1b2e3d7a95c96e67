"""What the stages share: the partition (one night), owners, the run's night and small metadata helpers.

No `from __future__ import annotations` in this package: Dagster looks at the annotations of contexts and resources.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

import dti_pipeline
from dti_pipeline.frameworks.model import Framework, Level
from dti_pipeline.harvest.runner import Night
from dti_pipeline.night import Workspace
from dti_pipeline.scoring.ranking import ChoiceNeeded

NIGHTS = dg.DailyPartitionsDefinition(start_date="2026-01-01", timezone="Asia/Ho_Chi_Minh")
"""The one partition dimension. The night of a day opens when that day is over."""

OWNERS = ["team:dti-operators"]
CODE_VERSION = dti_pipeline.__version__


def night_date(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> dt.date:
    return dt.date.fromisoformat(context.partition_key)


def night_of(context: dg.AssetExecutionContext, work: Workspace) -> Night:
    return work.night(night_date(context), context.run.run_id)


def annex_words(framework: Framework, level: Level) -> str:
    """What a description adds where a level's annex is a working one."""
    return f" {framework.working_words}." if level.basis == "working" else ""


def assessments_of(work: Workspace, framework: Framework, level: Level) -> list[str]:
    """The live assessments that score a level, by id."""
    return [
        assessment.id
        for assessment in work.live_assessments(framework.id)
        if level in assessment.scored_levels(framework)
    ]


def each_assessment(assessments: Sequence[str], step: Callable[[str], int]) -> int:
    """Run a step for every assessment and sum what it adds. One that waits for a person's choice stops no other.

    Raises ChoiceNeeded at the end, with every choice that is missing.
    """
    added = 0
    waiting: list[str] = []
    for assessment in assessments:
        try:
            added += step(assessment)
        except ChoiceNeeded as choice:
            waiting.append(f"{assessment}: {choice}")
    if waiting:
        raise ChoiceNeeded("\n".join(waiting))
    return added


def preview(rows: Sequence[Sequence[Any]], header: Sequence[str], limit: int = 12) -> dg.MarkdownMetadataValue:
    """The first rows as a Markdown table, and how many there are in all."""
    lines = [" | ".join(header), " | ".join("---" for _ in header)]
    lines += [" | ".join("" if cell is None else str(cell).replace("|", "\\|") for cell in row) for row in rows[:limit]]
    if len(rows) > limit:
        lines.append(f"\n… {len(rows)} rows in all")
    return dg.MetadataValue.md("\n".join(lines))
