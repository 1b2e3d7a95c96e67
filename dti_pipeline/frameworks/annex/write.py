"""Putting an imported level into a framework file, as text that a person reads and edits.

Only that level's `basis` and `nodes` are replaced; every other line of the file, comments included, stays as it is.
Where another level borrows from the replaced text by a YAML alias, that level is written out in full first. The new
text is read back before the file is replaced in one step, so the file is either the old one or the whole new one.
Not here: what the level says (`build.py`).
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from dti_pipeline.datafiles import DataFileError, parse_model, parse_yaml
from dti_pipeline.frameworks.library import expand_picks
from dti_pipeline.frameworks.model import Framework, Level

_WIDTH = 120
_COMMENT = (
    "Nhập từ bảng phụ lục. `notes` nói công thức nào do chương trình đọc, tiêu chí nào do người thẩm định cho điểm."
)


class AnnexNotWritten(ValueError):
    """The framework file stays as it was: which file, why, what to do."""


def write_level(framework_path: Path, level: Level, target: Path | None = None) -> bool:
    """Replace one level's nodes and basis in a framework file, or write the result to `target` instead.

    Returns whether there was anything to change; where the file says the same already, nothing is written to it.
    Raises DataFileError for a file that is no framework, AnnexNotWritten where the level does not fit into it.
    """
    text = _read(framework_path)
    before = parse_model(text, framework_path.name, Framework, expand_picks)
    try:
        same = before.level(level.level) == level
    except KeyError:
        raise AnnexNotWritten(
            f"{framework_path.name}: bộ chỉ số không có cấp «{level.level}»; thêm phần đầu của cấp rồi nhập lại."
        ) from None
    out = text if same else replaced_level(text, framework_path.name, before, level)
    if target is None and same:
        return False
    _replace(target or framework_path, out)
    return not same


def _read(path: Path) -> str:
    try:
        # Line ends are kept: only the replaced lines are ours.
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise DataFileError(f"{path}: not UTF-8 (byte {error.start})") from None


def replaced_level(text: str, name: str, before: Framework, level: Level) -> str:
    """The framework's text with that level's basis and nodes. Raises AnnexNotWritten."""
    cuts = list(_cuts(text, name, level))
    out = text
    for start, end, new in sorted(cuts, reverse=True):
        out = out[:start] + new + out[end:]
    wanted = tuple(level if item.level == level.level else item for item in before.levels)
    try:
        after = parse_model(out, name, Framework, expand_picks)
    except DataFileError as error:
        raise AnnexNotWritten(f"{name}: không ghép được cấp mới vào tệp: {error}") from None
    if after != before.model_copy(update={"levels": wanted}):
        raise AnnexNotWritten(f"{name}: cấp mới đọc lại không giống; phần đầu của cấp trong tệp đã đổi, hãy nhập lại.")
    return out


def _cuts(text: str, name: str, level: Level) -> Iterator[tuple[int, int, str]]:
    """Stretches of the text and what stands there instead."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    levels = _value(root, "levels")
    if not isinstance(levels, yaml.SequenceNode) or levels.flow_style:
        raise AnnexNotWritten(f"{name}: danh sách levels phải viết mỗi cấp một khối.")
    plain = {item["level"]: item for item in parse_yaml(text, name)["levels"]}
    stretches = {item["level"]: node for item, node in zip(plain.values(), levels.value, strict=True)}
    own = stretches[level.level]
    if not isinstance(own, yaml.MappingNode) or own.flow_style:
        raise AnnexNotWritten(f"{name}: cấp {level.level} phải viết thành khối, không trong dấu ngoặc.")
    column = own.start_mark.column
    replaced: list[tuple[int, int]] = []
    data = level.model_dump(mode="python", exclude_defaults=True, by_alias=True)
    for key in ("basis", "nodes"):
        start, end = _pair(text, own, key)
        replaced.append((start, end))
        block = _block({key: data[key]}, column).lstrip(" ")
        if key == "nodes":
            block = block.replace("\n", f"\n{' ' * (column + 2)}# {_COMMENT}\n", 1)
        yield start, end, block
    lost = _anchors(text, replaced)
    for other, node in stretches.items():
        if other != level.level and lost & _aliases(text, node):
            # What it borrowed is gone with the replaced lines; its picks from the library stay picks.
            begin, finish = node.start_mark.index, _trimmed(text, node.start_mark.index, node.end_mark.index)
            yield begin, finish, _block(plain[other], column).lstrip(" ")


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    return None


def _pair(text: str, mapping: yaml.MappingNode, key: str) -> tuple[int, int]:
    """From a key to the end of its value, without comments and blank lines that follow."""
    for position, (name, value) in enumerate(mapping.value):
        if name.value == key:
            start = name.start_mark.index
            if value.start_mark.index >= name.end_mark.index and not _is_alias(text, name.end_mark.index):
                end = value.end_mark.index
            else:
                end = text.index("\n", start) if "\n" in text[start:] else len(text)
            following = mapping.value[position + 1 :]
            if following:
                end = min(end, following[0][0].start_mark.index)
            return start, _trimmed(text, start, end)
    raise AnnexNotWritten(f"cấp không có trường «{key}»")


def _is_alias(text: str, index: int) -> bool:
    return re.match(r"\s*:\s*\*", text[index : index + 200]) is not None


def _trimmed(text: str, start: int, end: int) -> int:
    """The end without trailing blank lines and comment lines, which belong to what follows."""
    lines = text[start:end].splitlines(keepends=True)
    while len(lines) > 1 and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    return start + len("".join(lines).rstrip())


def _anchors(text: str, stretches: list[tuple[int, int]]) -> set[str]:
    return {
        token.value
        for token in yaml.scan(text, Loader=yaml.SafeLoader)
        if isinstance(token, yaml.AnchorToken)
        and any(start <= token.start_mark.index < end for start, end in stretches)
    }


def _aliases(text: str, node: yaml.Node) -> set[str]:
    return {
        token.value
        for token in yaml.scan(text, Loader=yaml.SafeLoader)
        if isinstance(token, yaml.AliasToken) and node.start_mark.index <= token.start_mark.index < node.end_mark.index
    }


# --- text ---


class _Dumper(yaml.SafeDumper):
    """Readable YAML: no aliases, exact decimals, texts of several lines as blocks, lists indented under their key."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _scalar(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
    # Numbers of an annex alike, whether YAML would take them for a number (1.1) or not (1.1.1).
    style = "|" if "\n" in data else '"' if re.fullmatch(r"[\d.]+|yes|no", data) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


def _decimal(dumper: yaml.SafeDumper, data: Decimal) -> yaml.ScalarNode:
    plain = f"{data:f}"
    tag = "float" if "." in plain else "int"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{tag}", plain)


_Dumper.add_representer(str, _scalar)
_Dumper.add_representer(Decimal, _decimal)
_Dumper.add_representer(tuple, yaml.SafeDumper.represent_list)


def _block(data: Any, column: int) -> str:
    """YAML of a mapping, its keys at that column, without the last line end."""
    dumped = yaml.dump(data, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=_WIDTH)
    return "\n".join((" " * column + line) if line else "" for line in dumped.rstrip("\n").split("\n"))


def _replace(path: Path, text: str) -> None:
    """The whole new file or the old one: written beside it, then renamed over it."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        else:
            temporary.chmod(0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
