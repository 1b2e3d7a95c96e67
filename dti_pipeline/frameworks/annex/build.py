"""Entries -> a checked level: codes, formulas, sums against printed maxima, counts against what the decision states.

Here: the import from bytes to `AnnexReport`, without touching any file. Not here: reading formats (`tables.py`),
headings (`columns.py`), rows (`rows.py`), prose (`rules.py`), writing (`write.py`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

from pydantic import ValidationError

from dti_pipeline.frameworks.annex import machine
from dti_pipeline.frameworks.annex.columns import find_lines, fold, words
from dti_pipeline.frameworks.annex.flat import unflattened
from dti_pipeline.frameworks.annex.report import AnnexReport, Problems, Reading, RowReport
from dti_pipeline.frameworks.annex.rows import Entry, Rows, Total, number_tree, read_rows
from dti_pipeline.frameworks.annex.rules import NotUnderstood, manual_rule, read_rule
from dti_pipeline.frameworks.annex.tables import Document, UnreadableFile, read_tables
from dti_pipeline.frameworks.lint import RECORDED, lint
from dti_pipeline.frameworks.model import Basis, Criterion, Framework, Level, NodeKind, Severity
from dti_pipeline.text import vi_decimal

NO_RULE = "(Phụ lục không in cách tính điểm.)"
_WORKING = "phu luc tam khong phai phu luc chinh thuc"
_MACHINE = frozenset({"key", "kind", "parent"})


@dataclass(slots=True)
class _Leaf:
    """A criterion on its way: its row, its fields, and how its formula came about."""

    entry: Entry
    data: dict[str, Any]
    rows: list[Entry]
    """Further rows that share its maximum."""
    reading: Reading = "columns"
    message: str = ""

    @property
    def points(self) -> Decimal:
        return cast(Decimal, self.data["max_points"])


@dataclass(slots=True)
class _Branch:
    entry: Entry
    code: str
    kind: NodeKind
    basis: Basis
    branches: list[_Branch] = field(default_factory=list)
    leaves: list[_Leaf] = field(default_factory=list)

    def walk(self) -> Iterator[_Branch]:
        yield self
        for branch in self.branches:
            yield from branch.walk()

    def all_leaves(self) -> Iterator[_Leaf]:
        for branch in self.walk():
            yield from branch.leaves

    @property
    def sum_points(self) -> Decimal:
        return sum((leaf.points for leaf in self.all_leaves()), Decimal(0))

    def data(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "kind": self.kind,
            "name": self.entry.name,
            "basis": self.basis,
            "max_points": self.entry.points,
            "nodes": tuple(branch.data() for branch in self.branches),
            "criteria": tuple(leaf.data for leaf in self.leaves),
        }


def read_annex(body: bytes, filename: str, framework: Framework, level: Level) -> AnnexReport:
    """The level that an annex file describes: `level` with other nodes and basis, and everything there is to say.

    `filename` serves messages only; the format is told by content (XLSX, DOCX, HTML, CSV, text of a law site). The
    report's level is None where any problem is an error. No file is written; nothing raises on a bad file.
    """
    problems = Problems()
    try:
        document = read_tables(body, filename, problems)
    except UnreadableFile as error:
        problems.add("error", filename, error.code, error.message, error.advice)
        return AnnexReport(None, problems.all(), ())
    if document.format == "text":
        document = unflattened(document, problems)
    annex = find_lines(document, level.level, filename, problems)
    if annex is None:
        return AnnexReport(None, problems.all(), ())
    is_machine = annex.fields >= _MACHINE
    if "code" not in annex.fields and not is_machine and not any(line.text("name") for line in annex.lines):
        problems.add("error", filename, "no-rows", "bảng không có dòng nào.", "Kiểm tra lại tệp.")
    rows = read_rows(annex, problems)
    basis: Basis = "working" if _says_working(document) else "decision"
    if basis == "working":
        problems.add(
            "warning", filename, "working-annex", "tệp ghi là phụ lục tạm, nên không được nhập như phụ lục chính thức.",
            "Nếu đây là phụ lục chính thức, bỏ dòng «Phụ lục tạm …» ở đầu tệp và cột «Cơ sở».",
        )  # fmt: skip
    builder = _Builder(framework, level, basis, problems)
    tops = builder.from_machine(rows) if is_machine else builder.from_numbers(rows)
    _check_codes(tops, filename, problems)
    if not problems.has_errors:
        _check_sums(tops, rows.totals, level, filename, problems)
    found = None if problems.has_errors else _level(tops, level, basis, filename, problems)
    if found is not None and found.basis != level.basis and level.notes:
        problems.add(
            "info", filename, "notes-kept", f"{len(level.notes)} ghi chú của cấp được giữ như khi còn phụ lục tạm.",
            "Đọc lại các ghi chú trong tệp bộ chỉ số.",
        )  # fmt: skip
    if found is not None:
        _lint(framework, found, tops, filename, problems)
    reports = sorted((*rows.reports, *_reports(tops)), key=lambda report: _order(report.where, annex.lines))
    return AnnexReport(None if problems.has_errors else found, problems.all(), tuple(reports))


def _says_working(document: Document) -> bool:
    texts = [document.outside, *(cell.text for table in document.tables for row in table.rows for cell in row)]
    return any(_WORKING in re.sub(r"[^a-z]+", " ", fold(text)) for text in texts if text)


def _order(where: str, lines: Sequence[Any]) -> int:
    return next((place for place, line in enumerate(lines) if line.where == where), len(lines))


class _Builder:
    """Turns entries into branches and leaves, by their numbers or by the machine columns."""

    def __init__(self, framework: Framework, level: Level, basis: Basis, problems: Problems) -> None:
        self.framework = framework
        self.level = level
        self.basis = basis
        self.problems = problems
        self.seen: Counter[str] = Counter()
        self.first_places: dict[str, str] = {}
        self.kind_of: dict[tuple[str, int], NodeKind] = {}
        self.kind_at_depth: dict[int, NodeKind] = {}
        self.depth = 0
        """How deep the file's branches go."""
        for node in level.nodes:
            self._note_kinds(node, 0)

    def _note_kinds(self, node: Any, depth: int) -> None:
        self.kind_of[node.code, depth] = node.kind
        self.kind_at_depth.setdefault(depth, node.kind)
        for child in node.nodes:
            self._note_kinds(child, depth + 1)

    # --- by numbers ---

    def from_numbers(self, rows: Rows) -> list[_Branch]:
        """Branches by numbering."""
        tops = number_tree(rows.entries, self.problems)
        self.depth = max((_depth(top) for top in tops), default=0)
        branches = []
        for top in tops:
            if top.children:
                branches.append(self._branch(top, 0))
            elif top.points is not None:
                self.problems.add(
                    "error", top.where, "no-group", f"tiêu chí {top.printed_code} không thuộc nhóm nào.",
                    "Thêm một dòng nhóm có STT ở trên (ví dụ I hoặc 1), tiêu chí đánh số 1.1, 1.2, …",
                )  # fmt: skip
            else:
                self._no_points(top)
        if not branches and not self.problems.has_errors:
            self.problems.add("error", "tệp", "no-rows", "không có dòng nào có STT.", "Kiểm tra cột STT của bảng.")
        return branches

    def _no_points(self, entry: Entry) -> None:
        self.problems.add(
            "error", entry.points_where, "no-points",
            f"dòng {entry.printed_code} «{entry.name[:60]}» không có điểm tối đa và không có dòng con.",
            "Ghi điểm tối đa, hoặc kiểm tra STT của các dòng dưới.",
        )  # fmt: skip

    def _branch(self, entry: Entry, depth: int) -> _Branch:
        branch = _Branch(entry, entry.code, self._kind(entry, depth), self.basis)
        groups: list[list[Entry]] = []
        before: Entry | None = None
        for child in entry.children:
            if child.children and not _shares_with_children(child):
                branch.branches.append(self._branch(child, depth + 1))
                before = None
                continue
            if child.points is None and not child.children:
                if before is not None and (child.is_covered or not child.text("rule")):
                    groups[-1].append(child)
                    if not child.is_covered:
                        self.problems.add(
                            "warning", child.points_where, "shared-maximum",
                            f"dòng {child.printed_code} không in điểm: đọc là dòng chung điểm tối đa với "
                            f"{groups[-1][0].printed_code}.",
                            "Nếu không phải, ghi điểm tối đa cho dòng.",
                        )  # fmt: skip
                    continue
                self._no_points(child)
                continue
            groups.append([child])
            before = child
        is_whole = len(groups) == 1 and not branch.branches
        for first, *others in groups:
            branch.leaves.append(self._leaf(first, others, entry if is_whole else None))
        if entry.text("rule") and entry.children:
            self.problems.add(
                "warning", entry.place("rule"), "rule-of-group",
                f"cách tính điểm ở dòng nhóm {entry.printed_code} không thuộc tiêu chí nào nên không được giữ.",
                "Chép vào các tiêu chí bên dưới nếu áp dụng cho chúng.",
            )  # fmt: skip
        return branch

    def _kind(self, entry: Entry, depth: int) -> NodeKind:
        """The kind of the framework's nodes there, of the one of that code first; what is around them is a pillar."""
        known = depth - max(0, self.depth - len(self.kind_at_depth))
        if known < 0:
            return "pillar"
        return self.kind_of.get((entry.code, known)) or self.kind_at_depth.get(known, "group")

    def _leaf(self, first: Entry, others: list[Entry], group: Entry | None) -> _Leaf:
        """A criterion; with `others`, the rows that share its maximum, it takes number and name of a whole `group`."""
        lines = [first, *others] if others else first.children
        head = group if others and group is not None else first
        printed, name = head.printed_code, head.name
        code = self._unique(head.code, first)
        rule = "\n".join(text for item in (first, *others) if (text := item.text("rule")))
        remark = "\n".join(text for item in (first, *others, *first.children) if (text := item.text("remark"))) or None
        annex = self.framework.decision.annex or "Phụ lục"
        data: dict[str, Any] = {
            "code": code,
            "printed_code": printed,
            "name": name,
            "max_points": first.points,
            "rule": rule or NO_RULE,
            "remark": remark,
            "lines": tuple({"printed_code": line.printed_code, "name": line.name} for line in lines),
            "basis": self.basis,
            "clause": f"{annex}, mục {printed}" + ("" if code == head.code else f" (mã {code})"),
            **_sources(first),
        }
        if not rule:
            self.problems.add(
                "warning", first.place("rule"), "no-rule", f"dòng {printed} không in cách tính điểm.",
                "Người thẩm định sẽ cho điểm; bổ sung cách tính điểm nếu có.",
            )  # fmt: skip
        leaf = _Leaf(first, data, list(lines[1:] if others else lines))
        self._read_prose(leaf, rule, remark or "")
        return leaf

    def _read_prose(self, leaf: _Leaf, rule: str, remark: str) -> None:
        name = leaf.data["name"]
        try:
            parsed = read_rule(name, rule, remark, leaf.points)
            leaf.reading = "parsed"
            note = "Công thức do chương trình đọc từ cách tính điểm; cần người kiểm tra lại."
        except NotUnderstood as error:
            parsed = manual_rule(name)
            leaf.reading, leaf.message = "manual", f"{error}."
            leaf.data["manual"] = True
            note = f"Chưa đọc được cách tính điểm thành công thức ({error}); người thẩm định cho điểm."
            self.problems.add(
                "warning", leaf.entry.place("rule"), "manual", f"{leaf.entry.printed_code}: {error}.",
                "Người thẩm định cho điểm; hoặc viết công thức trong tệp bộ chỉ số.",
            )  # fmt: skip
        leaf.data |= {"formula": parsed.formula, "inputs": parsed.inputs, "require": parsed.require}
        leaf.data["notes"] = (note,)

    def _unique(self, code: str, entry: Entry) -> str:
        """The code, with -2, -3, … where the annex prints it again (the printed number is kept beside it)."""
        self.seen[code] += 1
        if self.seen[code] == 1:
            self.first_places[code] = entry.place("code")
            return code
        unique = f"{code}-{self.seen[code]}"
        self.problems.add(
            "warning", entry.place("code"), "number-twice",
            f"STT {code} được in hai lần (lần trước ở {self.first_places[code]}); dòng này mang mã {unique}.",
            "Nếu là lỗi gõ (ví dụ 1.10 thành 1.1), sửa STT.",
        )  # fmt: skip
        return unique

    # --- by the machine columns ---

    def from_machine(self, rows: Rows) -> list[_Branch]:
        """Branches by «Loại», «Mã» and «Thuộc»; every row needs its kind."""
        tops: list[_Branch] = []
        by_code: dict[str, _Branch] = {}
        last: _Leaf | None = None
        for entry in rows.entries:
            kind = self._cell(entry, "kind", lambda text: machine.word_key(words().kinds, text, "loại"))
            if kind is None:
                if not entry.text("kind"):
                    self._fault(entry, "kind", "cột «Loại» trống")
                continue
            if kind == "line":
                if last is None or not last.data["lines"]:
                    self._fault(entry, "kind", "«dòng in» phải đứng dưới tiêu chí có cột «Tiêu chí chung của các dòng»")
                else:
                    last.data["lines"] = (*last.data["lines"], _printed_line(entry))
                    last.rows.append(entry)
                continue
            parent = by_code.get(entry.text("parent")) if entry.text("parent") else None
            if entry.text("parent") and parent is None:
                self._fault(entry, "parent", f"không có nhóm mã «{entry.text('parent')}» ở các dòng trên")
                continue
            if not entry.text("key"):
                self._fault(entry, "key", "cột «Mã» trống")
                continue
            if kind == "criterion":
                last = self._machine_leaf(entry, parent)
                continue
            basis = self._basis(entry)
            branch = _Branch(entry, entry.text("key"), kind, basis)
            (parent.branches if parent else tops).append(branch)
            by_code[branch.code] = branch
            last = None
        return tops

    def _machine_leaf(self, entry: Entry, parent: _Branch | None) -> _Leaf | None:
        if parent is None:
            self._fault(entry, "parent", "tiêu chí phải thuộc một nhóm")
            return None
        if entry.points is None:
            self._no_points(entry)
            return None
        shared = self._cell(entry, "shared", machine.read_shared)
        data: dict[str, Any] = {
            "code": entry.text("key"),
            "printed_code": shared.printed_code if shared else entry.printed_code,
            "name": shared.name if shared else entry.name,
            "max_points": entry.points,
            "rule": entry.text("rule") or NO_RULE,
            "remark": entry.text("remark") or None,
            "lines": (_printed_line(entry),) if shared else (),
            "basis": self._basis(entry),
            "library": entry.text("library") or None,
            "clause": entry.text("clause") or f"{self.framework.decision.annex or 'Phụ lục'}, mục {entry.printed_code}",
            **_sources(entry),
        }
        leaf = _Leaf(entry, data, [])
        if entry.text("formula"):
            data |= {
                "formula": entry.text("formula").replace("\n", " "),
                "printed_formula": entry.text("printed_formula") or None,
                "terms": self._cell(entry, "terms", machine.read_terms) or {},
                "inputs": self._cell(entry, "inputs", machine.read_inputs) or (),
                "require": tuple(entry.text("require").split("\n")) if entry.text("require") else (),
                "notes": machine.read_list(entry.text("notes"), machine.NOTE_MARK),
                "findings": self._cell(entry, "findings", machine.read_findings) or (),
            } | (self._cell(entry, "mode", machine.read_mode) or {})
            leaf.reading = "manual" if data.get("manual") else "columns"
        else:
            self._read_prose(leaf, entry.text("rule"), data["remark"] or "")
        parent.leaves.append(leaf)
        return leaf

    def _basis(self, entry: Entry) -> Basis:
        found = self._cell(entry, "basis", lambda text: machine.word_key(words().bases, text, "cơ sở"))
        return cast(Basis, found) if found else self.basis

    def _cell(self, entry: Entry, name: str, read: Any) -> Any:
        """A machine cell read, or None where it is empty or (with a problem) wrong."""
        text = entry.text(name)
        if not text:
            return None
        try:
            return read(text)
        except machine.MachineTextError as error:
            self._fault(entry, name, str(error))
            return None

    def _fault(self, entry: Entry, name: str, message: str) -> None:
        heading = words().columns[name].heading
        self.problems.add(
            "error", entry.place(name), f"column-{name}", f"dòng {entry.printed_code}, cột «{heading}»: {message}.",
            "Sửa ô theo tệp mẫu (dti frameworks export), hoặc bỏ hẳn các cột máy đọc.",
        )  # fmt: skip


