"""Reading YAML data files strictly: exact decimals, no duplicate keys, errors that name file, line and field.

Here: text -> checked pydantic model. Not here: what the models mean.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Hashable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

T = TypeVar("T", bound=BaseModel)


class DataFileError(ValueError):
    """A data file that cannot be used: which one, which line, which field, and what is wrong with it."""


_SafeLoader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C parser where PyYAML was built with it: several times as fast, and the same documents."""


class _StrictLoader(_SafeLoader):  # type: ignore[valid-type, misc]
    """SafeLoader that reads decimals exactly, refuses duplicate keys and leaves `yes` and `no` alone as words."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                line = node.value[position][0].start_mark.line + 1
                raise yaml.constructor.ConstructorError(None, None, f"key «{key}» stands twice (line {line})")
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(str(loader.construct_scalar(node)).replace("_", ""))


_StrictLoader.add_constructor("tag:yaml.org,2002:float", _decimal)
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def parse_yaml(text: str, name: str) -> Any:
    """Plain data of a YAML text. Raises DataFileError naming `name` and the line."""
    try:
        return yaml.load(unicodedata.normalize("NFC", text), Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark is not None else name
        raise DataFileError(f"{where}: not valid YAML: {getattr(error, 'problem', None) or error}") from None
    except ValueError as error:
        # YAML takes 2026-02-30 for a date; the calendar does not.
        raise DataFileError(f"{name}: a date that no calendar has, or a number that is none: {error}") from None


Prepare = Callable[[Any], Any]
"""Plain data of a file -> what the model is given; what it leaves keeps its place, so errors name the right line."""


def read_model(path: Path, model: type[T], prepare: Prepare | None = None) -> T:
    """The file at `path` as `model`. Raises DataFileError with one line per problem."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise DataFileError(f"{path}: not UTF-8 (byte {error.start})") from None
    return parse_model(text, path.name, model, prepare)


def parse_model(text: str, name: str, model: type[T], prepare: Prepare | None = None) -> T:
    """A YAML text as `model`. Raises DataFileError with one line per problem."""
    data = parse_yaml(text, name)
    try:
        return model.model_validate(prepare(data) if prepare else data)
    except ValidationError as error:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        problems = []
        for problem in error.errors():
            line = _line_of(root, problem["loc"])
            field = ".".join(str(part) for part in problem["loc"])
            message = problem["msg"].removeprefix("Value error, ")
            code = _nearest_code(data, problem["loc"])
            subject = f"{code}, " if code else ""
            problems.append(f"{name}:{line}: {subject}field {field or '(whole file)'}: {message}")
        raise DataFileError("\n".join(problems)) from None


def _line_of(node: yaml.Node | None, path: Sequence[str | int]) -> int:
    line = 1
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(step)]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _nearest_code(data: Any, path: Sequence[str | int]) -> str | None:
    """The innermost `code` (or `level`, `name`) on the way to the problem, so nobody need count positions."""
    found: str | None = None
    for step in path:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            break
        if isinstance(data, dict):
            for key in ("code", "level", "name"):
                if isinstance(data.get(key), str):
                    found = f"{key} {data[key]}"
                    break
    return found
