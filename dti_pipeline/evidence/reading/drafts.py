"""From single lines of a report to its cells: what every reader (workbook, CSV, JSON) does the same way.

Here: values, options, states, evidence references, self scores, and gathering a criterion's lines; a criterion with an
error is left out whole. Not here: where lines stand in a file.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from dti_pipeline.evidence.model import EvidenceRef, Problem, Refused, ReportedCell, ReportedInput, UnitReport
from dti_pipeline.evidence.reading.limits import limits
from dti_pipeline.evidence.reading.numbers import Unreadable
from dti_pipeline.evidence.reading.texts import clean, fault_of, legacy_encoding, legacy_words, line, safe_name
from dti_pipeline.evidence.workbook.layout import load_layout
from dti_pipeline.frameworks.model import Criterion, InputSpec, Level, LevelName
from dti_pipeline.scoring.engine import UnitRef, parse_decimal, parse_value
from dti_pipeline.scoring.states import InputState


class Problems:
    """What is wrong with a file, in order; no more than a person would read for any one unit."""

    def __init__(self) -> None:
        self._found: list[Problem] = []
        self._counts: Counter[str | None] = Counter()

    def add(
        self, where: str, message: str, *, unit: str | None = None, criterion: str | None = None, error: bool = True
    ) -> None:
        self._counts[unit] += 1
        if self._counts[unit] <= limits().text.max_problems:
            self._found.append(Problem(where, message, error, unit, criterion))

    def all(self) -> tuple[Problem, ...]:
        most = limits().text.max_problems
        rest = [
            Problem("cả tệp", f"và {count - most} lỗi khác không liệt kê; sửa các lỗi đã nêu trước.", True, unit)
            for unit, count in self._counts.items()
            if count > most
        ]
        return (*self._found, *rest)


@dataclass(slots=True)
class Draft:
    """One criterion of one unit, while its lines are gathered."""

    criterion: Criterion
    where: str
    inputs: dict[str, ReportedInput] = field(default_factory=dict)
    self_score: str | None = None
    explanations: dict[str, None] = field(default_factory=dict)
    evidence: dict[EvidenceRef, None] = field(default_factory=dict)
    """Each once, in the order of the file."""
    not_applicable: str | None = None
    has_error: bool = False


class UnitDraft:
    """One unit's part of a report, while it is read."""

    def __init__(self, unit: UnitRef, level: Level, problems: Problems) -> None:
        self.unit, self.level, self.problems = unit, level, problems
        self.drafts: dict[str, Draft] = {}
        self.facts: dict[str, str] = {}

    def draft(self, criterion: Criterion, where: str) -> Draft:
        return self.drafts.setdefault(criterion.code, Draft(criterion, where))

    def fail(self, draft: Draft, where: str, message: str) -> None:
        """An error: the criterion is left out."""
        draft.has_error = True
        self.problems.add(where, message, unit=self.unit.code, criterion=draft.criterion.code)

    def warn(self, draft: Draft, where: str, message: str) -> None:
        self.problems.add(where, message, unit=self.unit.code, criterion=draft.criterion.code, error=False)

    # --- parts of a criterion ---

    def put_input(self, draft: Draft, spec: InputSpec, state: InputState, value: str | None, where: str) -> None:
        """An input of a criterion, once."""
        before = draft.inputs.get(spec.name)
        if before is not None:
            self.fail(
                draft, where,
                f"số liệu {spec.name} của tiêu chí {draft.criterion.printed_code} có hai dòng (dòng kia: "
                f"{before.locator}); để lại một dòng.",
            )  # fmt: skip
            return
        if value is not None:
            try:
                parsed = parse_value(spec, value)
            except ValueError:
                self.fail(draft, where, f"{wrong_value(spec, value)}.")
                return
            if spec.kind == "percent" and isinstance(parsed, Fraction) and parsed > 100:
                self.fail(draft, where, f"«{line(value)}» vượt quá 100 %; ghi lại tỷ lệ.")
                return
        draft.inputs[spec.name] = ReportedInput(spec.name, state, value, where)

    def put_self_score(self, draft: Draft, value: str, where: str) -> None:
        """A plain decimal. Never used, so what is odd about it does not keep the criterion out."""
        if draft.self_score is not None and draft.self_score != value:
            self.warn(draft, where, f"có hai điểm tự chấm ({draft.self_score} và {value}); giữ điểm đầu.")
            return
        if parse_decimal(value) > draft.criterion.max_fraction:
            self.warn(draft, where, f"điểm tự chấm {value} lớn hơn điểm tối đa {draft.criterion.max_points}.")
        draft.self_score = value

    def put_text(self, draft: Draft, text: str, where: str) -> str | None:
        """A text that can be kept, cleaned; None where it is empty or wrong. Raises Refused for legacy encodings."""
        found = clean(text)
        if encoding := legacy_encoding(found):
            raise Refused(legacy_words(encoding, where))
        if fault := fault_of(found):
            self.fail(draft, where, f"nội dung {fault}.")
            return None
        return found or None

    def put_explanation(self, draft: Draft, text: str, where: str) -> None:
        found = self.put_text(draft, text, where)
        if found:
            draft.explanations[found] = None

    def put_request(self, draft: Draft, text: str, where: str) -> None:
        """The reason of a request not to be assessed."""
        found = self.put_text(draft, text, where)
        if found is None:
            return
        if draft.not_applicable is not None and draft.not_applicable != found:
            self.fail(draft, where, "có hai lý do đề nghị không đánh giá khác nhau; để lại một lý do.")
            return
        draft.not_applicable = found

    def put_evidence(self, draft: Draft, files: str, pages: str, where: str, where_pages: str) -> None:
        """Files named in one cell, and the pages of each in the same order."""
        found = self.put_text(draft, files, where)
        marks = "|".join(re.escape(mark) for mark in load_layout().separators)
        names = [line(part) for part in re.split(marks, found or "") if line(part)]
        parts = [line(part) for part in re.split(marks, clean(pages))] if clean(pages) else []
        if parts and not names:
            self.warn(draft, where_pages, "có số trang mà không có tên tệp minh chứng; ghi tên tệp.")
            return
        if len(names) == 1 and len(parts) > 1:
            parts = [", ".join(part for part in parts if part)]
        if parts and len(parts) != len(names):
            self.warn(
                draft, where_pages,
                f"có {len(names)} tệp nhưng {len(parts)} nhóm trang, nên số trang không được đọc; mỗi tệp một nhóm, "
                "cách nhau bằng dấu chấm phẩy.",
            )  # fmt: skip
            parts = []
        for position, name in enumerate(names):
            self.put_reference(draft, name, parts[position] if parts else "", where, where_pages)

    def put_reference(self, draft: Draft, name: str, pages: str, where: str, where_pages: str) -> None:
        """One evidence file and its pages."""
        try:
            file = safe_name(name)
        except Refused as refusal:
            self.fail(draft, where, f"{refusal}")
            return
        text = _pages(pages)
        if text is None and pages:
            shown = line(pages)[:40]
            self.warn(draft, where_pages, f"số trang «{shown}» không đọc được; ghi như 3 hoặc 2-5, 8 (ô kiểu Text).")
        draft.evidence[EvidenceRef(file, text)] = None

    # --- the whole ---

    def report(self) -> UnitReport:
        """The cells without an error, in the framework's order."""
        cells = []
        for criterion in self.level.criteria:
            draft = self.drafts.get(criterion.code)
            if draft is None or draft.has_error:
                continue
            cell = ReportedCell(
                criterion.code,
                tuple(draft.inputs[spec.name] for spec in criterion.inputs if spec.name in draft.inputs),
                draft.where,
                draft.self_score,
                "\n".join(draft.explanations) or None,
                tuple(draft.evidence),
                draft.not_applicable,
            )
            if cell.not_applicable and any(item.value is not None for item in cell.inputs):
                self.warn(draft, draft.where, "vừa có giá trị vừa đề nghị không đánh giá; cả hai được giữ.")
            cells.append(cell)
        name: LevelName = self.level.level
        return UnitReport(self.unit.code, self.unit.name, name, tuple(cells), dict(self.facts))