def _depth(entry: Entry) -> int:
    """Branches from here down: 0 for a criterion."""
    if not entry.children or _shares_with_children(entry):
        return 0
    return 1 + max(_depth(child) for child in entry.children)


def _shares_with_children(entry: Entry) -> bool:
    """A row with points and rule over rows that have neither: one criterion printed on several lines."""
    return (
        entry.points is not None
        and bool(entry.text("rule"))
        and all(not child.children and child.points is None and not child.text("rule") for child in entry.children)
    )


def _sources(entry: Entry) -> dict[str, Any]:
    return {
        "evidence": machine.read_list(entry.text("evidence"), machine.LINE_MARK),
        "data_source": entry.text("data_source") or None,
        "verifier_unit": entry.text("verifier_unit") or None,
    }


def _printed_line(entry: Entry) -> dict[str, str]:
    return {"printed_code": entry.printed_code, "name": entry.name}


# --- checks ---


def _check_codes(tops: Sequence[_Branch], filename: str, problems: Problems) -> None:
    places: dict[tuple[str, str], str] = {}
    for top in tops:
        for branch in top.walk():
            for what, code, entry in (
                ("nhóm", branch.code, branch.entry),
                *(("tiêu chí", leaf.data["code"], leaf.entry) for leaf in branch.leaves),
            ):
                before = places.setdefault((what, code), entry.place("code"))
                if before != entry.place("code"):
                    problems.add(
                        "error", entry.place("code"), "code-twice", f"mã {what} {code} đã có ở {before}.",
                        "Mỗi nhóm và mỗi tiêu chí cần một mã riêng; sửa STT (hoặc cột «Mã»).",
                    )  # fmt: skip


