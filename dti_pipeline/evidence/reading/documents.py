"""JSON of systems that push -> reports; the shape is described in `docs/evidence.md`.

Here: exact numbers, every fault by its JSON Pointer (RFC 6901), a cell with a fault left out. Not here: what values fit
an input (`drafts.py`, `tables.py`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from dti_pipeline.evidence.model import Refused, Report
from dti_pipeline.evidence.reading.drafts import Draft, Problems, UnitDraft
from dti_pipeline.evidence.reading.limits import limits
from dti_pipeline.evidence.reading.tables import Units, put_common, put_value
from dti_pipeline.evidence.reading.texts import clean, fault_of, legacy_encoding, legacy_words, line, plain_letters
from dti_pipeline.evidence.workbook.layout import load_layout
from dti_pipeline.frameworks.model import Framework, LevelName
from dti_pipeline.scoring.engine import UnitRef
from dti_pipeline.scoring.states import InputState

_TOP = ("assessment", "reports")
_REPORT = ("unit", "unit_name", "cells", "facts")
_CELL = ("criterion", "inputs", "self_score", "explanation", "evidence", "not_applicable")
_EVIDENCE = ("file", "pages")


class _Number(str):
    """A number with the digits that stand in the file."""

    __slots__ = ()


class _Constant(str):
    """NaN or Infinity, which JSON has not."""

    __slots__ = ()


class _Object(dict[str, Any]):
    """An object, and the fields that stand in it more than once."""

    __slots__ = ("twins",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twins = []
        if len(self) != len(pairs):
            self.twins = sorted(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)


def read_json(
    body: bytes, assessment: str, framework: Framework, units: Mapping[str, tuple[UnitRef, LevelName]]
) -> Report:
    """Reports of the units that a JSON document names. Raises Refused where the document itself cannot be used."""
    document = _parsed(body)
    if not isinstance(document, _Object):
        raise Refused('JSON phải là một đối tượng có "assessment" và "reports" (docs/evidence.md).')
    for name in document.twins:
        raise Refused(f"{_at('', name)}: trường xuất hiện hai lần; để lại một trường.")
    for name in document:
        if name not in _TOP:
            raise Refused(f"{_at('', name)}: trường lạ; chỉ có {', '.join(_TOP)} (docs/evidence.md).")
    if document.get("assessment") != assessment or isinstance(document.get("assessment"), _Number):
        given = plain_letters(str(document.get("assessment", "(không có)")))
        raise Refused(f"/assessment: tệp là của đợt «{given}», không phải «{assessment}»; gửi đúng đợt đánh giá.")
    reports = document.get("reports")
    if not isinstance(reports, list):
        raise Refused("/reports: phải là một danh sách (docs/evidence.md).")
    problems = Problems()
    parts = Units(framework, units, assessment, problems)
    reader = _Reader(parts, problems)
    for position, report in enumerate(reports):
        reader.report(report, f"/reports/{position}")
    return Report(
        "json",
        tuple(draft.report() for code, draft in parts.drafts.items() if code not in reader.unusable),
        problems.all(),
    )


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(
            body.decode("utf-8-sig"),
            parse_float=_Number,
            parse_int=_Number,
            parse_constant=_Constant,
            object_pairs_hook=_Object,
        )
    except UnicodeDecodeError as error:
        raise Refused(f"Tệp JSON không phải UTF-8 (byte {error.start}); gửi lại bằng UTF-8.") from None
    except json.JSONDecodeError as error:
        raise Refused(f"JSON sai cú pháp hoặc bị cắt ngang (dòng {error.lineno}, cột {error.colno}).") from None
    except RecursionError:
        raise Refused("JSON lồng quá sâu; xem cấu trúc ở docs/evidence.md.") from None


def _at(pointer: str, step: str | int) -> str:
    """RFC 6901."""
    return f"{pointer}/{plain_letters(str(step)).replace('~', '~0').replace('/', '~1')}"


class _Reader:
    def __init__(self, parts: Units, problems: Problems) -> None:
        self.parts, self.problems = parts, problems
        self.unusable: set[str] = set()
        """Units whose part says two things at once, or comes twice."""
        self.first: dict[str, str] = {}
        self.cells = 0

    def report(self, report: Any, at: str) -> None:
        if not isinstance(report, _Object):
            self.problems.add(at, f"phải là một đối tượng có {', '.join(_REPORT)}.")
            return
        code: Any = report.get("unit")
        if not _is_text(code):
            self.problems.add(_at(at, "unit"), "phải là mã định danh của đơn vị, kiểu chuỗi.")
            return
        draft = self.parts.draft(line(code), _at(at, "unit"))
        if draft is None:
            return
        unit = draft.unit.code
        if unit in self.first:
            self.unusable.add(unit)
            words = f"đơn vị {unit} có hai báo cáo trong tệp (cái kia: {self.first[unit]}); gửi một báo cáo."
            self.problems.add(at, words, unit=unit)
            return
        self.first[unit] = at
        for name in report.twins:
            self.unusable.add(unit)
            self.problems.add(_at(at, name), "trường xuất hiện hai lần; báo cáo không được đọc.", unit=unit)
        for name in report:
            if name not in _REPORT:
                self.problems.add(_at(at, name), f"trường lạ; chỉ có {', '.join(_REPORT)}.", unit=unit)
        if _is_text(report.get("unit_name")):
            self.parts.check_name(draft, line(report["unit_name"]), _at(at, "unit_name"))
        cells = report.get("cells")
        if not isinstance(cells, list):
            self.unusable.add(unit)
            self.problems.add(_at(at, "cells"), "phải là một danh sách.", unit=unit)
            return
        seen: dict[str, str] = {}
        for position, cell in enumerate(cells):
            self.cells += 1
            if self.cells > limits().report.max_lines:
                raise Refused(f"JSON có quá {limits().report.max_lines} tiêu chí; chia thành nhiều tệp.")
            self._cell(draft, cell, _at(_at(at, "cells"), position), seen)
        self._facts(draft, report.get("facts"), _at(at, "facts"))

    def _cell(self, unit: UnitDraft, cell: Any, at: str, seen: dict[str, str]) -> None:
        code: Any = cell.get("criterion") if isinstance(cell, _Object) else None
        if not isinstance(cell, _Object) or not _is_text(code):
            words = f"phải là một đối tượng có {', '.join(_CELL)}; criterion là chuỗi."
            self.problems.add(at, words, unit=unit.unit.code)
            return
        try:
            criterion = unit.level.criterion(code)
        except KeyError:
            words = f"không có tiêu chí «{plain_letters(code)}» ở cấp {unit.level.level}."
            self.problems.add(_at(at, "criterion"), words, unit=unit.unit.code)
            return
        draft = unit.draft(criterion, at)
        if code in seen:
            unit.fail(draft, at, f"tiêu chí {code} xuất hiện hai lần (lần kia: {seen[code]}); để lại một lần.")
            return
        seen[code] = at
        self._fields(unit, draft, cell, _CELL, at)
        common: dict[str, str] = {}
        for name in ("self_score", "explanation", "not_applicable"):
            value = cell.get(name)
            if value is None:
                continue
            if _is_text(value) or (name == "self_score" and isinstance(value, _Number)):
                common[name] = str(value)
            else:
                unit.fail(draft, _at(at, name), "phải là một chuỗi" + (" hoặc số." if name == "self_score" else "."))
        put_common(unit, draft, common, {name: _at(at, name) for name in common})
        self._inputs(unit, draft, cell.get("inputs"), _at(at, "inputs"))
        self._evidence(unit, draft, cell.get("evidence"), _at(at, "evidence"))

    def _fields(self, unit: UnitDraft, draft: Draft, value: _Object, known: tuple[str, ...], at: str) -> None:
        for name in value.twins:
            unit.fail(draft, _at(at, name), "trường xuất hiện hai lần; để lại một trường.")
        for name in value:
            if name not in known:
                unit.fail(draft, _at(at, name), f"trường lạ; chỉ có {', '.join(known)}.")

    def _inputs(self, unit: UnitDraft, draft: Draft, inputs: Any, at: str) -> None:
        if inputs is None:
            return
        if not isinstance(inputs, _Object):
            unit.fail(draft, at, "phải là một đối tượng: ký hiệu số liệu -> giá trị.")
            return
        for name in inputs.twins:
            unit.fail(draft, _at(at, name), "số liệu xuất hiện hai lần; để lại một lần.")
        for name, value in inputs.items():
            place = _at(at, name)
            if isinstance(value, _Number) or _is_text(value):
                put_value(unit, draft, name, str(value), InputState.REPORTED, place, place)
            elif isinstance(value, _Object):
                self._fields(unit, draft, value, ("state", "value"), place)
                state: Any = value.get("state")
                inner: Any = value.get("value")
                if not _is_text(state) or not (inner is None or isinstance(inner, _Number) or _is_text(inner)):
                    unit.fail(draft, place, 'phải có "state" kiểu chuỗi, và "value" là số hoặc chuỗi nếu có.')
                else:
                    text = None if inner is None else str(inner)
                    put_value(unit, draft, name, text, state, place, _at(place, "state"))
            else:
                words = "NaN và Infinity không phải số" if isinstance(value, _Constant) else "phải là số hoặc chuỗi"
                unit.fail(draft, place, f'{words}; không có số liệu thì ghi {{"state": "missing"}}.')

    def _evidence(self, unit: UnitDraft, draft: Draft, evidence: Any, at: str) -> None:
        if evidence is None:
            return
        if not isinstance(evidence, list):
            unit.fail(draft, at, 'phải là một danh sách các {"file", "pages"}.')
            return
        for position, item in enumerate(evidence):
            place = _at(at, position)
            if not isinstance(item, _Object) or not _is_text(item.get("file")):
                unit.fail(draft, place, 'phải là một đối tượng có "file" kiểu chuỗi.')
                continue
            self._fields(unit, draft, item, _EVIDENCE, place)
            pages = item.get("pages")
            if pages is not None and not isinstance(pages, _Number) and not _is_text(pages):
                unit.fail(draft, _at(place, "pages"), "phải là một chuỗi như «2-5, 8» hoặc một số.")
                continue
            unit.put_reference(draft, line(item["file"]), str(pages or ""), _at(place, "file"), _at(place, "pages"))

    def _facts(self, unit: UnitDraft, facts: Any, at: str) -> None:
        """General information; labels of the workbook in their own spelling, others as they are."""
        if facts is None:
            return
        if not isinstance(facts, _Object) or facts.twins:
            self.problems.add(at, "phải là một đối tượng, mỗi nhãn một lần.", unit=unit.unit.code)
            return
        for label, value in facts.items():
            fault = fault_of(label) if _is_text(value) or isinstance(value, _Number) else "phải là chuỗi hoặc số"
            fault = fault or fault_of(str(value)) or (None if len(label) <= 200 else "có nhãn quá dài")
            if fault is not None:
                self.problems.add(_at(at, label), f"{fault}.", unit=unit.unit.code)
            elif encoding := legacy_encoding(str(value)):
                raise Refused(legacy_words(encoding, _at(at, label)))
            elif clean(str(value)):
                known = load_layout().fact_of(label)
                unit.facts[known.label if known else line(label)] = clean(str(value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, _Number | _Constant)
