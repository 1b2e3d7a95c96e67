"""The catalogue of metrics: what can be harvested. Frameworks and connectors both name metrics, never each other."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from dti_pipeline.datafiles import read_model

DATA = Path(__file__).parent / "data" / "metrics.yaml"


class Metric(BaseModel):
    """One harvestable figure."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    name: str
    """Vietnamese name."""
    description: str
    """English, one sentence: what exactly is counted."""
    behaviour: Literal["flow", "stock", "counter", "ratio", "score"]
    """flow: summed over the window; stock: last value; counter: difference; ratio: n/d; score: a source's points."""
    unit: Literal["dossiers", "procedures", "services", "petitions", "days", "percent", "points"]
    group: str


class _Catalogue(RootModel[tuple[Metric, ...]]):
    pass


@cache
def load_metrics() -> dict[str, Metric]:
    """All metrics by code, in the file's order. Raises DataFileError."""
    metrics = read_model(DATA, _Catalogue).root
    by_code = {metric.code: metric for metric in metrics}
    if len(by_code) != len(metrics):
        raise ValueError("metrics.yaml: a metric code stands twice")
    return by_code
