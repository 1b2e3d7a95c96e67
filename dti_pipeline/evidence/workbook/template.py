"""The self-report workbook of one unit: a guide, general information, and a row per input with live self scores.

Here: an assessment, a level and a unit -> XLSX bytes, the same bytes for the same arguments. Not here: the texts and
the order of columns (`layout.yaml`), the formulas (`formulas.py`), reading what comes back
(`dti_pipeline.evidence.reading`), where prefilled figures come from (the caller).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import itertools
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from dti_pipeline.evidence.deadlines import Due
from dti_pipeline.evidence.workbook import formulas
from dti_pipeline.evidence.workbook.layout import META_KEYS, Column, ColumnKey, Layout, MetaKey, ScoreWords, load_layout
from dti_pipeline.frameworks.assessment import Assessment
from dti_pipeline.frameworks.model import Criterion, Framework, InputSpec, Level, Node
from dti_pipeline.scoring import exact
from dti_pipeline.scoring.engine import UnitRef, parse_value
from dti_pipeline.scoring.exact import Block, BlockKind
from dti_pipeline.scoring.footnotes import policy_words
from dti_pipeline.scoring.periods import TIME_ZONE

_LINE = 15.0
"""Height of a line of text, in points."""
_MAX_HEIGHT = 405.0
_PAPER = (11.69, 8.27)
"""A4 landscape, in inches."""
_MARGINS = {"left": 0.4, "right": 0.4, "top": 0.5, "bottom": 0.6}
_MESSAGE = 255
"""Characters that the message of a cell may have."""
_TITLE = 32


@dataclass(frozen=True, slots=True)
class Prefilled:
    """A harvested figure that the unit finds in its workbook."""

    value: str
    """A plain decimal, or the identifier of an option."""
    source: str
    """Where it comes from, in words: «Cổng DVCQG, đêm 15/10/2026»."""


Figures = Mapping[tuple[str, str], Prefilled]
"""(criterion, input) -> figure."""


def figures_sha256(prefilled: Figures) -> str:
    """What identifies the figures that a template was filled with, independent of their order."""
    rows = sorted([criterion, name, item.value, item.source] for (criterion, name), item in prefilled.items())
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def write_workbook(
    assessment: Assessment,
    framework: Framework,
    level: Level,
    unit: UnitRef,
    *,
    prefilled: Figures,
    as_of: dt.date,
    due: Due,
) -> bytes:
    """The workbook that a unit fills in. `as_of` is the night whose figures are prefilled.

    Raises ValueError for a prefilled figure that does not fit its criterion, input or kind, and FormulaTooLong.
    """
    import xlsxwriter

    _check(level, prefilled)
    layout = load_layout()
    told = _Told(layout, assessment, framework, level, unit, as_of, due, len(prefilled))
    out = io.BytesIO()
    # Nothing in the file may depend on the moment it was written.
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    created = dt.datetime.combine(as_of, dt.time(0))
    book.set_properties({"title": told.title, "created": created, "author": "", "comments": ""})
    styles = _Styles(book)
    guide, facts, scores, lists, meta = (
        book.add_worksheet(getattr(layout.sheets, name)) for name in ("guide", "facts", "scores", "lists", "meta")
    )
    _write_guide(guide, styles, told)
    _write_facts(facts, styles, told)
    _Scores(scores, styles, told, _Lists(lists, layout.sheets.lists, level), prefilled).write()
    values: dict[MetaKey, str] = {
        "schema": layout.schema_name,
        "assessment": assessment.id,
        "framework": framework.id,
        "level": level.level,
        "unit": unit.code,
        "unit_name": unit.name,
        "as_of": as_of.isoformat(),
        "figures_sha256": figures_sha256(prefilled),
    }
    for row, key in enumerate(META_KEYS):
        meta.write_string(row, 0, key)
        meta.write_string(row, 1, values[key])
    for hidden in (lists, meta):
        hidden.protect()
        hidden.very_hidden()
    scores.activate()
    book.close()
    return out.getvalue()


def _check(level: Level, prefilled: Figures) -> None:
    for (code, name), item in sorted(prefilled.items()):
        try:
            spec = level.criterion(code).input(name)
        except KeyError:
            raise ValueError(f"prefilled figure {code}, {name}: level {level.level} has no such input") from None
        try:
            parse_value(spec, item.value)
        except ValueError as error:
            raise ValueError(f"prefilled figure {code}, {name}: {error}") from None


class _Told:
    """What the sheets say about the assessment, the unit and its deadlines."""

    def __init__(
        self,
        layout: Layout,
        assessment: Assessment,
        framework: Framework,
        level: Level,
        unit: UnitRef,
        as_of: dt.date,
        due: Due,
        figures: int,
    ) -> None:
        self.layout, self.assessment, self.framework = layout, assessment, framework
        self.level, self.unit, self.as_of, self.due, self.figures = level, unit, as_of, due, figures
        self.working = framework.working_words if level.basis == "working" else None
        self.title = layout.texts.scores_title.format(year=assessment.year, unit=unit.name)

    def about(self) -> Iterator[tuple[str, str]]:
        """Label and text of the lines at the top of the guide, without the empty ones."""
        decision = self.framework.decision
        period = self.assessment.period(self.framework, self.level, self.unit, self.as_of)
        filling = {
            "unit": self.unit.name,
            "unit_code": self.unit.code,
            "level": self.level.name,
            "decision": decision.number,
            "issued_on": _day(decision.issued_on),
            "issuer": decision.issuer,
            "decision_title": decision.title,
            "assessment": self.assessment.id,
            "year": str(self.assessment.year),
            "period_start": _day(period.start),
            "period_end": _day(period.end),
            "submission": self._due(self.due.submission) if self.due.submission else self.layout.guide.no_deadline,
            "supplement": self._supplement(),
            "extension": self.due.extension or "",
            "as_of": _day(self.as_of),
            "figures": str(self.figures),
        }
        for line in self.layout.guide.about:
            if text := line.text.format(**filling):
                yield line.label, text

    def _due(self, moment: dt.datetime) -> str:
        local = moment.astimezone(TIME_ZONE)
        if local.time() == dt.time(23, 59, 59):
            return self.layout.guide.due.format(day=_day(local.date()))
        return self.layout.guide.due_at.format(time=local.strftime("%H:%M:%S"), day=_day(local.date()))

    def _supplement(self) -> str:
        guide = self.layout.guide
        parts = [self._due(self.due.supplement)] if self.due.supplement is not None else []
        by_moment: dict[dt.datetime, list[str]] = {}
        for criterion in self.level.criteria:
            if criterion.code in self.due.asked:
                by_moment.setdefault(self.due.asked[criterion.code], []).append(criterion.printed_code)
        for moment, codes in sorted(by_moment.items()):
            parts.append(guide.supplement_asked.format(due=self._due(moment), criteria=", ".join(codes)))
        if self.framework.policies_of(self.level).supplements == "on_request":
            parts.append(guide.supplement_on_request)
        return "; ".join(parts)

    def evidence_rules(self) -> Iterator[str]:
        """What evidence must look like and what a lack of it costs: the decision's words first, then the choices."""
        guide, policies = self.layout.guide, self.framework.policies_of(self.level)
        choices, signatures = self.assessment.choices, policies.signatures
        if signatures == "unstated":
            yield guide.signatures["unstated"]
        else:
            asked = "both" if len(set(signatures)) == 2 else signatures[0] if signatures else "none"
            yield guide.signatures[asked].format(clause=self._whose("signatures", is_choice=False))
        whose = self._whose("evidence", is_choice=choices.evidence is not None)
        yield guide.evidence[choices.evidence or policies.evidence].format(clause=whose)
        for policy, stated, choice in (
            ("missing", policies.missing, choices.missing),
            ("late", policies.late, choices.late),
            ("not_applicable", policies.not_applicable, choices.not_applicable),
        ):
            value = choice or stated
            if value != "unstated":
                words = policy_words()[policy][value]
                whose = self._whose(policy, is_choice=choice is not None)
                yield guide.policy.format(words=words[:1].upper() + words[1:], clause=whose)
        yield guide.evidence_files

    def _whose(self, policy: str, *, is_choice: bool) -> str:
        """Whose rule it is: the decision's clause, or the operator's choice with its paper."""
        if is_choice:
            document = self.assessment.choices.document
            return self.layout.guide.by_choice.format(document=f", {document}" if document else "")
        clause = self.framework.clauses.get(policy)
        return self.layout.guide.by_clause.format(clause=clause) if clause else ""


