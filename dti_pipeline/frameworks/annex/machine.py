"""The machine columns: what prose cannot carry, as text that a person can read and edit in a cell.

Here: each field of a criterion as cell text and back. Not here: which columns there are (`columns.yaml`) and how the
official columns are read (`rows.py`, `rules.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, get_args

from dti_pipeline.frameworks.annex.columns import fold, words
from dti_pipeline.frameworks.model import Criterion, InputKind, InputSpec, OptionLabel, PrintedLine, Severity

NOTE_MARK = "•"
LINE_MARK = "-"


class MachineTextError(ValueError):
    """A machine column's text that does not follow its form; says which part and what is expected."""


# --- lists, a marked line per item ---


def list_text(items: Sequence[str], mark: str) -> str:
    """Items with a mark before each; further lines of an item stand below it."""
    lines = []
    for item in items:
        first, *more = item.split("\n")
        lines.append(f"{mark} {first}")
        lines.extend(f"\\{line}" if line.startswith((mark, "\\")) else line for line in more)
    return "\n".join(lines)


def read_list(text: str, mark: str) -> tuple[str, ...]:
    """The items; where no line is marked, every line is one."""
    lines = [line for line in text.split("\n") if line.strip()]
    if not any(line.startswith(mark) for line in lines):
        return tuple(line.removeprefix("\\") for line in lines)
    items: list[list[str]] = []
    for line in lines:
        if line.startswith(mark) or not items:
            items.append([line.removeprefix(mark).strip()])
        else:
            items[-1].append(line.removeprefix("\\"))
    return tuple("\n".join(item) for item in items if any(item))


# --- inputs ---


def _escape(text: str) -> str:
    return re.sub(r"[\\|;=]", lambda found: "\\" + found[0], text).replace("\n", "\\n")


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], text.strip())


def _split(text: str, separator: str) -> list[str]:
    """Parts between separators that no backslash precedes, still escaped."""
    parts, start, position = [], 0, 0
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        if text[position] == separator:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    return [*parts, text[start:]]


def inputs_text(inputs: Sequence[InputSpec]) -> str:
    """A line per input: `a | count | label | part_of b | metric m:numerator:communes | default 119`.

    An input of kind `option` ends with `options yes=Có; no=Không`.
    """
    lines = []
    for spec in inputs:
        parts = [spec.name, spec.kind, _escape(spec.label)]
        if spec.part_of is not None:
            parts.append(f"part_of {spec.part_of}")
        if spec.binding is not None:
            parts.append(f"metric {spec.binding.metric}:{spec.binding.part}:{spec.binding.scope}")
            if spec.binding.choices:
                parts.append("choices " + "; ".join(f"{key}={value}" for key, value in spec.binding.choices.items()))
        if spec.default is not None:
            parts.append(f"default {spec.default}")
        if spec.options:
            parts.append("options " + "; ".join(f"{item.value}={_escape(item.label)}" for item in spec.options))
        lines.append(" | ".join(parts))
    return "\n".join(lines)


def read_inputs(text: str) -> tuple[dict[str, Any], ...]:
    """The inputs as plain data for `InputSpec`. Raises MachineTextError naming the line."""
    return tuple(_input(line) for line in text.split("\n") if line.strip())


def _input(line: str) -> dict[str, Any]:
    parts = _split(line, "|")
    if len(parts) < 3:
        raise MachineTextError(f"«{line}» cần ít nhất «tên | kiểu | nhãn»")
    kind = parts[1].strip()
    if kind not in get_args(InputKind):
        raise MachineTextError(f"«{line}»: kiểu «{kind}» không thuộc {', '.join(get_args(InputKind))}")
    data: dict[str, Any] = {"name": parts[0].strip(), "kind": kind, "label": _unescape(parts[2])}
    for part in parts[3:]:
        word, _, rest = part.strip().partition(" ")
        rest = rest.strip()
        match word:
            case "part_of":
                data["part_of"] = rest
            case "metric":
                metric, *more = rest.split(":")
                data["binding"] = {"metric": metric} | dict(zip(("part", "scope"), more, strict=False))
            case "choices" if "binding" in data:
                pairs = [_split(item, "=") for item in _split(rest, ";") if item.strip()]
                if any(len(pair) != 2 for pair in pairs):
                    raise MachineTextError(f"«{line}»: choices cần dạng «1=yes; 0=no»")
                data["binding"]["choices"] = {key.strip(): value.strip() for key, value in pairs}
            case "default":
                if not re.fullmatch(r"\d+(?:[.,]\d+)?", rest):
                    raise MachineTextError(f"«{line}»: «{rest}» không phải một số")
                data["default"] = Decimal(rest.replace(",", "."))
            case "options":
                data["options"] = tuple(_option(item, line) for item in _split(rest, ";") if item.strip())
            case _:
                raise MachineTextError(f"«{line}»: không biết «{word}» (part_of, metric, choices, default, options)")
    return data


