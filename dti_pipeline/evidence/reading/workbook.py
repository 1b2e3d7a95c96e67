"""The self-report workbook as people return it -> one unit's report.

Here: finding the sheet by its headings, the unit and the assessment, rows by key, and values as they stand in cells.
Not here: XML (`sheets.py`), numbers (`numbers.py`), gathering (`drafts.py`), the words of headings (`workbook/`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from dti_pipeline.evidence.model import Refused, Report
from dti_pipeline.evidence.reading.archives import Archive
from dti_pipeline.evidence.reading.drafts import Draft, Problems, UnitDraft, option_of
from dti_pipeline.evidence.reading.limits import limits
from dti_pipeline.evidence.reading.numbers import Unreadable, plain, read_number, sheet_number
from dti_pipeline.evidence.reading.sheets import Book, Sheet, SheetCell, column_letters, read_book
from dti_pipeline.evidence.reading.texts import (
    clean,
    fault_of,
    is_same_name,
    legacy_encoding,
    legacy_words,
    line,
    plain_letters,
)
from dti_pipeline.evidence.workbook.layout import ColumnKey, Layout, load_layout, normal
from dti_pipeline.frameworks.assessment import Assessment
from dti_pipeline.frameworks.model import Criterion, Framework, InputSpec, Level, LevelName
from dti_pipeline.scoring.engine import UnitRef
from dti_pipeline.scoring.states import InputState
from dti_pipeline.units.registry import normalise_code

_READ: tuple[ColumnKey, ...] = (
    "key", "code", "symbol", "label", "value", "self_score", "explanation", "evidence", "pages", "request",
)  # fmt: skip
_BY_UNIT: tuple[ColumnKey, ...] = ("value", "explanation", "evidence", "pages", "request")
"""What a unit writes; a row without any of it and without a key is none of the report's."""
_HEADING_ADVICE = "lấy lại biểu từ tệp mẫu, chép số liệu sang rồi nộp lại"


@dataclass(frozen=True, slots=True)
class _Header:
    row: int
    columns: Mapping[ColumnKey, int]


def is_report(archive: Archive) -> bool:
    """Whether a workbook is a self-report: it has our hidden sheet, or a sheet with our headings. Raises Refused."""
    layout = load_layout()
    book = read_book(archive, lambda sheet: False)
    return any(normal(sheet.title) == normal(layout.sheets.meta) for sheet in book.sheets) or any(
        _header_row(sheet, layout) for sheet in book.sheets
    )


def read_workbook(
    archive: Archive,
    assessment: Assessment,
    framework: Framework,
    units: Mapping[str, tuple[UnitRef, LevelName]],
) -> Report:
    """One unit's report. Raises Refused where it is not known whose it is or where its figures stand."""
    layout = load_layout()
    book = read_book(archive, lambda sheet: _header_row(sheet, layout) is not None)
    sheet, header = _table(book, layout)
    problems = Problems()
    meta = _meta(book, layout)
    facts_sheet = _facts_sheet(book, layout)
    facts = _facts(book, facts_sheet, layout) if facts_sheet is not None else []
    unit, name = _unit(meta, {key: text for key, _, text, _ in facts if key}, assessment, framework, units)
    if not meta:
        problems.add(
            f"«{sheet.title}»", f"tệp không còn trang ẩn «{layout.sheets.meta}» nên không biết là biểu của đợt nào; "
            f"được đọc như biểu của đợt {assessment.id}. Lần sau nộp tệp lập từ tệp mẫu.", unit=unit.code, error=False,
        )  # fmt: skip
    draft = UnitDraft(unit, framework.level(name), problems)
    _Rows(book, sheet, header, draft, problems).read()
    for key, where, text, label in facts:
        _keep_fact(draft, layout, key, where, text, label, meta)
    return Report("workbook", (draft.report(),), problems.all())


# --- where things stand ---


def _text(cell: SheetCell | None) -> str:
    """A cell's stored value as text, as far as it is one; numbers as written."""
    return cell.raw or "" if cell is not None and cell.kind in ("text", "number") else ""


def _header_row(sheet: Sheet, layout: Layout) -> int | None:
    """The first row that has the headings without which nothing can be read."""
    found: dict[int, set[ColumnKey]] = defaultdict(set)
    for (row, _), cell in sheet.cells.items():
        if row <= limits().sheet.header_rows and cell.kind == "text" and cell.raw and len(cell.raw) < 100:
            column = layout.column_of(line(cell.raw))
            if column is not None:
                found[row].add(column.key)
    rows = [row for row, keys in found.items() if _is_enough(keys)]
    return min(rows, default=None)