def _day(day: dt.date) -> str:
    return day.strftime("%d/%m/%Y")


class _Styles:
    """The formats of a workbook; XlsxWriter wants each made once."""

    def __init__(self, book: Any) -> None:
        self.book = book
        self.font = {"font_name": "Times New Roman", "font_size": 11, "valign": "top"}
        to_fill = {"locked": False, "bg_color": "#FFFBE0"}
        boxed = self.font | {"border": 1, "text_wrap": True}
        branch = boxed | {"bold": True, "bg_color": "#F2F2F2"}
        self.title = book.add_format(self.font | {"bold": True, "font_size": 13})
        self.plain = book.add_format(self.font | {"text_wrap": True})
        self.line = book.add_format(self.font)
        self.working = book.add_format(self.font | {"bold": True, "font_color": "#B00000"})
        self.header = book.add_format(
            boxed | {"bold": True, "align": "center", "valign": "vcenter", "bg_color": "#E8EEF4"}
        )
        self.text = book.add_format(boxed)
        self.label = book.add_format(boxed | {"bold": True})
        self.centred = book.add_format(boxed | {"align": "center"})
        self.branch = book.add_format(branch)
        self.fill_text = book.add_format(boxed | to_fill | {"num_format": "@"})
        general = {"align": "right", "indent": 1}
        self.automatic = {kind: book.add_format(boxed | form) for kind, form in _number_forms(general).items()}
        self.fill = {kind: book.add_format(boxed | to_fill | form) for kind, form in _number_forms(general).items()}
        self._points: dict[tuple[int, bool], Any] = {}
        self._boxed, self._branch = boxed, branch

    def points(self, decimals: int, *, is_branch: bool = False) -> Any:
        """Points with that many decimals; words that stand instead are wrapped."""
        key = (decimals, is_branch)
        if key not in self._points:
            digits = "#,##0" + ("." + "0" * decimals if decimals else "")
            base = self._branch if is_branch else self._boxed
            form = base | {"align": "center", "num_format": f"[$-42A]{digits}"}
            self._points[key] = self.book.add_format(form)
        return self._points[key]