def _option(item: str, line: str) -> OptionLabel:
    value, *label = _split(item, "=")
    if len(label) != 1:
        raise MachineTextError(f"«{line}»: phương án «{item.strip()}» cần dạng «giá_trị=nhãn»")
    try:
        return OptionLabel(value=value.strip(), label=_unescape(label[0]))
    except ValueError:
        raise MachineTextError(f"«{line}»: phương án «{item.strip()}» cần mã là chữ không dấu và một nhãn") from None


# --- the other columns ---


def terms_text(terms: dict[str, str]) -> str:
    return "\n".join(f"{name} = {body}" for name, body in terms.items())


def read_terms(text: str) -> dict[str, str]:
    """Raises MachineTextError."""
    terms = {}
    for line in text.split("\n"):
        if line.strip():
            name, equals, body = line.partition("=")
            if not equals or name.strip() in terms:
                raise MachineTextError(f"«{line}» cần dạng «tên = biểu thức», mỗi tên một lần")
            terms[name.strip()] = body.strip()
    return terms


def findings_text(criterion: Criterion) -> str:
    """A marked line per finding: `rule | severity | message`."""
    return list_text(
        [f"{item.rule} | {item.severity} | {_escape(item.message)}" for item in criterion.findings], NOTE_MARK
    )


def read_findings(text: str) -> tuple[dict[str, str], ...]:
    """Raises MachineTextError."""
    found = []
    for item in read_list(text, NOTE_MARK):
        parts = _split(item, "|")
        if len(parts) != 3 or parts[1].strip() not in get_args(Severity):
            raise MachineTextError(f"«{item}» cần dạng «mã | mức | lời», mức là {', '.join(get_args(Severity))}")
        found.append({"rule": parts[0].strip(), "severity": parts[1].strip(), "message": _unescape(parts[2])})
    return tuple(found)


def mode_text(criterion: Criterion) -> str:
    modes = words().modes
    lines = [modes["manual"]] if criterion.manual else []
    if criterion.source_score:
        lines.append(modes["source_score"])
    if criterion.source_metric is not None:
        lines.append(f"{modes['source_metric']}: {criterion.source_metric}")
    return "\n".join(lines)


def read_mode(text: str) -> dict[str, Any]:
    """Raises MachineTextError."""
    data: dict[str, Any] = {}
    modes = words().modes
    for line in text.split("\n"):
        word, _, rest = line.partition(":")
        match next((key for key, label in modes.items() if fold(label) == fold(word.strip())), None):
            case "manual":
                data["manual"] = True
            case "source_score":
                data["source_score"] = True
            case "source_metric" if rest.strip():
                data["source_metric"] = rest.strip()
            case _ if line.strip():
                raise MachineTextError(f"không biết «{line}»; các cách: {'; '.join(modes.values())}")
    return data


def shared_text(criterion: Criterion) -> str:
    """Number and name of a criterion whose printed rows are lines; empty for the others, which are their own row."""
    return f"{_escape(criterion.printed_code)} | {_escape(criterion.name)}" if criterion.lines else ""


def read_shared(text: str) -> PrintedLine:
    """Raises MachineTextError."""
    parts = [_unescape(part) for part in _split(text, "|")]
    if len(parts) != 2 or not all(parts):
        raise MachineTextError(f"«{text}» cần dạng «số | tên»")
    return PrintedLine(printed_code=parts[0], name=parts[1])


def word_key(labels: dict[Any, str], text: str, what: str) -> Any:
    """The key whose label the text is. Raises MachineTextError."""
    for key, label in labels.items():
        if fold(label) == fold(text.strip()):
            return key
    raise MachineTextError(f"không biết {what} «{text}»; có: {', '.join(labels.values())}")
