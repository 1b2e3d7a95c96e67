"""The worksheet for many cells at once: what appraisers take along, and reading back what they decided.

One row per cell with the three values, a decision to choose, figures, reason and document. A row without a decision
says nothing. Here: XLSX out, rows in, every problem with its sheet and cell. Not here: what may be done (`service.py`).
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dti_pipeline.appraisal.effects import Effect
from dti_pipeline.appraisal.model import ACTION_WORDS, Action, Actor, Wanted
from dti_pipeline.appraisal.scope import deals_with
from dti_pipeline.appraisal.service import (
    ActionError,
    ActionRefused,
    Claims,
    Desk,
    Done,
    Place,
    act,
    claims_of,
    desk_of,
    preview,
)
from dti_pipeline.appraisal.views import LevelView, level_view
from dti_pipeline.evidence.model import Refused
from dti_pipeline.evidence.reading.archives import open_archive
from dti_pipeline.evidence.reading.sheets import Sheet, SheetCell, column_letters, read_book
from dti_pipeline.evidence.reading.texts import clean, fault_of, neutral
from dti_pipeline.scoring.states import CELL_STATE_WORDS
from dti_pipeline.text import nfc

if TYPE_CHECKING:
    from dti_pipeline.night import Workspace

SHEET, META = "Thẩm định", "_dti"
_SCHEMA = "dti-appraisal-1"
_HEADERS = (
    "Mã đơn vị", "Đơn vị", "Tiêu chí", "Tên tiêu chí", "Đơn vị báo cáo", "Tự động", "Đã thẩm định", "Hiện trạng",
    "Quyết định", "Số liệu điều chỉnh", "Lý do", "Văn bản", "Quyết định trước",
)  # fmt: skip
_UNIT, _CRITERION, _CRITERION_NAME, _CLAIMED = 1, 3, 4, 5
_CHOICE, _FIGURES, _REASON, _DOCUMENT, _BEFORE = 9, 10, 11, 12, 13
_WIDTHS = (11, 28, 9, 36, 20, 20, 20, 26, 30, 22, 34, 26, 0)
_ACTIONS: tuple[Action, ...] = ("accept", "adjust", "reject", "grant_na", "refuse_na", "exclude", "reopen")
_BY_WORDS = {ACTION_WORDS[action]: action for action in _ACTIONS}
_HINT = "Nhiều số liệu: a = 12; b = 30. Chỉ dòng có Quyết định mới được đọc."


class WorksheetError(ActionError):
    """A worksheet that cannot be taken: every problem, with sheet and cell. Nothing was written."""


def export_worksheet(
    work: Workspace, assessment_id: str, night: dt.date, *, as_unit: str | None = None, level: str | None = None
) -> bytes:
    """The worksheet of an assessment's cells as of now: those of the units that `as_unit` deals with, where given."""
    import xlsxwriter

    desk = desk_of(work, assessment_id)
    out = io.BytesIO()
    # Nothing in the file may depend on the moment it was written.
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties(
        {"title": SHEET, "created": dt.datetime.combine(night, dt.time(0)), "author": "", "comments": ""}
    )
    head = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
    text = book.add_format({"text_wrap": True, "valign": "top", "num_format": "@"})
    open_ = book.add_format(
        {"text_wrap": True, "valign": "top", "num_format": "@", "bg_color": "#FFF8E1", "locked": False}
    )
    sheet, meta = book.add_worksheet(SHEET), book.add_worksheet(META)
    for column, (name, width) in enumerate(zip(_HEADERS, _WIDTHS, strict=True)):
        sheet.write_string(0, column, name, head)
        sheet.set_column(column, column, width or 12, None, {"hidden": True} if not width else None)
    last = 0
    for view in _views(desk, night, level):
        for cells in _rows(view, as_unit):
            last += 1
            # Programs that open the file do not all make rows as high as their wrapped text.
            lines = max(-(-len(value) // width) for value, width in zip(cells, _WIDTHS, strict=True) if width)
            sheet.set_row(last, 15 * max(1, lines))
            for column, value in enumerate(cells, start=1):
                is_open = _CHOICE <= column <= _DOCUMENT
                sheet.write_string(last, column - 1, neutral(value), open_ if is_open else text)
    choice = {
        "validate": "list", "source": list(_BY_WORDS), "input_title": "Quyết định", "input_message": _HINT,
        "error_title": "Quyết định", "error_message": "Chọn một quyết định trong danh sách, hoặc để trống.",
    }  # fmt: skip
    if last:
        sheet.data_validation(1, _CHOICE - 1, last, _CHOICE - 1, choice)
        sheet.autofilter(0, 0, last, len(_HEADERS) - 1)
    sheet.freeze_panes(1, 4)
    sheet.repeat_rows(0)
    sheet.set_paper(9)  # A4
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.protect("", {"autofilter": True, "sort": True, "format_columns": True, "format_rows": True})
    for row, (key, value) in enumerate((("schema", _SCHEMA), ("assessment", desk.assessment.id))):
        meta.write_string(row, 0, key)
        meta.write_string(row, 1, value)
    meta.protect()
    meta.very_hidden()
    book.close()
    return out.getvalue()


def _views(desk: Desk, night: dt.date, level: str | None) -> list[LevelView]:
    return [
        level_view(desk, item, night)
        for item in desk.assessment.scored_levels(desk.framework)
        if level in (None, item.level)
    ]


def _rows(view: LevelView, as_unit: str | None) -> list[tuple[str, ...]]:
    desk = view.desk
    found: list[tuple[str, ...]] = []
    for unit in view.known.units:
        if as_unit is not None and not deals_with(desk.assessment, desk.framework, view.level, unit, as_unit):
            continue
        for criterion in view.level.criteria:
            at = (unit.code, criterion.code)
            inputs, cell, decided = view.inputs.get(at, []), view.cells[at], view.decisions.cells.get(at)
            claimed = [(item.name, item.claim.value) for item in inputs if item.claim and item.claim.value is not None]
            automatic = [
                (item.name, item.automatic.value)
                for item in inputs
                if item.automatic and item.automatic.value is not None
            ]
            state = CELL_STATE_WORDS[cell.state] + (f": {cell.reason}" if cell.reason else "")
            done = f"{ACTION_WORDS[decided.action]} {_figures(list(decided.inputs.items()))}".strip() if decided else ""
            found.append(
                (
                    unit.code, unit.name, criterion.code, criterion.name, _figures(claimed), _figures(automatic), done,
                    state, "", "", "", "", decided.event if decided else "",
                )
            )  # fmt: skip
    return found


def _figures(items: Sequence[tuple[str, str]]) -> str:
    return "; ".join(f"{name} = {value}" for name, value in items)


@dataclass(frozen=True, slots=True)
class Line:
    """One row that decides something."""

    row: int
    wanted: Wanted

    def place(self, column: int = _CHOICE) -> str:
        return _place(self.row, column)


def _place(row: int, column: int) -> str:
    return f"«{SHEET}» ô {column_letters(column)}{row}"


def import_worksheet(work: Workspace, assessment_id: str, actor: Actor, body: bytes, night: dt.date) -> Done:
    """Do what a worksheet says, all or none. Raises WorksheetError, ActionRefused."""
    lines = read_worksheet(work, assessment_id, body)
    try:
        return act(work, assessment_id, actor, [line.wanted for line in lines], night)
    except ActionRefused as refused:
        rows = {(line.wanted.unit, line.wanted.criterion): line for line in lines}
        told = [f"{rows[item.unit, item.criterion].place()}: {item.refusal}" for item in refused.events]
        raise ActionRefused("\n".join(told), refused.events) from None
    except ActionError as error:
        raise _with_places(error, lines) from None


def preview_worksheet(
    work: Workspace, assessment_id: str, actor: Actor, body: bytes, night: dt.date
) -> tuple[Effect, ...]:
    """What a worksheet would change; nothing is written. Raises WorksheetError."""
    lines = read_worksheet(work, assessment_id, body)
    try:
        return preview(work, assessment_id, actor, [line.wanted for line in lines], night)
    except ActionError as error:
        raise _with_places(error, lines) from None


def _with_places(error: ActionError, lines: Sequence[Line]) -> ActionError:
    if not error.problems:
        return error
    return WorksheetError("\n".join(f"{lines[position].place()}: {told}" for position, told in error.problems))


def read_worksheet(work: Workspace, assessment_id: str, body: bytes) -> list[Line]:
    """The rows of a worksheet that decide something. Raises WorksheetError with every problem."""
    desk = desk_of(work, assessment_id)
    try:
        book = read_book(open_archive(body), lambda sheet: True)
    except Refused as refused:
        raise WorksheetError(str(refused)) from None
    sheets = {nfc(sheet.title): sheet for sheet in book.sheets}
    meta = (
        {_text(row.get(1)): _text(row.get(2)) for row in (sheets[META].row(n) for n in (1, 2))}
        if META in sheets
        else {}
    )
    if SHEET not in sheets or meta.get("schema") != _SCHEMA:
        raise WorksheetError("không phải bảng thẩm định của hệ thống; lập bảng bằng: dti appraise export")
    if meta.get("assessment") != assessment_id:
        raise WorksheetError(f"bảng này là của đợt {meta.get('assessment')}, không phải {assessment_id}")
    reader = _Reader(desk, sheets[SHEET])
    lines = reader.lines()
    if reader.problems:
        raise WorksheetError("\n".join(reader.problems))
    if not lines:
        raise WorksheetError(f"«{SHEET}»: không dòng nào có quyết định")
    return lines


class _Reader:
    def __init__(self, desk: Desk, sheet: Sheet) -> None:
        self.desk = desk
        self.rows: dict[int, dict[int, SheetCell]] = {}
        for (row, column), cell in sheet.cells.items():
            self.rows.setdefault(row, {})[column] = cell
        self.decisions = desk.decisions()
        self.claims: dict[str, Claims] = {}
        self.problems: list[str] = []

    def lines(self) -> list[Line]:
        header = [self._cell(1, column + 1) for column in range(len(_HEADERS))]
        if header != list(_HEADERS):
            self.problems.append(
                f"«{SHEET}» dòng 1: tiêu đề cột đã bị đổi; dùng lại bảng đã lập, không xóa hay chèn cột"
            )
            return []
        found: list[Line] = []
        seen: dict[tuple[str, str], int] = {}
        for row in sorted(self.rows):
            if row == 1:
                continue
            before = len(self.problems)
            line = self._line(row)
            if line is None or len(self.problems) > before:
                continue
            at = (line.wanted.unit, line.wanted.criterion or "")
            if at in seen:
                self._wrong(row, _CRITERION, f"ô {at[0]}, {at[1]} đã có ở dòng {seen[at]}")
            seen.setdefault(at, row)
            found.append(line)
        return found

    def _line(self, row: int) -> Line | None:
        for column, cell in sorted(self.rows[row].items()):
            if cell.formula is not None:
                self._wrong(row, column, "ô là công thức; ghi giá trị")
            elif cell.kind == "error":
                self._wrong(row, column, "ô bị lỗi; ghi lại giá trị")
            elif cell.kind == "bool":
                self._wrong(row, column, "ghi bằng chữ hoặc số, không phải TRUE hay FALSE")
            elif (fault := fault_of(cell.raw or "")) is not None:
                self._wrong(row, column, fault)
        unit, criterion, choice, figures, reason, document, before = (
            self._cell(row, column) for column in (_UNIT, _CRITERION, _CHOICE, _FIGURES, _REASON, _DOCUMENT, _BEFORE)
        )
        if not choice:
            for column, value in ((_FIGURES, figures), (_REASON, reason), (_DOCUMENT, document)):
                if value:
                    self._wrong(row, column, "dòng này chưa có quyết định; chọn quyết định ở cột I hoặc xóa ô này")
            return None
        action = _BY_WORDS.get(choice)
        if action is None:
            self._wrong(row, _CHOICE, f"không có quyết định «{choice}»; chọn: {', '.join(_BY_WORDS)}")
            return None
        try:
            place = self.desk.place(unit)
        except ActionError as error:
            self._wrong(row, _UNIT, str(error))
            return None
        try:
            self.desk.place(unit, criterion)
        except ActionError as error:
            self._wrong(row, _CRITERION, str(error))
            return None
        now = self.decisions.cells.get((unit, criterion))
        if (now.event if now else "") != before:
            told = f"{ACTION_WORDS[now.action]} ({now.by})" if now else "đã được mở lại"
            self._wrong(row, _CHOICE, f"ô này có quyết định khác từ khi lập bảng: {told}; lập bảng mới rồi xem lại")
        names = [item.name for item in place.level.criterion(criterion).inputs]
        self._check_shown(row, place, criterion, names)
        inputs = self._figures(row, figures, names)
        return Line(row, Wanted(action, unit, criterion, reason or None, inputs, document or None))

    def _check_shown(self, row: int, place: Place, criterion: str, names: Sequence[str]) -> None:
        """Whether the row still shows the cell that it decides: its names, and what the unit reports."""
        level = place.level.level
        if level not in self.claims:
            self.claims[level] = claims_of(self.desk, place.level, self.decisions)
        said = self.claims[level].values.get((place.unit.code, criterion), {})
        reported = _figures([(name, said[name]) for name in names if name in said])
        if self._cell(row, _CRITERION_NAME) != _kept(place.level.criterion(criterion).name):
            self._wrong(row, _CRITERION_NAME, f"không phải tên tiêu chí {criterion}; dùng lại bảng đã lập")
        elif self._cell(row, _CLAIMED) != _kept(reported):
            told = f"đơn vị nay báo cáo «{reported}», khác khi lập bảng; lập bảng mới rồi xem lại"
            self._wrong(row, _CLAIMED, told)

    def _figures(self, row: int, text: str, names: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for part in (item.strip() for item in text.replace("\n", ";").split(";")):
            if not part:
                continue
            name, equals, value = (item.strip() for item in part.partition("="))
            if not equals and len(names) == 1:
                name, value = names[0], part
            elif not equals:
                self._wrong(row, _FIGURES, f"«{part}»: ghi tên số liệu, như {names[0]} = {part}")
                continue
            if name in found:
                self._wrong(row, _FIGURES, f"số liệu {name} ghi hai lần")
            found[name] = value
        return found

    def _cell(self, row: int, column: int) -> str:
        return _text(self.rows.get(row, {}).get(column))

    def _wrong(self, row: int, column: int, message: str) -> None:
        self.problems.append(f"{_place(row, column)}: {message}")


def _text(cell: SheetCell | None) -> str:
    """A cell's text as it was before `neutral`, numbers as written."""
    if cell is None or cell.raw is None or cell.kind not in ("text", "number"):
        return ""
    text = nfc(clean(cell.raw)).strip()
    return text[1:] if text.startswith("'") and neutral(text[1:]) == text else text


def _kept(text: str) -> str:
    """A text as `_text` reads it back from the cell that it was written to."""
    return nfc(clean(text)).strip()