def _number_forms(base: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        "count": base | {"num_format": "[$-42A]#,##0"},
        "number": base,
        "percent": base,
        "option": {"num_format": "@"},
    }


def _lines(text: str, width: float) -> int:
    """How many lines a text takes in so many characters; a letter of the font is a little narrower than a digit."""
    return sum(max(1, len(textwrap.wrap(line, max(4, int(width * 1.12))))) for line in text.split("\n"))


def _page(sheet: Any, told: _Told) -> None:
    """A4 landscape, as wide as the paper, numbered, and locked but for the cells to be filled."""
    sheet.set_paper(9)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.set_margins(**_MARGINS)
    footer = "&8" + " · ".join(item for item in (told.unit.name, told.working) if item).replace("&", "&&")
    sheet.set_footer(f"&L{footer[:200]}&R&8{told.layout.texts.page}")
    sheet.hide_gridlines(2)
    sheet.protect("", {"format_columns": True, "format_rows": True})


def _write_guide(sheet: Any, styles: _Styles, told: _Told) -> None:
    guide, width = told.layout.guide, 112
    sheet.set_column(0, 0, 20)
    sheet.set_column(1, 1, width)
    sheet.write_string(0, 0, told.layout.texts.guide_title.format(year=told.assessment.year), styles.title)
    row = 1
    if told.working:
        sheet.write_string(row, 0, told.working, styles.working)
        row += 1
    row += 1
    for label, text in told.about():
        sheet.write_string(row, 0, label, styles.label)
        sheet.write_string(row, 1, text, styles.text)
        sheet.set_row(row, _LINE * _lines(text, width))
        row += 1
    for title, items in ((guide.how_title, _how(told)), (guide.evidence_title, list(told.evidence_rules()))):
        row += 1
        sheet.write_string(row, 0, title, styles.title)
        row += 1
        for position, item in enumerate(items, start=1):
            text = f"{position}. {item}"
            sheet.merge_range(row, 0, row, 1, "", styles.plain)
            sheet.write_string(row, 0, text, styles.plain)
            # Merged cells do not grow by themselves.
            sheet.set_row(row, _LINE * _lines(text, width + 20))
            row += 1
    _page(sheet, told)