def _check_sums(
    tops: Sequence[_Branch], totals: Sequence[Total], level: Level, filename: str, problems: Problems
) -> None:
    """The innermost sum that is off is named, not those that contain it."""
    is_off = [_sum_is_off(top, problems) for top in tops]
    if any(is_off):
        return
    branches = [branch for top in tops for branch in top.walk()]
    leaves = [leaf for top in tops for leaf in top.all_leaves()]
    whole = sum((top.sum_points for top in tops), Decimal(0))
    sums = {whole, *(branch.sum_points for branch in branches)}
    for total in totals:
        if total.points not in sums:
            _off(problems, total.where, "total", "tổng điểm in", total.points, whole, "So từng nhóm với bản in.")
            return
    stated = level.stated
    if stated.max_points is not None and stated.max_points != whole:
        _off(
            problems, filename, "stated-points", f"tổng điểm tối đa mà quyết định in cho {level.name}",
            stated.max_points, whole, "Kiểm tra có đọc thiếu hoặc thừa bảng, dòng nào không.",
        )  # fmt: skip
    counts: list[tuple[str, int | None, int]] = [
        (f"{words().kinds[kind]}", count, sum(branch.kind == kind for branch in branches))
        for kind, count in stated.nodes.items()
    ]
    counts.append(("tiêu chí", stated.criteria, len(leaves)))
    counts.append(("dòng in", stated.printed_rows, sum(len(leaf.data["lines"]) or 1 for leaf in leaves)))
    by_code = {branch.code: branch for branch in branches}
    for code, count in stated.criteria_of.items():
        under = len(list(by_code[code].all_leaves())) if code in by_code else 0
        counts.append((f"tiêu chí thuộc {code}", count, under))
    for what, expected, found in counts:
        if expected is not None and expected != found:
            problems.add(
                "error", filename, "stated-count", f"quyết định in {expected} {what}, đọc được {found}.",
                "Xem bảng từng dòng bên dưới để tìm dòng thiếu, thừa hoặc nối nhầm.",
            )  # fmt: skip