def _is_enough(keys: set[ColumnKey]) -> bool:
    return "value" in keys and bool(keys & {"key", "code"}) and bool(keys & {"symbol", "label"})


def _table(book: Book, layout: Layout) -> tuple[Sheet, _Header]:
    found = [(sheet, row) for sheet in book.sheets if (row := _header_row(sheet, layout)) is not None]
    if not found:
        raise Refused(
            f"Không tìm thấy bảng tự chấm: không trang nào có các tiêu đề «{layout.column('key').heading}» hoặc "
            f"«{layout.column('code').heading}», «{layout.column('symbol').heading}», "
            f"«{layout.column('value').heading}»; {_HEADING_ADVICE}. Chữ phải là Unicode."
        )
    if len(found) > 1:
        names = ", ".join(f"«{plain_letters(sheet.title)}»" for sheet, _ in found)
        raise Refused(f"Có {len(found)} trang có bảng tự chấm ({names}); để lại một trang rồi nộp lại.")
    sheet, row = found[0]
    by_key: dict[ColumnKey, list[tuple[bool, int]]] = defaultdict(list)
    for number, cell in sorted(sheet.row(row).items()):
        column = layout.column_of(line(_text(cell))) if cell.kind == "text" else None
        if column is not None and column.key in _READ:
            by_key[column.key].append((normal(line(_text(cell))) == normal(column.heading), number))
    columns: dict[ColumnKey, int] = {}
    for key, places in by_key.items():
        # A column of one's own («Ghi chú») may have a heading that would do; ours goes before it.
        exact = [number for is_exact, number in places if is_exact] or [number for _, number in places]
        if len(exact) > 1:
            cells = ", ".join(f"{column_letters(number)}{row}" for number in exact)
            raise Refused(f"Trang «{sheet.title}» có hai cột «{layout.column(key).heading}» ({cells}); để lại một cột.")
        columns[key] = exact[0]
    return sheet, _Header(row, columns)


def _meta(book: Book, layout: Layout) -> dict[str, str]:
    """The hidden sheet's keys and values; empty where it is gone."""
    for sheet in book.sheets:
        if normal(sheet.title) == normal(layout.sheets.meta):
            return {
                line(_text(cell)): line(_text(sheet.cells.get((row, 2))))
                for (row, column), cell in sheet.cells.items()
                if column == 1
            }
    return {}


def _facts_sheet(book: Book, layout: Layout) -> Sheet | None:
    named = [sheet for sheet in book.sheets if normal(sheet.title) == normal(layout.sheets.facts)]
    return next(iter(named), None) or next(
        (
            sheet
            for sheet in book.sheets
            if not sheet.is_very_hidden
            and any(
                (fact := layout.fact_of(line(_text(cell)))) is not None and fact.key == "unit_code"
                for (row, column), cell in sheet.cells.items()
                if column <= 3 and row <= limits().sheet.header_rows
            )
        ),
        None,
    )


def _facts(book: Book, sheet: Sheet, layout: Layout) -> list[tuple[str | None, str, str, str]]:
    """(key or None, place, text, label) of every line that has something beside its label."""
    rows: dict[int, dict[int, SheetCell]] = defaultdict(dict)
    for (row, column), cell in sorted(sheet.cells.items(), key=lambda item: item[0]):
        if row <= limits().sheet.header_rows:
            rows[row][column] = cell
    labels = {
        (row, column): fact
        for row, cells in rows.items()
        for column, cell in cells.items()
        if (fact := layout.fact_of(line(_text(cell)))) is not None
    }
    columns = {column for _, column in labels}
    found = []
    for row, cells in rows.items():
        # The first label of a row, or what stands where all labels do; its text is the next cell to the right.
        column = next((item for item in cells if (row, item) in labels), min(columns) if len(columns) == 1 else 0)
        right = next((item for item in cells if item > column), None)
        if column in cells and right is not None and cells[column].kind == "text":
            fact = labels.get((row, column))
            text = _shown(book, cells[right])
            if text:
                found.append((fact.key if fact else None, _place(sheet, row, right), text, line(_text(cells[column]))))
    return found


def _place(sheet: Sheet, row: int, column: int) -> str:
    return f"«{plain_letters(sheet.title)}» ô {column_letters(column)}{row}"


