"""From a name in a source to a unit, by a person's word: which units it may be, and the line that says which it is.

Here: suggestions with a score, and adding a line to the crosswalk file. A score orders a list for a reader; nothing is
matched by it. Not here: what waits for a word (`harvest/matching.py`), and looking names up (`registry.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import yaml

from dti_pipeline.datafiles import DataFileError, parse_model
from dti_pipeline.text import nfc, sort_key
from dti_pipeline.units import localities
from dti_pipeline.units.registry import Confirmed, CrosswalkFile, Unit

SHOWN = 3
"""Suggestions for one name."""
LEAST_SCORE = 60
"""Below this a name has nothing in common with another but letters."""

_HEAD = """\
# Tên, mã của từng nguồn đã được người có trách nhiệm xác nhận là đơn vị nào (dti units confirm).
# Ghi sai thì sửa dòng đó (unit) rồi đọc lại: dti connectors reread. Đừng xóa: câu trả lời cũ vẫn nhớ.
entries:
"""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A unit that a name may mean."""

    unit: Unit
    score: int
    """0 to 100: how much of the two names is the same, without case, marks and «UBND»."""


def suggest(name: str, units: Iterable[Unit]) -> tuple[Suggestion, ...]:
    """The units whose names look most like this one, closest first; none where nothing does."""
    wanted = _bare(name)
    found = [
        (score, _score(nfc(name).lower(), unit.name.lower()), unit)
        for unit in units
        if (score := _score(wanted, _bare(unit.name))) >= LEAST_SCORE
    ]
    ordered = sorted(found, key=lambda item: (-item[0], -item[1], sort_key(item[2].name), item[2].code))
    return tuple(Suggestion(unit, score) for score, _, unit in ordered[:SHOWN])


def add_entry(path: Path, entry: Confirmed) -> None:
    """Put a line at the end of a crosswalk file, comments and order kept; the file appears with its first line.

    Raises DataFileError, with the file as it was, where the file is written in a way that a line cannot be put after.
    """
    before = path.read_text(encoding="utf-8") if path.exists() else _HEAD
    line = yaml.safe_dump([entry.model_dump()], allow_unicode=True, sort_keys=False, width=1000)
    after = before.rstrip("\n") + "\n" + line
    known = parse_model(before, path.name, CrosswalkFile).entries if path.exists() else ()
    try:
        is_added = parse_model(after, path.name, CrosswalkFile).entries == (*known, entry)
    except DataFileError:
        is_added = False
    if not is_added:
        raise DataFileError(
            f"{path}: a line cannot be put at the end; write `entries:` last, with each entry as a `- ` at its margin"
        )
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(after, encoding="utf-8")
    os.replace(temporary, path)


def _bare(name: str) -> str:
    return localities.fold(localities.read_name(name).names[0][1])


def _score(left: str, right: str) -> int:
    """Twice the characters in common by both lengths, in whole per cent, rounded down; the same in either order."""
    first, second = sorted((left, right))
    common = sum(block.size for block in SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks())
    return 200 * common // (len(first) + len(second)) if first or second else 0