def _sum_is_off(branch: _Branch, problems: Problems) -> bool:
    below = [_sum_is_off(child, problems) for child in branch.branches]
    if any(below):
        return True
    printed = branch.entry.points
    if printed is None or printed == branch.sum_points:
        return False
    places = [leaf.entry.points_where for leaf in branch.all_leaves()]
    _off(
        problems, branch.entry.points_where, "group-sum",
        f"điểm tối đa in của {branch.code} «{branch.entry.name[:60]}»",
        printed, branch.sum_points, f"So với bản in: ô này, hoặc điểm các tiêu chí ở {places[0]} … {places[-1]}."
        if places else "Nhóm không có tiêu chí nào.",
    )  # fmt: skip
    return True


def _off(problems: Problems, where: str, code: str, what: str, printed: Decimal, found: Decimal, advice: str) -> None:
    problems.add(
        "error", where, code,
        f"{what} là {vi_decimal(printed)}, các tiêu chí cộng lại {vi_decimal(found)} "
        f"(lệch {vi_decimal(abs(printed - found))}).",
        advice,
    )  # fmt: skip


# --- the level ---


def _level(tops: Sequence[_Branch], level: Level, basis: Basis, filename: str, problems: Problems) -> Level | None:
    for top in tops:
        for leaf in top.all_leaves():
            try:
                Criterion.model_validate(leaf.data)
            except ValidationError as error:
                for item in error.errors():
                    name = str(item["loc"][0]) if item["loc"] else ""
                    problems.add(
                        "error", leaf.entry.place(_column_of(name, str(item["msg"]))), "criterion",
                        f"tiêu chí {leaf.data['code']}: {str(item['msg']).removeprefix('Value error, ')}.",
                        "Sửa ô theo tệp mẫu (dti frameworks export).",
                    )  # fmt: skip
    if problems.has_errors:
        return None
    head = {name: getattr(level, name) for name in type(level).model_fields if name not in ("nodes", "basis")}
    try:
        return Level.model_validate(head | {"basis": basis, "nodes": [top.data() for top in tops]})
    except ValidationError as error:
        for item in error.errors():
            place = ".".join(str(step) for step in item["loc"])
            message = str(item["msg"]).removeprefix("Value error, ")
            problems.add(
                "error", filename, "level", f"{place + ': ' if place else ''}{message}.",
                "Sửa tệp cho khớp phần đầu của cấp trong bộ chỉ số, hoặc sửa phần đó.",
            )  # fmt: skip
        return None