def _how(told: _Told) -> list[str]:
    words = told.layout.score_words.model_dump()
    return [item.format(**words) for item in told.layout.guide.how]


def _write_facts(sheet: Any, styles: _Styles, told: _Told) -> None:
    given = {"unit_name": told.unit.name, "unit_code": told.unit.code}
    sheet.set_column(0, 0, 60)
    sheet.set_column(1, 1, 72)
    sheet.write_string(0, 0, told.layout.texts.facts_title, styles.title)
    for row, fact in enumerate(told.layout.facts, start=2):
        sheet.write_string(row, 0, fact.label, styles.text)
        if fact.given:
            sheet.write_string(row, 1, given[fact.key], styles.text)
        else:
            sheet.write_blank(row, 1, None, styles.fill_text)
        sheet.set_row(row, _LINE * 1.4)
    _page(sheet, told)


class _Lists:
    """The hidden sheet with the labels behind the dropdowns: one column per list of labels."""

    def __init__(self, sheet: Any, name: str, level: Level) -> None:
        from xlsxwriter.utility import xl_rowcol_to_cell

        self.name, self.columns = name, dict[tuple[str, ...], int]()
        self._cell = xl_rowcol_to_cell
        for criterion in level.criteria:
            for spec in criterion.inputs:
                labels = tuple(option.label for option in spec.options)
                if labels and labels not in self.columns:
                    column = self.columns[labels] = len(self.columns)
                    for row, label in enumerate(labels):
                        sheet.write_string(row, column, label)

    def labels(self, spec: InputSpec) -> tuple[str, ...]:
        """References of an input's labels, in the order of its options."""
        column = self.columns.get(tuple(option.label for option in spec.options), 0)
        return tuple(
            f"{self.name}!{self._cell(row, column, row_abs=True, col_abs=True)}" for row in range(len(spec.options))
        )

    def range(self, spec: InputSpec) -> str:
        """The reference of all labels of an input."""
        labels = self.labels(spec)
        return f"={labels[0]}:{labels[-1].partition('!')[2]}"


