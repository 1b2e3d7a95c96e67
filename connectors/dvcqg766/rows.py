"""Answers of the evaluation endpoints: the root unit and the units under it -> observations.

Here: one row at a time, who it is about, whether it contradicts itself, its figures. Not here: field names and maxima
(`vocabulary.py`), the envelope (`envelope.py`), period and request (`connector.py`).

Null, zero and a missing key are three things: null is `missing` (`not_applicable` where nothing was due, 0/0), zero is
a figure, and a missing key is `missing` with a warning and the locator of the record that lacks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from connectors.dvcqg766 import vocabulary as v
from connectors.dvcqg766.envelope import fail, number, text
from connectors.dvcqg766.notes import Notes
from dti_pipeline.harvest.answers import Suspect, as_list, as_object, shown
from dti_pipeline.harvest.model import FailureKind, Observation, Reading
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState

_TOLERANCE = Fraction(1, 100)

Numbers = Mapping[str, Decimal | None]
"""Trusted numbers of a record by field; None for null and for a missing key, absent where quarantined."""


class _Unit(NamedTuple):
    id: str
    code: str | None
    name: str


class _Record(NamedTuple):
    """An object of the answer with its JSON Pointer."""

    fields: Mapping[str, Any]
    at: str


class Answer:
    """One answer on its way to a Reading. `body` is the stored request's: the answer repeats none of it."""

    def __init__(self, endpoint: v.Endpoint, body: Mapping[str, Any], period: Period) -> None:
        self.endpoint = endpoint
        self.body = body
        self.period = period
        self.is_filtered = bool(endpoint.formality_key and body.get(endpoint.formality_key))
        self.notes = Notes(endpoint.name)
        self.observations: list[Observation] = []
        self.seen: set[str] = set()

    def read(self, data: Mapping[str, Any]) -> Reading:
        """Raises SourceFailure: WRONG_SHAPE, WRONG_ROOT."""
        endpoint, at_rows = self.endpoint, f"/data/{self.endpoint.rows}"
        root = _Record(as_object(data.get(endpoint.root), f"/data/{endpoint.root}"), f"/data/{endpoint.root}")
        rows = as_list(data.get(endpoint.rows), at_rows)
        self._check_root(root.fields)
        self.notes.audit(data, "/data", v.IGNORED_DATA | {endpoint.root, endpoint.rows})
        self._check_count(data, rows, at_rows)
        if self.is_filtered:
            self.notes.warn("số liệu chỉ của một thủ tục, không phải của cả đơn vị", root.at)
        if self.body.get("currentPage", 1) == 1:
            self._row(root, endpoint.root_counts, v.ROOT_SCORE, is_root=True)
        else:  # later pages repeat the root, and a figure read twice could be summed twice
            self.seen.add(str(root.fields.get("departmentId")))
        for position, row in enumerate(rows):
            at = f"{at_rows}/{position}"
            self._row(_Record(as_object(row, at), at), endpoint.row_counts, endpoint.row_score)
        return Reading(tuple(self.observations), self.notes.warnings, self.notes.quarantined)

    def _check_root(self, root: Mapping[str, Any]) -> None:
        """Raises SourceFailure where the answer is about another unit than the one asked for."""
        asked, answered, code = self.body.get("rootDepartmentId"), root.get("departmentId"), root.get("departmentCode")
        if self.endpoint.name == v.NATIONAL:
            if answered is not None or code is not None:
                fail(FailureKind.WRONG_ROOT, f"hỏi cả nước, trả lời về {shown(code or answered)}")
        elif self.endpoint.name == v.SERVICE_RESULTS and answered is None:
            if not code:  # without an id the root is filed under the code that it bears, so it needs one
                fail(FailureKind.WRONG_ROOT, f"hỏi đơn vị {asked}, trả lời không mang mã đơn vị nào")
        elif answered != asked:
            fail(FailureKind.WRONG_ROOT, f"hỏi đơn vị {asked}, trả lời về {shown(answered)}")

    def _check_count(self, data: Mapping[str, Any], rows: list[Any], at: str) -> None:
        if self.endpoint.name == v.NATIONAL:
            self.notes.count(len(rows), v.PROVINCES, at)
        elif self.endpoint.items:
            self.notes.paging(data.get("pagination"), len(rows), at)
        if not rows:
            self.notes.warn("danh sách rỗng", at)

    def _row(
        self, row: _Record, counts: Mapping[str, str], score: tuple[str, str | None], *, is_root: bool = False
    ) -> None:
        """One unit. A row that contradicts itself is quarantined whole, a single bad number or metric by itself."""
        endpoint, (fields, at) = self.endpoint, row
        groups = as_object(fields.get("groupScores"), f"{at}/groupScores") if self._has_groups(is_root) else None
        items = as_list(fields.get("metrics"), f"{at}/metrics") if endpoint.items else []
        figures = [*counts, *filter(None, score), "ratio"]
        known = v.NAMING | v.IGNORED_ROW | {*endpoint.categories, *figures}
        known |= {"metrics"} if endpoint.items else {"groupScores"} if groups is not None else set()
        self.notes.audit(fields, at, known)
        try:
            unit = self._identify(row, is_root)
            numbers = self._numbers(row, figures)
            _check_relations(endpoint, numbers)
        except Suspect as reason:
            self.notes.quarantine(at, reason, fields)
            return
        for name, metric in counts.items():
            self._figure(unit, metric, row, name, numbers)
        maximum = self._score(unit, row, score, numbers)
        parts = self._items(unit, items, f"{at}/metrics", is_whole=maximum == endpoint.maximum)
        if groups is not None:
            parts = self._groups(unit, _Record(groups, f"{at}/groupScores"))
        total = numbers.get(score[0])
        if parts is not None and total is not None and abs(sum(parts, Decimal(0)) - total) > v.SUM_TOLERANCE:
            self.notes.warn(f"tổng các điểm thành phần lệch {score[0]} quá {v.SUM_TOLERANCE}", at)

    def _has_groups(self, is_root: bool) -> bool:
        return self.endpoint.name == v.NATIONAL and not is_root

    def _identify(self, row: _Record, is_root: bool) -> _Unit:
        """Who a row is about. Raises Suspect where that or its kind is not known."""
        fields, at = row
        code, name = text(fields, "departmentCode", at), text(fields, "departmentName", at)
        identifier = text(fields, "departmentId", at)
        if not name:
            raise Suspect("dòng không có departmentName")
        if is_root and identifier is None:  # service-results only, see _check_root
            return _Unit(code or "VN", code or "VN", name)
        if not identifier:
            raise Suspect("dòng không có departmentId")
        if identifier in self.seen:
            raise Suspect(f"departmentId {identifier} xuất hiện lần thứ hai trong cùng câu trả lời")
        self.seen.add(identifier)
        for category, words in self.endpoint.categories.items():
            if category in fields:
                word = fields[category]
                # A list or an object is no word, and cannot even be looked up.
                if isinstance(word, list | dict) or word not in words:
                    raise Suspect(f"{category} {shown(word)} chưa từng biết")
            elif not (is_root and category in v.ROWS_ONLY):
                self.notes.warn(f"thiếu trường «{category}»", at)
        if self.endpoint.has_code and not code:
            self.notes.warn("thiếu mã «departmentCode»", at)
        return _Unit(identifier, code, name)

    def _numbers(self, record: _Record, names: list[str]) -> dict[str, Decimal | None]:
        numbers: dict[str, Decimal | None] = {}
        for name in names:
            try:
                numbers[name] = number(record.fields, name, record.at)
            except Suspect as reason:
                self.notes.quarantine(f"{record.at}/{name}", reason, record.fields[name])
        return numbers

    def _figure(
        self,
        unit: _Unit,
        metric: str,
        record: _Record,
        name: str,
        numbers: Numbers,
        empty: InputState = InputState.MISSING,
        flag: str | None = None,
    ) -> None:
        """Observe one number; `empty` is its state where it is null. A quarantined one was said already."""
        if name not in record.fields:
            self.notes.warn(f"thiếu trường «{name}»", record.at)
            self._observe(unit, metric, InputState.MISSING, record.at, flag=flag)
        elif name in numbers:
            state = empty if numbers[name] is None else InputState.HARVESTED
            self._observe(unit, metric, state, f"{record.at}/{name}", value=numbers[name], flag=flag)

    def _observe(self, unit: _Unit, metric: str, state: InputState, at: str, **values: Any) -> None:
        self.observations.append(
            Observation(metric, unit.id, unit.name, self.period, state, at, unit_code=unit.code, **values)
        )

    def _score(self, unit: _Unit, row: _Record, names: tuple[str, str | None], numbers: Numbers) -> Decimal:
        """Observe the platform's score of a row. Returns the maximum that it is out of."""
        endpoint, (name, maximum_name) = self.endpoint, names
        if maximum_name and maximum_name not in row.fields:
            self.notes.warn(f"thiếu trường «{maximum_name}»", row.at)
        printed = numbers.get(maximum_name) if maximum_name else None
        maximum = endpoint.maximum if printed is None else printed
        score, ratio = numbers.get(name), numbers.get("ratio")
        try:
            if maximum not in (endpoint.maximum, endpoint.filtered_maximum):
                raise Suspect(f"thang điểm {maximum}, trước nay là {endpoint.maximum}")
            if score is not None:
                _check_at_most(f"điểm {name}", score, maximum)
            if endpoint.percentage is None and score is not None and ratio is not None:
                _check_ratio(ratio, score, maximum)
        except Suspect as reason:
            self.notes.quarantine(f"{row.at}/{name}", reason, row.fields)
            return maximum
        if maximum != endpoint.maximum and not self.is_filtered:
            self.notes.warn(f"thang điểm {maximum} dù không lọc theo thủ tục", row.at)
        self._figure(unit, endpoint.score, row, name, numbers)
        return maximum

    def _items(self, unit: _Unit, items: list[Any], at: str, *, is_whole: bool) -> list[Decimal] | None:
        """The metrics of a row, each by itself. Returns their points, or None where one could not be trusted."""
        endpoint, points, is_trusted, seen = self.endpoint, [], bool(items), set()
        for position, element in enumerate(items):
            item = _Record(as_object(element, f"{at}/{position}"), f"{at}/{position}")
            self.notes.audit(item.fields, item.at, v.ITEM_FIELDS)
            code = text(item.fields, "code", item.at)
            try:
                if code is None or code not in endpoint.items:
                    raise Suspect(f"mã chỉ tiêu {shown(code)} chưa từng biết")
                if code in seen:
                    raise Suspect(f"mã chỉ tiêu {code} xuất hiện lần thứ hai trong cùng dòng")
                seen.add(code)
                numbers = {name: number(item.fields, name, item.at) for name in v.ITEM_NUMBERS}
                _check_item(numbers, endpoint.items[code])
            except Suspect as reason:
                self.notes.quarantine(item.at, reason, item.fields)
                is_trusted = False
                continue
            self._item(unit, code, item, numbers)
            points.append(numbers["score"] or Decimal(0))
        for code, maximum in endpoint.items.items():
            if code not in seen and (is_whole or code not in endpoint.unfiltered_only):
                self.notes.warn(f"thiếu chỉ tiêu «{code}»", at)
                for metric in _metrics_of(code, maximum):
                    self._observe(unit, metric, InputState.MISSING, at)
        return points if is_trusted else None

    def _item(self, unit: _Unit, code: str, item: _Record, numbers: Numbers) -> None:
        """The measured ratio with its parts, located at the whole metric, and the platform's points for it."""
        fields, at = item
        for name in v.ITEM_NUMBERS:
            if name not in fields and name != "score":  # `_figure` says it of the score
                self.notes.warn(f"thiếu trường «{name}»", at)
        ratio, parts = numbers["ratio"], {name: numbers[name] for name in ("numerator", "denominator")}
        empty = InputState.NOT_APPLICABLE if set(parts.values()) == {Decimal(0)} else InputState.MISSING
        state = InputState.HARVESTED if ratio is not None else empty if "ratio" in fields else InputState.MISSING
        flag = ": ".join(filter(None, (text(fields, name, at) for name in v.ITEM_FLAGS))) or None
        measured, *points = _metrics_of(code, self.endpoint.items[code])
        self._observe(unit, measured, state, at, value=ratio, flag=flag, **parts)
        for metric in points:
            self._figure(unit, metric, item, "score", numbers, empty, flag)

    def _groups(self, unit: _Unit, groups: _Record) -> list[Decimal] | None:
        """The six group scores of the national list. Returns them, or None where one is absent or not trusted."""
        for code in sorted(groups.fields.keys() - v.GROUPS.keys()):
            self.notes.quarantine(f"{groups.at}/{code}", f"mã nhóm {code} chưa từng biết", groups.fields[code])
        numbers = self._numbers(groups, list(v.GROUPS))
        for code, (metric, maximum) in v.GROUPS.items():
            try:
                _check_at_most(f"điểm {code}", numbers.get(code) or Decimal(0), maximum)
            except Suspect as reason:
                self.notes.quarantine(f"{groups.at}/{code}", reason, numbers.pop(code))
            self._figure(unit, metric, groups, code, numbers)
        scores = [score for score in numbers.values() if score is not None]
        return scores if len(scores) == len(v.GROUPS) else None