def _column_of(name: str, message: str) -> str:
    """The column whose cell a field of a criterion comes from."""
    if not name and (found := re.search(r"field (formula|printed_formula|require)", message)):
        return found[1]
    return {"code": "key", "": "formula", "lines": "shared"}.get(name, name)


def _lint(framework: Framework, level: Level, tops: Sequence[_Branch], filename: str, problems: Problems) -> None:
    """What the linter sees in the new level; defects of an official text are shown, and never keep it out."""
    places: Mapping[str, str] = {leaf.data["code"]: leaf.entry.where for top in tops for leaf in top.all_leaves()}
    levels = tuple(level if item.level == level.level else item for item in framework.levels)
    for finding in lint(framework.model_copy(update={"levels": levels})):
        if finding.level == level.level and finding.rule != RECORDED:
            severity: Severity = "info" if finding.severity == "info" else "warning"
            where = places.get(finding.code or "", filename)
            subject = f"{finding.code}: " if finding.code else ""
            problems.add(severity, where, f"lint-{finding.rule}", f"{subject}{finding.what}")


def _reports(tops: Sequence[_Branch]) -> Iterator[RowReport]:
    for top in tops:
        for branch in top.walk():
            entry = branch.entry
            yield RowReport(entry.where, "node", entry.printed_code, branch.code, entry.name, entry.points)
            for leaf in branch.leaves:
                first = leaf.entry
                yield RowReport(
                    first.where,
                    "criterion",
                    first.printed_code,
                    leaf.data["code"],
                    leaf.data["name"],
                    leaf.points,
                    leaf.reading,
                    leaf.data["formula"],
                    leaf.message,
                )
                for row in leaf.rows:
                    yield RowReport(row.where, "line", row.printed_code, leaf.data["code"], row.name, None)