class _Scores:
    """The sheet of scores, written from the top down."""

    def __init__(self, sheet: Any, styles: _Styles, told: _Told, lists: _Lists, prefilled: Figures) -> None:
        from xlsxwriter.utility import xl_rowcol_to_cell

        self.sheet, self.styles, self.told, self.lists, self.prefilled = sheet, styles, told, lists, prefilled
        self.layout, self.level = told.layout, told.level
        self.columns: dict[ColumnKey, int] = {column.key: at for at, column in enumerate(self.layout.columns)}
        self.shown: tuple[Column, ...] = tuple(column for column in self.layout.columns if column.fill != "hidden")
        self._cell = xl_rowcol_to_cell
        self.row = 0
        self.branch_rows: set[int] = set()
        self.heights: dict[int, float] = {}
        self.whole: list[int] = []
        """Rows before which a page may end: the first of a criterion, or of the branches above it."""

    def cell(self, row: int, key: ColumnKey) -> str:
        return str(self._cell(row, self.columns[key]))

    def write(self) -> None:
        first, last = self.columns[self.shown[0].key], self.columns[self.shown[-1].key]
        for at, column in enumerate(self.layout.columns):
            self.sheet.set_column(at, at, column.width, None, {"hidden": column.fill == "hidden"})
        texts, framework = self.layout.texts, self.told.framework
        subtitle = texts.scores_subtitle.format(level=self.level.name, decision=framework.decision.number)
        heads = [(self.told.title, self.styles.title), (subtitle, self.styles.line)]
        heads += [(self.told.working, self.styles.working)] if self.told.working else []
        for row, (text, style) in enumerate(heads):
            self.sheet.write_string(row, first, text, style)
        header = len(heads)
        for at, column in enumerate(self.layout.columns):
            self.sheet.write_string(header, at, column.heading, self.styles.header)
        header_height = _LINE * max(_lines(column.heading, column.width * 0.85) for column in self.shown)
        self.sheet.set_row(header, header_height)
        self.row = header + 1
        points = [points for node in self.level.nodes for points in self._node(node)]
        self._total(header + 1, points)
        self.sheet.freeze_panes(header + 1, self.columns["name"] + 1)
        self.sheet.repeat_rows(header)
        self.sheet.set_h_pagebreaks(self._page_breaks(header_height, _LINE * header))
        _page(self.sheet, self.told)
        self.sheet.print_area(0, first, self.row, last)

    def _page_breaks(self, header: float, above: float) -> list[int]:
        """Rows at which a page starts, so that no criterion is cut in two where a page can hold it."""
        width = sum(column.width * 7 + 5 for column in self.shown) / 96
        scale = (_PAPER[0] - _MARGINS["left"] - _MARGINS["right"]) / width
        # Programs differ by a little in how wide a column is.
        page = (_PAPER[1] - _MARGINS["top"] - _MARGINS["bottom"]) * 72 / scale * 0.97 - header
        breaks, used = [], above
        for first, following in itertools.pairwise([*self.whole, self.row + 1]):
            height = sum(self.heights[row] for row in range(first, following))
            if used + height > page:
                breaks.append(first)
                used = 0
            used += height
        return breaks

    def _set_height(self, row: int, lines: int) -> None:
        self.heights[row] = min(_MAX_HEIGHT, _LINE * lines)
        self.sheet.set_row(row, self.heights[row])

    def _node(self, node: Node) -> list[Fraction]:
        """A branch's row and everything under it; the points known under it."""
        head = self.row
        if head - 1 not in self.branch_rows:
            self.whole.append(head)
        self.branch_rows.add(head)
        self.row += 1
        points = [item for criterion in node.criteria if (item := self._criterion(criterion)) is not None]
        points += [item for child in node.nodes for item in self._node(child)]
        self._sum_row(head, node.code, node.name, node.sum_points, (head + 1, self.row - 1), points)
        return points

    def _sum_row(
        self, row: int, code: str, name: str, max_points: Decimal, rows: tuple[int, int], points: Sequence[Fraction]
    ) -> None:
        """A row that adds up the self scores of the rows below it; SUBTOTAL leaves out the sums among them."""
        style = self.styles.branch
        for column in self.shown:
            self.sheet.write_blank(row, self.columns[column.key], None, style)
        if code:
            self.sheet.write_string(row, self.columns["code"], code, style)
        self.sheet.write_string(row, self.columns["name"], name, style)
        self._points(row, "max_points", Fraction(max_points), is_branch=True)
        added = f"{self.cell(rows[0], 'self_score')}:{self.cell(rows[1], 'self_score')}"
        form = self.styles.points(self.told.framework.decimals, is_branch=True)
        total = float(sum(points, Fraction(0)))
        self.sheet.write_formula(row, self.columns["self_score"], f"=SUBTOTAL(9,{added})", form, total)
        self._set_height(row, _lines(name, self._width("name") * 0.9))

    def _total(self, first: int, points: Sequence[Fraction]) -> None:
        """The last row: the total, and how many criteria it still lacks."""
        row, texts, criteria = self.row, self.layout.texts, len(self.level.criteria)
        self._sum_row(row, "", texts.total, self.level.max_points, (first, row - 1), points)
        scores = f"{self.cell(first, 'self_score')}:{self.cell(row - 1, 'self_score')}"
        left = f"={criteria + len(self.branch_rows)}-COUNT({scores})&{formulas.text(f' {texts.criteria_left}')}"
        words = f"{criteria - len(points)} {texts.criteria_left}"
        self.sheet.write_formula(row, self.columns["explanation"], left, self.styles.branch, words)
        self._set_height(row, _lines(words, self._width("explanation") * 0.9))

    def _criterion(self, criterion: Criterion) -> Fraction | None:
        """The rows of a criterion, one per input; its points as far as the automatic figures give them."""
        first, last = self.row, self.row + len(criterion.inputs) - 1
        if first - 1 not in self.branch_rows:
            self.whole.append(first)
        figures = {spec.name: self._automatic(criterion, spec) for spec in criterion.inputs}
        for row, spec in enumerate(criterion.inputs, start=first):
            self._input(row, criterion, spec, figures[spec.name])
        name = "\n".join([criterion.name, *(f"{line.printed_code}. {line.name}" for line in criterion.lines)])
        given: dict[ColumnKey, str] = {"code": criterion.printed_code, "name": name, "rule": criterion.rule}
        for key, text in given.items():
            self._merged(first, last, key, text, self.styles.text)
        for column in self.layout.columns:
            if column.fill == "unit" and column.per == "criterion":
                self._merged(first, last, column.key, "", self.styles.fill_text)
        self._prompts(first, criterion)
        self._points(first, "max_points", criterion.max_fraction, last)
        points = self._self_score(first, last, criterion, figures)
        self._heights(first, criterion, name, figures)
        self.row = last + 1
        return points

    def _automatic(self, criterion: Criterion, spec: InputSpec) -> Prefilled | None:
        """The figure that an input starts from: harvested, or the one that the decision itself prints."""
        harvested = self.prefilled.get((criterion.code, spec.name))
        if harvested is None and spec.default is not None:
            return Prefilled(str(spec.default), self.layout.texts.default_source)
        return harvested

    def _input(self, row: int, criterion: Criterion, spec: InputSpec, figure: Prefilled | None) -> None:
        styles, columns = self.styles, self.columns
        self.sheet.write_string(row, columns["key"], criterion.code)
        self.sheet.write_string(row, columns["symbol"], spec.name, styles.centred)
        self.sheet.write_string(row, columns["label"], spec.label, styles.text)
        self.sheet.write_blank(row, columns["value"], None, styles.fill[spec.kind])
        automatic = styles.automatic[spec.kind]
        if figure is None:
            self.sheet.write_blank(row, columns["automatic"], None, automatic)
        elif spec.kind == "option":
            self.sheet.write_string(row, columns["automatic"], _label(spec, figure.value), automatic)
        else:
            self.sheet.write_number(row, columns["automatic"], float(Decimal(figure.value)), automatic)
        self.sheet.write_string(row, columns["source"], figure.source if figure else "", styles.text)
        counted = formulas.effective(
            spec, self.cell(row, "value"), self.cell(row, "automatic") if figure else None, self.lists.labels(spec)
        )
        value = parse_value(spec, figure.value) if figure else formulas.MISSING
        cached = formulas.INVALID if _too_much(spec, value) else _plain(value)
        self.sheet.write_formula(row, columns["effective"], counted, None, cached)
        self._validate(row, spec)

    def _validate(self, row: int, spec: InputSpec) -> None:
        words = self.layout.inputs[spec.kind]
        rules: dict[str, dict[str, Any]] = {
            "count": {"validate": "integer", "criteria": ">=", "value": 0},
            "number": {"validate": "decimal", "criteria": ">=", "value": 0},
            "percent": {"validate": "decimal", "criteria": "between", "minimum": 0, "maximum": 100},
            "option": {"validate": "list", "source": self.lists.range(spec) if spec.options else ""},
        }
        rule = rules[spec.kind] | {
            "input_title": _cut(spec.name, _TITLE),
            "input_message": f"{_cut(spec.label, _MESSAGE - len(words.message) - 1)}\n{words.message}",
            "error_title": self.layout.error_title,
            "error_message": words.error,
        }
        self.sheet.data_validation(row, self.columns["value"], row, self.columns["value"], rule)

    def _prompts(self, row: int, criterion: Criterion) -> None:
        pages = self.layout.pages_message
        prompts: list[tuple[ColumnKey, str, str]] = [("pages", pages.title, pages.message)]
        if criterion.evidence:
            listed = _cut("; ".join(criterion.evidence), _MESSAGE)
            prompts.append(("evidence", self.layout.evidence_message_title, listed))
        for key, title, message in prompts:
            at = self.columns[key]
            rule = {"validate": "any", "input_title": title, "input_message": message}
            self.sheet.data_validation(row, at, row, at, rule)

    def _self_score(
        self, first: int, last: int, criterion: Criterion, figures: Mapping[str, Prefilled | None]
    ) -> Fraction | None:
        words, columns = self.layout.score_words, self.columns
        cells = {spec.name: self.cell(row, "effective") for row, spec in enumerate(criterion.inputs, start=first)}
        values = {
            spec.name: parse_value(spec, figure.value) if figure else Block(BlockKind.MISSING, (spec.name,))
            for spec in criterion.inputs
            for figure in [figures[spec.name]]
        }
        worth = exact.evaluate(criterion.expression, values, criterion.max_fraction)
        cached = _ERROR[worth.kind] if isinstance(worth, Block) else float(worth)
        self.sheet.write_formula(first, columns["raw"], formulas.raw(criterion, cells), None, cached)
        shown = _known_score(criterion, words, values, worth)
        score = formulas.self_score(
            criterion,
            words,
            cells=cells,
            effective_range=f"{self.cell(first, 'effective')}:{self.cell(last, 'effective')}",
            worth=self.cell(first, "raw"),
            request=self.cell(first, "request"),
        )
        style = self.styles.points(self.told.framework.decimals)
        self._merged(first, last, "self_score", "", style)
        self.sheet.write_formula(first, columns["self_score"], score, style, _plain(shown))
        return shown if isinstance(shown, Fraction) else None

    def _points(
        self, row: int, key: ColumnKey, points: Fraction, last: int | None = None, *, is_branch: bool = False
    ) -> None:
        """Points as the decision prints them, without zeros behind the comma."""
        decimals = next(digits for digits in range(7) if (points * 10**digits).denominator == 1 or digits == 6)
        style = self.styles.points(decimals, is_branch=is_branch)
        self._merged(row, row if last is None else last, key, "", style)
        self.sheet.write_number(row, self.columns[key], float(points), style)

    def _merged(self, first: int, last: int, key: ColumnKey, text: str, style: Any) -> None:
        """A text over the rows of a criterion; a range of one cell cannot be merged."""
        at = self.columns[key]
        if last > first:
            self.sheet.merge_range(first, at, last, at, "", style)
        if text:
            self.sheet.write_string(first, at, text, style)
        elif last == first:
            self.sheet.write_blank(first, at, None, style)

    def _heights(self, first: int, criterion: Criterion, name: str, figures: Mapping[str, Prefilled | None]) -> None:
        """Rows as high as their texts; merged cells do not grow by themselves, so the last row takes what they lack."""
        rows = [self._input_lines(spec, figures[spec.name]) for spec in criterion.inputs]
        words = self.layout.score_words
        shown = [words.requested, *(formulas.requirement_words(text, words) for text in criterion.require)]
        whole = max(
            _lines(name, self._width("name")),
            _lines(criterion.rule, self._width("rule")),
            *(_lines(text, self._width("self_score")) for text in shown),
        )
        rows[-1] += max(0, whole - sum(rows))
        for row, lines in enumerate(rows, start=first):
            self._set_height(row, lines)

    def _input_lines(self, spec: InputSpec, figure: Prefilled | None) -> int:
        lines = [_lines(spec.label, self._width("label")), _lines(spec.name, self._width("symbol"))]
        lines += [_lines(option.label, self._width("value")) for option in spec.options]
        if figure is not None:
            lines.append(_lines(figure.source, self._width("source")))
            if spec.kind == "option":
                lines.append(_lines(_label(spec, figure.value), self._width("automatic")))
        return max(lines)

    def _width(self, key: ColumnKey) -> float:
        return self.layout.column(key).width


