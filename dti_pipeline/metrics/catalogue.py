"""The catalogue of metrics: what can be harvested. Frameworks and connectors both name metrics, never each other."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from dti_pipeline.datafiles import DataFileError, read_model

DATA = Path(__file__).parent / "data"


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
    unit: Literal[
        "dossiers",
        "procedures",
        "services",
        "petitions",
        "documents",
        "messages",
        "systems",
        "exchanges",
        "databases",
        "datasets",
        "items",
        "visits",
        "visitors",
        "days",
        "flag",
        "percent",
        "points",
    ]
    """`flag`: 1 or 0, for what is so or not so."""
    group: str


class _Catalogue(RootModel[tuple[Metric, ...]]):
    pass


@cache
def load_metrics() -> dict[str, Metric]:
    """All metrics by code, in the order of the files and of what stands in them. Raises DataFileError."""
    by_code: dict[str, Metric] = {}
    for path in sorted(DATA.glob("*.yaml")):
        for metric in read_model(path, _Catalogue).root:
            if metric.code in by_code:
                raise DataFileError(f"{path.name}: metric {metric.code} stands twice")
            by_code[metric.code] = metric
    return by_code