def _shown(book: Book, cell: SheetCell) -> str:
    """A cell's value as a person reads it; empty where it has none."""
    if cell.raw is None or cell.kind in ("error", "bool"):
        return ""
    if cell.kind == "number":
        try:
            number = sheet_number(cell.raw)
            if cell.look == "date":
                return book.date_text(number)
        except (Unreadable, ValueError):
            return cell.raw[:60]
        if cell.look == "percent":
            return plain(number * 100).replace(".", ",") + " %"
        return plain(number).replace(".", ",")
    return clean(cell.raw)


def _keep_fact(
    draft: UnitDraft, layout: Layout, key: str | None, where: str, text: str, label: str, meta: Mapping[str, str]
) -> None:
    if encoding := legacy_encoding(text):
        raise Refused(legacy_words(encoding, where))
    unit = draft.unit.code
    if key == "unit_name" and not is_same_name(text, draft.unit.name):
        words = (
            f"tên đơn vị «{line(text)[:80]}» khác tên đã đăng ký «{draft.unit.name}»; kiểm tra đúng biểu của đơn vị."
        )
        draft.problems.add(where, words, unit=unit, error=False)
    fact = next((item for item in layout.facts if item.key == key), None)
    if fact is None:
        words = f"dòng «{label[:80]}» không có trong biểu nên không được đọc."
        draft.problems.add(where, words, unit=unit, error=False)
    elif fault := fault_of(text):
        draft.problems.add(where, f"nội dung {fault}.", unit=unit, error=False)
    elif not fact.given:
        draft.facts[fact.label] = text


def _unit(
    meta: Mapping[str, str],
    facts: Mapping[str, str],
    assessment: Assessment,
    framework: Framework,
    units: Mapping[str, tuple[UnitRef, LevelName]],
) -> tuple[UnitRef, LevelName]:
    """Whose report it is. Raises Refused where it is not one of this assessment."""
    layout = load_layout()
    if meta:
        schema = meta.get("schema", "")
        if schema != layout.schema_name:
            raise Refused(
                f"Tệp theo mẫu «{plain_letters(schema)}», hệ thống đọc mẫu «{layout.schema_name}»; lấy tệp mẫu mới của "
                "đợt này."
            )
        for key, own, words in (
            ("assessment", assessment.id, "đợt đánh giá"),
            ("framework", framework.id, "bộ chỉ số"),
        ):
            if meta.get(key, "") != own:
                raise Refused(
                    f"Tệp là biểu của {words} «{plain_letters(meta.get(key, ''))}», không phải «{own}»; "
                    "lấy tệp mẫu của đúng đợt rồi nộp lại."
                )
    codes = {normalise_code(code) for code in (meta.get("unit", ""), facts.get("unit_code", "")) if code}
    if not codes:
        raise Refused(
            f"Không biết tệp của đơn vị nào: không có trang ẩn «{layout.sheets.meta}» và ô mã định danh ở trang "
            f"«{layout.sheets.facts}» trống; ghi mã định danh của đơn vị rồi nộp lại."
        )
    if len(codes) > 1:
        raise Refused(
            f"Tệp mẫu lập cho đơn vị {plain_letters(meta['unit'])} nhưng trang «{layout.sheets.facts}» ghi mã "
            f"{plain_letters(facts['unit_code'])}; mỗi đơn vị dùng tệp mẫu của mình."
        )
    code = codes.pop()
    if code not in units:
        raise Refused(
            f"Đơn vị «{plain_letters(code)}» không thuộc đợt đánh giá {assessment.id}; kiểm tra lại mã định danh."
        )
    unit, level = units[code]
    if meta and meta.get("level", "") != level:
        raise Refused(
            f"Tệp là biểu của cấp «{plain_letters(meta.get('level', ''))}», đơn vị {code} thuộc cấp «{level}»; "
            "lấy tệp mẫu của đúng đơn vị rồi nộp lại."
        )
    return unit, level


# --- rows ---