def wrong_value(spec: InputSpec, value: str) -> str:
    """Why a plain value does not fit an input, and what does."""
    shown = line(value)[:60]
    if spec.kind == "option":
        return f"«{shown}» không phải một lựa chọn; chọn một trong: {'; '.join(item.label for item in spec.options)}"
    if re.fullmatch(r"[0-9]+\.[0-9]+", value) and spec.kind == "count":
        return f"«{shown}» không phải số nguyên, mà số liệu này là số đếm"
    if "," in value:
        return f"«{shown}» không phải số thập phân viết bằng dấu chấm"
    return f"«{shown}» không phải số không âm; chỉ ghi chữ số, ví dụ 12 hoặc 0.5"


def option_of(spec: InputSpec, text: str) -> str:
    """The option that a label means, whatever its case and spaces; its identifier too. Raises Unreadable."""
    folded = _folded(text)
    found = {item.value for item in spec.options if _folded(item.label) == folded} or {
        item.value for item in spec.options if item.value == text
    }
    if len(found) != 1:
        raise Unreadable(wrong_value(spec, text))
    return found.pop()


@lru_cache(maxsize=1_000)
def _folded(label: str) -> str:
    return re.sub(r"\s*([,;:/().–-])\s*", r"\1", line(label)).rstrip(".;, ").casefold()


def _pages(text: str) -> str | None:
    """«3», «2-5, 8» from «trang 3», «tr. 2 – 5,8»; None where it is nothing of the kind, or runs backwards."""
    bare = re.sub(r"^(?:trang|tr\.?|p\.?|pp\.?)\s*", "", line(text), flags=re.IGNORECASE)
    bare = re.sub(r"\s*[-–—−]\s*", "-", bare)
    pieces = re.split(r"\s*(?:,|\bvà\b|&)\s*", bare)
    if not bare or len(bare) > 200 or not all(re.fullmatch(r"[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?", p) for p in pieces):
        return None
    ends = [[int(end) for end in piece.split("-")] for piece in pieces]
    return None if any(item[0] > item[-1] for item in ends) else ", ".join(pieces)
