"""Finding and reading frameworks: the YAML files under `data/`, one per decision.

Not here: the shape of a framework (`model.py`) and its defects (`lint/`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from dti_pipeline.datafiles import DataFileError, read_model
from dti_pipeline.frameworks.library import expand_picks
from dti_pipeline.frameworks.model import Framework

DATA = Path(__file__).parent / "data"


class UnknownFramework(KeyError):
    """No framework of that id."""

    def __init__(self, framework_id: str) -> None:
        super().__init__(framework_id)
        self.framework_id = framework_id

    def __str__(self) -> str:
        return f"no framework «{self.framework_id}»; known: {', '.join(framework_ids())}"


def framework_ids() -> tuple[str, ...]:
    """Ids of the frameworks that come with the project, sorted."""
    return tuple(sorted(path.stem for path in DATA.glob("*.yaml")))


@cache
def load_framework(framework_id: str) -> Framework:
    """The framework of that id. Raises UnknownFramework, or DataFileError where its file is wrong."""
    if framework_id not in framework_ids():
        raise UnknownFramework(framework_id)
    return read_framework(DATA / f"{framework_id}.yaml")


def read_framework(path: Path) -> Framework:
    """A framework file from anywhere. Raises DataFileError; its id must equal the file's name."""
    framework = read_model(path, Framework, prepare=expand_picks)
    if framework.id != path.stem:
        raise DataFileError(f"{path.name}: field id: «{framework.id}» is not the name of the file")
    return framework


def load_all() -> tuple[Framework, ...]:
    """All frameworks, by id."""
    return tuple(load_framework(framework_id) for framework_id in framework_ids())