class _Rows:
    """Reads the rows under the headings into a unit's draft."""

    def __init__(self, book: Book, sheet: Sheet, header: _Header, draft: UnitDraft, problems: Problems) -> None:
        self.book, self.sheet, self.header = book, sheet, header
        self.draft, self.problems = draft, problems
        self.level: Level = draft.level
        self.covered = _covered(sheet, header)
        self.by_printed: dict[str, list[Criterion]] = defaultdict(list)
        for criterion in self.level.criteria:
            self.by_printed[line(criterion.printed_code)].append(criterion)

    def read(self) -> None:
        rows = sorted({row for row, _ in self.sheet.cells if row > self.header.row})
        done: set[tuple[str, int, int]] = set()
        for row in rows:
            if self._is_heading(row):
                continue
            criterion = self._criterion(row)
            if criterion is not None:
                draft = self.draft.draft(criterion, self._where(row, "value"))
                self._input(draft, row)
                self._shared(draft, row, done)
        self._absent()

    def _at(self, row: int, key: ColumnKey) -> tuple[int, int] | None:
        """The place of a field, that of the merged cell which covers it where one does."""
        column = self.header.columns.get(key)
        return None if column is None else self.covered.get((row, column), (row, column))

    def _cell(self, row: int, key: ColumnKey) -> SheetCell | None:
        at = self._at(row, key)
        return self.sheet.cells.get(at) if at is not None else None

    def _where(self, row: int, key: ColumnKey) -> str:
        at = self._at(row, key)
        return _place(self.sheet, *at) if at is not None else f"«{plain_letters(self.sheet.title)}» dòng {row}"

    def _is_heading(self, row: int) -> bool:
        """The headings again, as on every printed page."""
        layout = load_layout()
        cells = [self._cell(row, key) for key in ("value", "symbol", "label")]
        keys = [layout.column_of(line(_text(cell))) for cell in cells if cell is not None and cell.kind == "text"]
        return sum(column is not None for column in keys) >= 2

    def _criterion(self, row: int) -> Criterion | None:
        """The criterion that a row is about; None (with a problem, where the unit wrote something) for another row."""
        key = line(_text(self._cell(row, "key")))
        code_cell = self._cell(row, "code")
        printed = line(_text(code_cell))
        own = {
            item: self.sheet.cells.get((row, self.header.columns[item]))
            for item in _BY_UNIT
            if item in self.header.columns
        }
        # The template's row of totals has a formula beside it; what a unit works out itself is a value.
        is_filled = any(cell is not None and (item == "value" or cell.formula is None) for item, cell in own.items())
        if key:
            try:
                found = self.level.criterion(key)
            except KeyError:
                self.problems.add(
                    self._where(row, "key"), f"không có tiêu chí «{plain_letters(key)}» ở cấp này; {_HEADING_ADVICE}.",
                    unit=self.draft.unit.code,
                )  # fmt: skip
                return None
            if printed and code_cell is not None and code_cell.kind == "text" and printed != line(found.printed_code):
                self.draft.fail(
                    self.draft.draft(found, self._where(row, "value")), self._where(row, "code"),
                    f"dòng của tiêu chí {found.printed_code} (theo cột ẩn) ghi mã «{plain_letters(printed)}»: dòng bị "
                    "chép đè hoặc đổi chỗ; lấy lại dòng từ tệp mẫu.",
                )  # fmt: skip
                return None
            return found
        known = self.by_printed.get(printed, [])
        if len(known) == 1 and (is_filled or self._cell(row, "symbol") is not None):
            return known[0]
        if is_filled:
            words = (
                f"mã «{plain_letters(printed)}» có ở nhiều tiêu chí và cột ẩn đã mất"
                if known
                else f"không biết dòng này thuộc tiêu chí nào (mã «{plain_letters(printed)}»)"
            )
            where = self._where(row, "code" if "code" in self.header.columns else "key")
            self.problems.add(where, f"{words}; chép lại dòng từ tệp mẫu.", unit=self.draft.unit.code)
            for criterion in known:
                self.draft.draft(criterion, where).has_error = True
        return None

    # --- an input ---

    def _input(self, draft: Draft, row: int) -> None:
        spec = self._spec(draft, row)
        if spec is None:
            return
        column = self.header.columns["value"]
        where = _place(self.sheet, row, column)
        if (row, column) in self.covered:
            self.draft.fail(draft, where, "ô «Giá trị» bị gộp với ô khác; bỏ gộp ô và ghi từng giá trị.")
            return
        cell = self.sheet.cells.get((row, column))
        try:
            value = self._value(spec, cell, draft, where)
        except Unreadable as error:
            self.draft.fail(draft, where, f"{error}.")
            return
        state = InputState.MISSING if value is None else InputState.REPORTED
        self.draft.put_input(draft, spec, state, value, where)

    def _spec(self, draft: Draft, row: int) -> InputSpec | None:
        """The input of a row by its letter, or its label where the column of letters is gone."""
        inputs = draft.criterion.inputs
        symbol, label = line(_text(self._cell(row, "symbol"))), line(_text(self._cell(row, "label")))
        found = [spec for spec in inputs if spec.name == symbol] or [
            spec for spec in inputs if symbol and spec.name.casefold() == symbol.casefold()
        ]
        if not found and not symbol:
            found = [spec for spec in inputs if label and line(spec.label).casefold() == label.casefold()]
            found = found or (list(inputs) if len(inputs) == 1 and not label else [])
        if len(found) == 1:
            return found[0]
        names = ", ".join(spec.name for spec in inputs)
        self.draft.fail(
            draft, self._where(row, "symbol"),
            f"{draft.criterion.printed_code} không có số liệu «{plain_letters(symbol or label)}» (có: {names}); "
            "chép lại dòng từ tệp mẫu.",
        )  # fmt: skip
        return None

    def _value(self, spec: InputSpec, cell: SheetCell | None, draft: Draft, where: str) -> str | None:
        """The plain value of an input's cell; None where it is empty. Raises Unreadable."""
        if cell is None:
            return None
        raw = _stored(cell)
        if cell.formula is not None and "[" in cell.formula and self.book.has_external_links:
            raise Unreadable("công thức lấy số từ tệp khác; chép lại thành giá trị (Copy, Paste Special › Values)")
        if raw is None or (cell.kind == "text" and not clean(raw)):
            return None
        if cell.kind == "text":
            self._check_text(raw, cell, where)
        if spec.kind == "option":
            if cell.kind == "bool":
                raise Unreadable(
                    f"ô là giá trị TRUE/FALSE; chọn một trong: {'; '.join(item.label for item in spec.options)}"
                )
            return option_of(spec, clean(raw))
        if cell.kind == "bool":
            raise Unreadable("ô là giá trị TRUE/FALSE, không phải một số; ghi bằng chữ số")
        if cell.look == "date":
            raise Unreadable(
                "ô có định dạng ngày tháng, không phải một số; đổi định dạng ô sang Number (General) rồi gõ lại số"
            )
        if cell.kind == "text":
            number = read_number(clean(raw))
            if number.note:
                self.draft.warn(draft, where, f"{number.note}.")
            value, is_percent = number.value, number.is_percent
        else:
            value, is_percent = sheet_number(raw), cell.look == "percent"
            value = value * 100 if is_percent else value
        if spec.kind == "percent" and not is_percent and 0 < value <= 1:
            shown = plain(value).replace(".", ",")
            hundred = plain(value * 100).replace(".", ",")
            self.draft.warn(draft, where, f"{shown} được đọc là {shown} %; nếu là {hundred} % thì ghi {hundred}.")
        return plain(_fitting(spec, value, is_percent))

    def _check_text(self, raw: str, cell: SheetCell, where: str) -> None:
        if encoding := legacy_encoding(clean(raw), cell.font):
            raise Refused(legacy_words(encoding, where))
        if fault := fault_of(raw):
            raise Unreadable(f"nội dung {fault}")

    # --- what stands once per criterion ---

    def _shared(self, draft: Draft, row: int, done: set[tuple[str, int, int]]) -> None:
        code = draft.criterion.code

        def once(key: ColumnKey) -> tuple[SheetCell, str] | None:
            """A cell of the criterion's, the first time that one of its rows comes upon it."""
            at = self._at(row, key)
            cell = self.sheet.cells.get(at) if at is not None else None
            if at is None or cell is None or (code, *at) in done:
                return None
            done.add((code, *at))
            return cell, _place(self.sheet, *at)

        if (found := once("self_score")) is not None:
            self._self_score(draft, *found)
        for key, put in (("explanation", self.draft.put_explanation), ("request", self.draft.put_request)):
            if (found := once(key)) is not None and (text := self._words(draft, *found)):  # type: ignore[arg-type]
                put(draft, text, found[1])
        files, pages = once("evidence"), once("pages")
        if files is not None or pages is not None:
            names = self._words(draft, *files) if files else ""
            where = files[1] if files else self._where(row, "evidence")
            where_pages = pages[1] if pages else self._where(row, "pages")
            shown = self._pages(draft, *pages) if pages else ""
            self.draft.put_evidence(draft, names, shown, where, where_pages)

    def _words(self, draft: Draft, cell: SheetCell, where: str) -> str:
        """A cell that should hold words; numbers and days as a person sees them."""
        try:
            raw = _stored(cell)
        except Unreadable as error:
            self.draft.fail(draft, where, f"{error}.")
            return ""
        if raw is None:
            return ""
        if cell.kind == "text":
            if encoding := legacy_encoding(clean(raw), cell.font):
                raise Refused(legacy_words(encoding, where))
            return raw
        if cell.kind == "bool":
            return "TRUE" if raw == "1" else "FALSE"
        return _shown(self.book, cell)

    def _pages(self, draft: Draft, cell: SheetCell, where: str) -> str:
        if cell.kind == "number" and (cell.look != "plain" or "." in (cell.raw or "")):
            self.draft.warn(
                draft, where,
                f"số trang «{_shown(self.book, cell)}» đã bị Excel đổi thành số hoặc ngày tháng nên không được đọc; "
                "định dạng ô là Text rồi gõ lại, ví dụ 2-5, 8.",
            )  # fmt: skip
            return ""
        return self._words(draft, cell, where)

    def _self_score(self, draft: Draft, cell: SheetCell, where: str) -> None:
        if cell.formula is not None and (cell.raw is None or cell.kind == "text"):
            return  # not computed yet, or the template says in words why there is no score
        try:
            raw = _stored(cell)
            if raw is None or (cell.kind == "text" and not clean(raw)):
                return
            if cell.kind == "bool" or cell.look == "date":
                raise Unreadable("điểm tự chấm không phải một số")
            value = read_number(clean(raw)).value if cell.kind == "text" else sheet_number(raw)
        except Unreadable as error:
            self.draft.warn(draft, where, f"{error}; điểm tự chấm không được giữ.")
            return
        self.draft.put_self_score(draft, plain(value), where)

    # --- what is not there ---

    def _absent(self) -> None:
        where = f"«{plain_letters(self.sheet.title)}»"
        for criterion in self.level.criteria:
            draft = self.draft.drafts.get(criterion.code)
            if draft is None:
                self.problems.add(
                    where, f"không có dòng nào của tiêu chí {criterion.printed_code} «{criterion.name[:80]}», nên "
                    "tiêu chí này không được đọc; nếu cần báo cáo, chép lại dòng từ tệp mẫu.",
                    unit=self.draft.unit.code, criterion=criterion.code, error=False,
                )  # fmt: skip
            elif not draft.has_error:
                for spec in criterion.inputs:
                    if spec.name not in draft.inputs:
                        self.draft.fail(
                            draft, where, f"tiêu chí {criterion.printed_code} thiếu dòng của số liệu {spec.name}; "
                            "chép lại dòng từ tệp mẫu.",
                        )  # fmt: skip


