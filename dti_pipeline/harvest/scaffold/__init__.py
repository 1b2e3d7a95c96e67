"""A new connector to start from: manifest, reader, recorded case, metrics, practice twin and test, that pass at once.

Here: writing the files. Not here: what is in them (`files.yaml`).
"""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from string import Template

from pydantic import BaseModel, ConfigDict, RootModel

from dti_pipeline.datafiles import read_model

_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")


class ScaffoldError(ValueError):
    """A connector that cannot be begun: why, and what to do."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    text: str


class _Files(RootModel[tuple[_File, ...]]):
    pass


def new_connector(name: str, folder: Path) -> list[Path]:
    """Write a new connector into the checkout at `folder`; gives the files, in the order in which to read them.

    Raises ScaffoldError, with nothing written, for a name that cannot be one, a folder that is no checkout, and files
    that exist already.
    """
    if _NAME.fullmatch(name) is None or keyword.iskeyword(name):
        raise ScaffoldError(
            f"«{name}» cannot be a connector's name: use lower-case letters, digits and _, like one_stop"
        )
    for package in ("connectors", "dti_pipeline"):
        if not (folder / package / "__init__.py").is_file():
            raise ScaffoldError(
                f"{folder} is no checkout of the project: it has no {package}/; run it at the top of one"
            )
    files = read_model(Path(__file__).with_name("files.yaml"), _Files).root
    wanted = {folder / Template(item.path).substitute(name=name): item for item in files}
    if there := [
        path.relative_to(folder).as_posix() for path in (*wanted, folder / "connectors" / name) if path.exists()
    ]:
        raise ScaffoldError(f"«{name}» exists already: {', '.join(there)}; nothing was written")
    for path, item in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(item.text).substitute(name=name), encoding="utf-8")
    return list(wanted)
