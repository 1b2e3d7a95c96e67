"""The Great Expectations suite over a night's harvested figures: coverage and plausibility, never a gate.

Here: the suite, run in a fresh ephemeral context, and its result without run times so that it can be kept and
compared. Imports of the library stay inside the function: they cost seconds. Not here: our tables' invariants.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import polars as pl

SUITE = "harvested_figures"


@dataclass(frozen=True)
class SuiteResult:
    """Outcome of a suite: a check that could not run is told from one that failed."""

    outcome: Literal["passed", "failed", "could_not_run"]
    result: str
    """Canonical JSON: per expectation its type, settings, success and what was observed."""
    failed: tuple[str, ...]


def run_suite(
    figures: pl.DataFrame, bounds: Mapping[str, tuple[float | None, float | None]], expected_metrics: tuple[str, ...]
) -> SuiteResult:
    """Validate figures against the manifests' bounds (metric -> min, max) and the set of metrics that sites supply."""
    import great_expectations as gx
    import great_expectations.expectations as gxe
    import pandas as pd

    # DTI_… settings never reach the library; its own progress bars would garble the night's output.
    frame = pd.DataFrame(figures.to_dict(as_series=False))
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batch = (
        context.data_sources.add_pandas("figures")
        .add_dataframe_asset("figures")
        .add_batch_definition_whole_dataframe("night")
        .get_batch({"dataframe": frame})
    )
    expectations: list[Any] = [
        gxe.ExpectTableRowCountToBeBetween(min_value=1),
        gxe.ExpectColumnValuesToNotBeNull(column="unit"),
        gxe.ExpectColumnDistinctValuesToContainSet(column="metric", value_set=sorted(expected_metrics)),
        gxe.ExpectColumnValuesToNotBeNull(column="value", mostly=0.8),
    ]
    for metric, (low, high) in sorted(bounds.items()):
        if low is not None or high is not None:
            expectations.append(
                gxe.ExpectColumnValuesToBeBetween(
                    column="value",
                    min_value=low,
                    max_value=high,
                    row_condition=f'col("metric")=="{metric}"',
                    condition_parser="great_expectations",
                )
            )
    suite = gx.ExpectationSuite(name=SUITE, expectations=expectations)
    outcome = batch.validate(suite)
    return _canonical(outcome.to_json_dict())


def _canonical(raw: Mapping[str, Any]) -> SuiteResult:
    items: list[dict[str, Any]] = []
    failed: list[str] = []
    crashed = False
    for entry in raw["results"]:
        config = entry["expectation_config"]
        settings = {key: value for key, value in config["kwargs"].items() if key != "batch_id"}
        error = (entry.get("exception_info") or {}).get("raised_exception", False)
        crashed = crashed or bool(error)
        label = f"{config['type']} {json.dumps(settings, ensure_ascii=False, sort_keys=True)}"
        if not entry["success"]:
            failed.append(label)
        items.append(
            {
                "type": config["type"],
                "settings": settings,
                "success": entry["success"],
                "could_not_run": bool(error),
                "observed": {
                    key: value
                    for key, value in (entry.get("result") or {}).items()
                    if key in ("observed_value", "element_count", "unexpected_count", "missing_count")
                },
            }
        )
    items.sort(key=lambda item: json.dumps(item, ensure_ascii=False, sort_keys=True))
    text = json.dumps(items, ensure_ascii=False, sort_keys=True)
    return SuiteResult("could_not_run" if crashed else "failed" if failed else "passed", text, tuple(sorted(failed)))
