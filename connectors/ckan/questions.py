"""What is asked of a CKAN search: one question for one figure of many agencies, answered whole.

Here: filters and recognising them in a stored request. Not here: pages and answers (`connector.py`).

Counting is left to CKAN's facets. A list of data sets is capped at 1000 rows without a word, and a figure put together
from several pages could not be read from one answer; a facet of the agencies asked for is complete and exact. «Now» is
the search engine's, in UTC like its naive times.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from pydantic import RootModel

from dti_pipeline.datafiles import read_model

DATASETS = "open_datasets"
MACHINE_READABLE = "open_datasets_machine_readable"
WITHIN_YEAR = "open_datasets_updated_within_year"
WITH_CYCLE = "open_datasets_with_cycle"
ON_SCHEDULE = "open_datasets_on_schedule"
METRICS = (DATASETS, MACHINE_READABLE, WITHIN_YEAR, WITH_CYCLE, ON_SCHEDULE)

CYCLE_FIELD = "extras_frequency"
"""How CKAN's search names the extra `frequency` of a data set."""
FORMATS = ("CSV", "TSV", "JSON", "GeoJSON", "XML", "RDF", "TTL", "XLS", "XLSX", "ODS", "KML")
"""Of resources that a program can read as data; PDF, DOC and pictures are not."""

_AGENCIES = re.compile(r'\+organization:\(("[a-z0-9_-]+"(?: OR "[a-z0-9_-]+")*)\)')


class _Cycles(RootModel[dict[int, tuple[str, ...]]]):
    pass


@cache
def cycles() -> Mapping[int, tuple[str, ...]]:
    """Days of a cycle -> the words for it. Raises DataFileError."""
    return read_model(Path(__file__).with_name("cycles.yaml"), _Cycles).root


def filter_for(metric: str, agencies: Sequence[str], cycle_field: str = CYCLE_FIELD) -> str:
    """The filter query of a figure of some agencies, given by their CKAN names."""
    every = f"+organization:({_any(agencies)})"
    within = "metadata_modified:[NOW-{}DAYS TO NOW]"
    stated = {days: f"{cycle_field}:({_any(words)})" for days, words in cycles().items()}
    match metric:
        case "open_datasets":
            return every
        case "open_datasets_machine_readable":
            return f"{every} +res_format:({_any(FORMATS)})"
        case "open_datasets_updated_within_year":
            return f"{every} +{within.format(365)}"
        case "open_datasets_with_cycle":
            return f"{every} +({' OR '.join(stated.values())})"
        case "open_datasets_on_schedule":
            return f"{every} +({' OR '.join(f'({words} AND {within.format(days)})' for days, words in stated.items())})"
    raise ValueError(f"{metric} is no figure of CKAN")


def asked(filter_query: str) -> tuple[str, tuple[str, ...]] | None:
    """The figure and the agencies that a stored filter query asks for; None where it is none of ours.

    Recognised by its form, not word for word, so that an answer can be read again after a cycle's words changed.
    """
    found = _AGENCIES.match(filter_query)
    if found is None:
        return None
    agencies = tuple(re.findall(r'"([^"]+)"', found[1]))
    rest = filter_query[found.end() :].strip()
    for metric, form in (
        (DATASETS, ""),
        (MACHINE_READABLE, r"\+res_format:\([^()]+\)"),
        (WITHIN_YEAR, r"\+metadata_modified:\[NOW-365DAYS TO NOW\]"),
        (WITH_CYCLE, r"\+\([\w-]+:\([^()]+\)(?: OR [\w-]+:\([^()]+\))*\)"),
        (ON_SCHEDULE, r"\+\(\([\w-]+:\([^()]+\) AND metadata_modified:\[NOW-\d+DAYS TO NOW\]\)(?: OR \(.*\))?\)"),
    ):
        if re.fullmatch(form, rest):
            return metric, agencies
    return None


def _any(words: Sequence[str]) -> str:
    return " OR ".join(f'"{word}"' for word in words)