def _metrics_of(code: str, maximum: Decimal) -> tuple[str, ...]:
    """Our names for a metric of the portal: what is measured and, where there are any, its points."""
    measured = f"qd766_{code.lower()}"
    return (measured, f"{measured}_score") if maximum else (measured,)


def _check_item(numbers: Numbers, known_maximum: Decimal) -> None:
    """Raises Suspect where a metric contradicts itself or what is known of it."""
    top, bottom, ratio, score, maximum = (numbers[name] for name in v.ITEM_NUMBERS)
    if maximum is not None and maximum != known_maximum:
        raise Suspect(f"thang điểm {maximum}, trước nay là {known_maximum}")
    if top is not None and bottom is not None:
        _check_at_most("tử số", top, bottom)
        if ratio is not None:
            _check_ratio(ratio, top, bottom)
    if ratio is not None:
        _check_at_most("tỷ lệ", ratio, Decimal(100))
    if score is not None:
        _check_at_most("điểm", score, known_maximum)


def _check_relations(endpoint: v.Endpoint, numbers: Numbers) -> None:
    """Raises Suspect where the counts of a row contradict each other; what is absent is not judged."""
    for part, whole in endpoint.shares:
        count, total = numbers.get(part), numbers.get(whole)
        if count is not None and total is not None:
            _check_at_most(part, count, total)
    for whole, parts in endpoint.sums:
        total, counts = numbers.get(whole), [count for part in parts if (count := numbers.get(part)) is not None]
        if total is not None and len(counts) == len(parts) and sum(counts) != total:
            raise Suspect(f"{' + '.join(parts)} = {sum(counts)}, khác {whole} {total}")
    if endpoint.percentage is not None:
        ratio, top, bottom = (numbers.get(name) for name in ("ratio", *endpoint.percentage))
        if ratio is not None and top is not None and bottom is not None:
            _check_ratio(ratio, top, bottom)


def _check_at_most(what: str, value: Decimal, limit: Decimal) -> None:
    if value > limit:
        raise Suspect(f"{what} {value} lớn hơn {limit}")


def _check_ratio(ratio: Decimal, top: Decimal, bottom: Decimal) -> None:
    if bottom != 0 and abs(Fraction(ratio) - 100 * Fraction(top) / Fraction(bottom)) > _TOLERANCE:
        raise Suspect(f"tỷ lệ {ratio} lệch quá 0,01 so với 100 × {top} / {bottom}")
