"""What units hand in, as read: values, evidence references, requests, and everything that is wrong with a file.

Here: the shapes that every reader (workbook, CSV, JSON) gives and that the intake stores. Not here: reading files
(`reading/`), storing (`intake.py`), what counts at a moment (`standing.py`), signatures (`signatures/`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from dti_pipeline.frameworks.model import LevelName
from dti_pipeline.scoring.states import InputState
from dti_pipeline.text import nfc

ReportKind = Literal["workbook", "csv", "json"]
SubmissionKind = Literal["workbook", "csv", "json", "files"]
"""`files`: evidence files without a report."""
Outcome = Literal["accepted", "accepted_with_problems", "refused", "unchanged"]
"""`unchanged`: the same file is already the unit's newest submission; nothing was written."""

OUTCOME_WORDS: dict[Outcome, str] = {
    "accepted": "đã nhận",
    "accepted_with_problems": "đã nhận, có lỗi phải sửa",
    "refused": "không nhận",
    "unchanged": "đã nhận từ trước, không có gì mới",
}


class Refused(ValueError):
    """A file that cannot be taken in at all: what is wrong with it and what to do, in Vietnamese."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a handed-in file, for the person who filled it."""

    where: str
    """Sheet and cell, line or JSON pointer: «Tự chấm» ô F12; dòng 4; /cells/3/inputs/a."""
    message: str
    """What is wrong and what to do."""
    is_error: bool = True
    """An error keeps its cell out; otherwise it was read and is only worth knowing."""
    unit: str | None = None
    criterion: str | None = None


@dataclass(frozen=True, slots=True)
class ReportedInput:
    """One input as reported. `value` as `parse_value` takes it; None where the state has none."""

    name: str
    state: InputState
    """`reported`, `missing` (left empty or said to be lacking) or `not_applicable`."""
    value: str | None
    locator: str


@dataclass(frozen=True, slots=True)
class EvidenceRef:
    """An evidence file as a report names it: base name (NFC) and the pages that matter, as «3» or «2-5, 8»."""

    file: str
    pages: str | None = None

    @property
    def last_page(self) -> int:
        """The last page that is cited; 0 where none is."""
        return max(map(int, re.findall(r"[0-9]+", self.pages or "")), default=0)


@dataclass(frozen=True, slots=True)
class ReportedCell:
    """What a unit reports on one criterion. A cell with an error in the file is not among a report's cells."""

    criterion: str
    inputs: tuple[ReportedInput, ...]
    locator: str
    self_score: str | None = None
    """The unit's own points, a plain decimal; kept and shown, never used."""
    explanation: str | None = None
    evidence: tuple[EvidenceRef, ...] = ()
    not_applicable: str | None = None
    """The reason, where the unit asks for the criterion not to be assessed."""

    @property
    def is_blank(self) -> bool:
        """Nothing was filled in: the file has a place for the criterion and the unit left it empty."""
        return not (
            any(item.state is not InputState.MISSING for item in self.inputs) or self.evidence or self.not_applicable
        )


@dataclass(frozen=True, slots=True)
class UnitReport:
    """Everything that one file says about one unit."""

    unit: str
    unit_name: str
    level: LevelName
    cells: tuple[ReportedCell, ...]
    facts: Mapping[str, str] = field(default_factory=dict)
    """General information («Thông tin chung»): label -> text. Collected, never scored."""


@dataclass(frozen=True, slots=True)
class Report:
    """A readable report file: what it says per unit, and what is wrong with it."""

    kind: ReportKind
    units: tuple[UnitReport, ...]
    problems: tuple[Problem, ...] = ()


def file_key(name: str) -> str:
    """What two spellings of one evidence file's name have in common: NFC, no case, single spaces.

    Reports are read with single spaces, while a file keeps those of its name.
    """
    return re.sub(r"[\s\u200b\ufeff]+", " ", nfc(name)).strip().casefold()


class Grade(StrEnum):
    """How strong the evidence behind an input is."""

    A = "A"
    """An automatic snapshot of a source."""
    B = "B"
    """Documents signed and verified."""
    C = "C"
    """Documents without a verified signature."""
    D = "D"
    """The unit's statement only."""


GRADE_WORDS: dict[Grade, str] = {
    Grade.A: "số liệu tự động",
    Grade.B: "tài liệu ký số đã kiểm tra",
    Grade.C: "tài liệu không có chữ ký số đã kiểm tra",
    Grade.D: "chỉ có lời khai",
}


class Verdict(StrEnum):
    """What the signatures of an evidence file come to. The words are in `verdicts.yaml`."""

    VERIFIED = "verified"
    INCOMPLETE = "incomplete"
    """Valid, but not everybody whom the decision names has signed."""
    WRONG_SIGNER = "wrong_signer"
    ALTERED = "altered"
    """Changed after signing, or the last signature does not cover the whole file."""
    DAMAGED = "damaged"
    """The file or a signature in it cannot be read."""
    LATE = "late"
    """Signed after the deadline."""
    EXPIRED = "expired"
    """The signer's certificate was not valid when it signed, or has been revoked by then."""
    UNVERIFIABLE = "unverifiable"
    """No root or no revocation data to check against: not shown as invalid."""
    UNSIGNED = "unsigned"


Timeliness = Literal["in_time", "supplement", "late"]
"""`supplement`: after the deadline of submission, within that of a supplement that is open or was asked for."""
