"""The criterion library: canonical criteria that working annexes pick from by reference.

Here: the shape of the files beside this one, reading them, and turning a pick into a criterion. Not here: frameworks
(`../model.py`), and how many points an annex gives (the framework's file).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dti_pipeline.datafiles import DataFileError, read_model
from dti_pipeline.frameworks.model import Criterion, InputSpec, Letter, LevelName, Text

FOLDER = Path(__file__).parent

Theme = Literal[
    "awareness",
    "institutions",
    "infrastructure",
    "people",
    "security",
    "government",
    "economy",
    "society",
    "smart_city",
    "presence",
    "interaction",
    "transaction",
    "transformation",
]
"""Where a criterion belongs: QĐ 922's main indicators, and the result groups of Phú Thọ's e-government set."""

_OWN = {"use", "code", "max_points", "name"}
"""What a pick says itself; everything else is the library's."""


class LibraryCriterion(BaseModel):
    """One canonical criterion. Its formula scales with `max`, so every annex can give it other points."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    theme: Theme
    levels: tuple[LevelName, ...] = Field(min_length=1)
    """The levels of government whose units can do what is asked."""
    name: Text
    rule: Text
    formula: str
    terms: dict[Letter, str] = {}
    inputs: tuple[InputSpec, ...] = Field(min_length=1)
    require: tuple[str, ...] = ()
    evidence: tuple[Text, ...] = Field(min_length=1)
    data_source: Text
    verifier_unit: Text
    origin: Text
    """Where the substance comes from: an annex, an instrument, or that it was drafted for working annexes."""
    notes: tuple[Text, ...] = ()


class LibraryFile(BaseModel):
    """One YAML file of the library."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    criteria: tuple[LibraryCriterion, ...]


@cache
def load_library() -> Mapping[str, LibraryCriterion]:
    """All criteria of the library by id, each proven to parse. Raises DataFileError."""
    found: dict[str, LibraryCriterion] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        for item in read_model(path, LibraryFile).criteria:
            if item.id in found:
                raise DataFileError(f"{path.name}: criterion {item.id} stands twice in the library")
            try:
                Criterion.model_validate(_criterion(item, {"code": item.id, "max_points": 1}))
            except ValueError as error:
                raise DataFileError(f"{path.name}: {error}") from None
            found[item.id] = item
    return found


def expand_picks(data: Any) -> Any:
    """A framework's plain data with each `{use, code, max_points[, name]}` among criteria filled in from the library.

    Raises DataFileError for a pick that is not in the library, does not suit the level or says more than a pick may.
    """
    if not isinstance(data, dict) or not isinstance(data.get("levels"), list):
        return data
    return data | {
        "levels": [
            level | {"nodes": [_node(node, level.get("level")) for node in level["nodes"]]}
            if isinstance(level, dict) and isinstance(level.get("nodes"), list)
            else level
            for level in data["levels"]
        ]
    }


def _node(node: Any, level: object) -> Any:
    if not isinstance(node, dict):
        return node
    filled = dict(node)
    if isinstance(node.get("nodes"), list):
        filled["nodes"] = [_node(child, level) for child in node["nodes"]]
    if isinstance(node.get("criteria"), list):
        filled["criteria"] = [_pick(item, level) for item in node["criteria"]]
    return filled


def _pick(item: Any, level: object) -> Any:
    if not isinstance(item, dict) or "use" not in item:
        return item
    where = f"level {level}, criterion {item.get('code')}"
    if unknown := sorted(item.keys() - _OWN):
        raise DataFileError(f"{where}: a pick says only {', '.join(sorted(_OWN))}, not {', '.join(unknown)}")
    library = load_library()
    chosen = library.get(str(item["use"]))
    if chosen is None:
        raise DataFileError(f"{where}: the library has no criterion «{item['use']}» (dti frameworks library)")
    if level not in chosen.levels:
        raise DataFileError(f"{where}: «{chosen.id}» suits {', '.join(chosen.levels)}, not this level")
    return _criterion(chosen, item)


def _criterion(chosen: LibraryCriterion, item: Mapping[str, Any]) -> dict[str, Any]:
    own = chosen.model_dump(exclude={"id", "theme", "levels", "origin", "notes"}, exclude_none=True)
    return own | {
        "code": item.get("code"),
        "printed_code": item.get("code"),
        "name": item.get("name", chosen.name),
        "max_points": item.get("max_points"),
        "library": chosen.id,
        "basis": "working",
        "clause": f"Phụ lục tạm, mục {item.get('code')}",
        "notes": (*chosen.notes, f"Tiêu chí lấy từ thư viện, không phải từ quyết định: {chosen.origin}."),
    }