def _stored(cell: SheetCell) -> str | None:
    """The value that the sheet holds. Raises Unreadable for an error value and a formula that was never computed."""
    if cell.kind == "error":
        raise Unreadable(f"ô bị lỗi {plain_letters(cell.raw or '')}; sửa công thức hoặc gõ số trực tiếp")
    if cell.raw is None and cell.formula is not None:
        raise Unreadable("ô có công thức chưa được tính; mở tệp bằng Excel, lưu lại, hoặc gõ số trực tiếp")
    return cell.raw


def _fitting(spec: InputSpec, value: Decimal, is_percent: bool) -> Decimal:
    """A number as its input takes it; percent in per cent. Raises Unreadable."""
    if spec.kind != "percent":
        if is_percent:
            raise Unreadable(f"giá trị là tỷ lệ ({plain(value)} %), mà số liệu này không phải tỷ lệ; ghi con số")
        if spec.kind == "count" and value != value.to_integral_value():
            raise Unreadable(f"{plain(value).replace('.', ',')} không phải số nguyên, mà số liệu này là số đếm")
    return value


def _covered(sheet: Sheet, header: _Header) -> dict[tuple[int, int], tuple[int, int]]:
    """Place under a merged cell -> the place of that cell, in the columns that are read. Raises Refused."""
    wanted = set(header.columns.values())
    last = max((row for row, _ in sheet.cells), default=0)
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for top, left, bottom, right in sheet.merged:
        columns = [column for column in wanted if left <= column <= right]
        rows = range(max(top, header.row), min(bottom, last) + 1)
        if len(found) + len(rows) * len(columns) > limits().sheet.max_merged:
            raise Refused(f"Trang «{sheet.title}» gộp quá nhiều ô; bỏ gộp ô trên cả cột, cả hàng rồi nộp lại.")
        for row in rows:
            for column in columns:
                if (row, column) != (top, left):
                    found[row, column] = (top, left)
    return found