_ERROR = {
    BlockKind.MISSING: formulas.MISSING,
    BlockKind.NOT_APPLICABLE: formulas.NOT_APPLICABLE,
    BlockKind.ZERO_DENOMINATOR: formulas.ZERO_DENOMINATOR,
}


def _known_score(
    criterion: Criterion, words: ScoreWords, values: Mapping[str, exact.Value], worth: Fraction | Block
) -> Fraction | str:
    """What the formula of the self score shows before anything is filled in, for programs that do not calculate."""
    if isinstance(worth, Block):
        if all(isinstance(value, Block) for value in values.values()):
            return ""
        return {
            BlockKind.NOT_APPLICABLE: words.not_applicable,
            BlockKind.ZERO_DENOMINATOR: words.zero_denominator,
        }.get(worth.kind, words.missing)
    if any(_too_much(spec, values[spec.name]) for spec in criterion.inputs):
        return words.invalid
    for text, requirement in zip(criterion.require, criterion.requirements, strict=True):
        if exact.holds(requirement, values) is False:
            return formulas.requirement_words(text, words)
    return worth if 0 <= worth <= criterion.max_fraction else words.out_of_range


def _too_much(spec: InputSpec, value: exact.Value) -> bool:
    return spec.kind == "percent" and isinstance(value, Fraction) and value > 100


def _plain(value: Fraction | str) -> float | str:
    return value if isinstance(value, str) else float(value)


def _label(spec: InputSpec, value: str) -> str:
    return next(option.label for option in spec.options if option.value == value)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
