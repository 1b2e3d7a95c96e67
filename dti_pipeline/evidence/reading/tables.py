"""CSV of several units' figures -> their reports. Every bad line is a problem; the criterion it is about is left out.

Columns: `unit,unit_name,criterion,input,value,state` and optionally `parent`, `self_score`, `explanation`, `evidence`,
`pages`, `not_applicable`; UTF-8. Values are plain decimals with a dot and identifiers of options. Not here: the strict
reader of `dti score`, which stops at the first problem (`dti_pipeline.evidence.tables`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping

from dti_pipeline.evidence.model import Refused, Report
from dti_pipeline.evidence.reading.drafts import Draft, Problems, UnitDraft
from dti_pipeline.evidence.reading.limits import limits
from dti_pipeline.evidence.reading.texts import is_same_name, plain_letters
from dti_pipeline.frameworks.model import Framework, LevelName
from dti_pipeline.scoring.engine import UnitRef, parse_decimal
from dti_pipeline.scoring.states import InputState
from dti_pipeline.text import nfc
from dti_pipeline.units.registry import normalise_code

COLUMNS = ("unit", "unit_name", "criterion", "input", "value", "state")
OPTIONAL = ("parent", "self_score", "explanation", "evidence", "pages", "not_applicable")
STATES = {state.value: state for state in (InputState.REPORTED, InputState.MISSING, InputState.NOT_APPLICABLE)}
"""What a unit can say of an input; the other states are for the system to give."""


class Units:
    """The parts of a report by unit, in the order in which the file comes to them."""

    def __init__(
        self, framework: Framework, units: Mapping[str, tuple[UnitRef, LevelName]], assessment: str, problems: Problems
    ) -> None:
        self.framework, self.units, self.assessment, self.problems = framework, units, assessment, problems
        self.drafts: dict[str, UnitDraft] = {}
        self.misnamed: set[tuple[str, str]] = set()

    def draft(self, code: str, where: str) -> UnitDraft | None:
        """The part of a unit; None, with a problem, for a unit that the assessment has not."""
        known = normalise_code(code)
        if known not in self.units:
            self.problems.add(
                where,
                f"đơn vị «{plain_letters(code)}» không thuộc đợt đánh giá {self.assessment}; kiểm tra mã định danh.",
            )
            return None
        if known not in self.drafts:
            unit, level = self.units[known]
            self.drafts[known] = UnitDraft(unit, self.framework.level(level), self.problems)
        return self.drafts[known]

    def check_name(self, draft: UnitDraft, name: str, where: str) -> None:
        """Say once where a file calls a unit by another name than the registry."""
        if name and not is_same_name(name, draft.unit.name) and (draft.unit.code, name) not in self.misnamed:
            self.misnamed.add((draft.unit.code, name))
            self.problems.add(
                where, f"tên đơn vị «{plain_letters(name)}» khác tên đã đăng ký «{draft.unit.name}»; đọc theo mã "
                f"{draft.unit.code}.", unit=draft.unit.code, error=False,
            )  # fmt: skip


def read_csv(
    body: bytes, assessment: str, framework: Framework, units: Mapping[str, tuple[UnitRef, LevelName]]
) -> Report:
    """Reports of the units that a CSV file names. Raises Refused for a file without usable headings or text."""
    problems = Problems()
    parts = Units(framework, units, assessment, problems)
    last = 0
    try:
        for number, row in _lines(_decoded(body), problems):
            last = number
            _line(row, f"dòng {number}", parts)
    except csv.Error as error:
        # Behind an open quote nothing can be told apart any more; what stood before it was read.
        problems.add(f"sau dòng {last}", f"không tách được các cột ({error}); kiểm tra dấu ngoặc kép trong tệp.")
    return Report("csv", tuple(draft.report() for draft in parts.drafts.values()), problems.all())


def _decoded(body: bytes) -> str:
    try:
        return nfc(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        place = body.count(b"\n", 0, error.start) + 1
        raise Refused(
            f"Tệp CSV không phải UTF-8 (dòng {place}); trong Excel chọn Save As › «CSV UTF-8 (Comma delimited)» rồi "
            "nộp lại. Nếu chữ theo phông .VnTime hay VNI, chuyển sang Unicode trước."
        ) from None


def _lines(text: str, problems: Problems) -> Iterator[tuple[int, dict[str, str]]]:
    """(line in the file, fields by column). Raises Refused for headings that are not ours, csv.Error."""
    first = text.split("\n", 1)[0]
    # Excel of a Vietnamese Windows writes semicolons, because its decimals have the comma.
    delimiter = ";" if ";" in first and "," not in first else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    before = count = 0
    while True:
        try:
            fields = next(reader, None)
        except csv.Error:
            if header is None:
                raise Refused("Dòng đầu của tệp CSV không đọc được; lưu lại thành «CSV UTF-8» rồi nộp lại.") from None
            raise
        number, before = before + 1, reader.line_num
        if fields is None:
            if header is None:
                raise Refused("Tệp CSV trống; kiểm tra lại tệp đã lưu rồi nộp lại.")
            return
        if header is None:
            header = [field.strip().casefold() for field in fields]
            _check_header(header)
        elif any(field.strip() for field in fields):
            count += 1
            if count > limits().report.max_lines:
                raise Refused(f"Tệp CSV có quá {limits().report.max_lines} dòng; chia thành nhiều tệp.")
            if len(fields) != len(header):
                problems.add(
                    f"dòng {number}", f"có {len(fields)} cột, dòng tiêu đề có {len(header)}; ô có dấu phẩy phải nằm "
                    "trong dấu ngoặc kép.",
                )  # fmt: skip
                continue
            yield number, dict(zip(header, (field.strip() for field in fields), strict=True))


def _check_header(header: list[str]) -> None:
    missing = [column for column in COLUMNS if column not in header]
    unknown = [column for column in header if column not in (*COLUMNS, *OPTIONAL)]
    twice = sorted({column for column in header if header.count(column) > 1})
    if missing or unknown or twice:
        parts = [
            f"{words}: {', '.join(plain_letters(item) or '(trống)' for item in items[:20])}"
            for words, items in (("thiếu", missing), ("lạ", unknown), ("hai lần", twice))
            if items
        ]
        raise Refused(
            f"Dòng đầu của tệp CSV phải có các cột {', '.join(COLUMNS)} và có thể có {', '.join(OPTIONAL)}; "
            f"{'; '.join(parts)}."
        )


def _line(row: Mapping[str, str], where: str, parts: Units) -> None:
    unit = parts.draft(row["unit"], where)
    if unit is None:
        return
    code = unit.unit.code
    parts.check_name(unit, row["unit_name"], where)
    if row.get("parent") and normalise_code(row["parent"]) != unit.unit.parent:
        parts.problems.add(
            where, f"đơn vị cấp trên «{plain_letters(row['parent'])}» khác đã đăng ký "
            f"({unit.unit.parent or 'không có'}).", unit=code, error=False,
        )  # fmt: skip
    try:
        criterion = unit.level.criterion(row["criterion"])
    except KeyError:
        words = f"không có tiêu chí «{plain_letters(row['criterion'])}» ở cấp {unit.level.level}; kiểm tra mã tiêu chí."
        parts.problems.add(where, words, unit=code)
        return
    draft = unit.draft(criterion, where)
    put_common(unit, draft, row, dict.fromkeys(row, where))
    if not row["input"] and not row["value"] and not row["state"] and has_words(row):
        return  # a line about the criterion as a whole
    put_value(unit, draft, row["input"], row["value"] or None, row["state"], where, where)


def has_words(row: Mapping[str, str]) -> bool:
    """Whether a line says anything about its criterion as a whole."""
    return any(row.get(name) for name in ("self_score", "explanation", "evidence", "not_applicable"))


def put_value(
    unit: UnitDraft, draft: Draft, name: str, value: str | None, state_text: str, where: str, where_state: str
) -> None:
    """An input with its value and state as systems write them."""
    names = [spec.name for spec in draft.criterion.inputs]
    if name not in names:
        words = (
            f"tiêu chí {draft.criterion.printed_code} không có số liệu «{plain_letters(name)}»; có: {', '.join(names)}."
        )
        unit.fail(draft, where, words)
        return
    state = STATES.get(state_text)
    if state is None:
        words = f"trạng thái «{plain_letters(state_text)}» không dùng trong báo cáo; dùng {', '.join(STATES)}."
        unit.fail(draft, where_state, words)
        return
    if state.has_value != (value is not None):
        needs = "cần có giá trị" if state.has_value else "không có giá trị"
        unit.fail(draft, where, f"trạng thái {state.value} {needs}; sửa trạng thái hoặc giá trị.")
        return
    unit.put_input(draft, draft.criterion.input(name), state, value, where)


def put_common(unit: UnitDraft, draft: Draft, row: Mapping[str, str], places: Mapping[str, str]) -> None:
    """What a line says about its criterion as a whole."""
    if row.get("self_score"):
        try:
            parse_decimal(row["self_score"])
        except ValueError:
            words = (
                f"điểm tự chấm «{plain_letters(row['self_score'])}» không phải số thập phân không âm; không được giữ."
            )
            unit.warn(draft, places["self_score"], words)
        else:
            unit.put_self_score(draft, row["self_score"], places["self_score"])
    if row.get("explanation"):
        unit.put_explanation(draft, row["explanation"], places["explanation"])
    if row.get("not_applicable"):
        unit.put_request(draft, row["not_applicable"], places["not_applicable"])
    if row.get("evidence") or row.get("pages"):
        where = places.get("evidence", "")
        unit.put_evidence(draft, row.get("evidence", ""), row.get("pages", ""), where, places.get("pages", where))
