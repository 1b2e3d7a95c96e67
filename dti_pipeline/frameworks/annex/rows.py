"""Rows of an annex -> a tree of entries, by their numbering (I, A, 1, 1.1, 1.1.1) or by the machine columns.

Here: which row opens a branch, goes on with the row above, repeats a heading over a page, prints a total. Not here:
what an entry is worth (`rules.py`) and whether the whole holds (`build.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Literal

from dti_pipeline.frameworks.annex.columns import Annex, Line, fold, words
from dti_pipeline.frameworks.annex.numbers import read_number
from dti_pipeline.frameworks.annex.report import Problems, RowReport


@cache
def text_fields() -> tuple[str, ...]:
    """The columns whose cells are texts that may go on in the next row."""
    return tuple(name for name in words().columns if name not in ("code", "max_points"))


Style = Literal["roman", "letter", "number", "word"]


@dataclass(slots=True)
class Entry:
    """A numbered row with everything that was joined to it."""

    where: str
    printed_code: str
    points: Decimal | None
    points_where: str
    is_covered: bool
    """Its cell of points is covered by the one above: it shares that row's maximum."""
    texts: dict[str, list[str]]
    places: dict[str, str]
    style: Style
    parts: tuple[str, ...]
    code: str = ""
    parent: Entry | None = None
    children: list[Entry] = field(default_factory=list)

    def text(self, name: str) -> str:
        return "\n".join(self.texts.get(name, ()))

    @property
    def name(self) -> str:
        return self.text("name").replace("\n", " ")

    def place(self, name: str) -> str:
        return self.places.get(name, self.where)

    def walk(self) -> Iterator[Entry]:
        yield self
        for child in self.children:
            yield from child.walk()

    def ancestors(self) -> Iterator[Entry]:
        entry = self.parent
        while entry is not None:
            yield entry
            entry = entry.parent


@dataclass(frozen=True, slots=True)
class Total:
    """A row that prints the sum of the annex, or of the branch that it closes."""

    where: str
    points: Decimal


@dataclass(frozen=True, slots=True)
class Rows:
    """Entries in the file's order (not yet a tree), totals, and a report of every other row."""

    entries: tuple[Entry, ...]
    totals: tuple[Total, ...]
    reports: tuple[RowReport, ...]


# --- rows ---

_ROMAN = re.compile(r"(?=.)X{0,3}(?:IX|IV|V?I{0,3})")
_PART = r"(?:\d{1,4}|[IVX]{1,5}|[A-ZĐ])"
_CODE = re.compile(rf"{_PART}(?:[.\-]\d{{1,4}})*[.)]?")
_CODE_AND_NAME = re.compile(rf"({_PART}(?:\.\d{{1,4}})*[.)]?)[\s:–-]+(\S.*)", re.DOTALL)
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_NO_POINTS = frozenset({"", "-", "–", "—", "x", "X"})


def read_rows(annex: Annex, problems: Problems) -> Rows:
    """The rows by what they are; anything that is not understood is in `problems`, with its place."""
    entries: list[Entry] = []
    totals: list[Total] = []
    reports: list[RowReport] = []
    for line in annex.lines:
        code, name = _code_and_name(line)
        if not _cells_are_readable(line, problems):
            continue
        points, is_readable = _points(line, problems)
        if not is_readable:
            continue
        if not code and (points is not None or name) and _is_total(name or line.text("name")):
            if points is not None:
                totals.append(Total(line.place("max_points"), points))
            reports.append(RowReport(line.where, "total", "", "", name, points))
        elif not code:
            _join(line, name, points, entries, problems, reports)
        elif annex.other_points and points is None and line.text("points_elsewhere"):
            reports.append(RowReport(line.where, "skipped", code, "", name, None, message="Dòng của cấp khác."))
        else:
            entry = _entry(line, code, name, points, problems)
            if entry is not None:
                entries.append(entry)
    return Rows(tuple(entries), tuple(totals), tuple(reports))


def _code_and_name(line: Line) -> tuple[str, str]:
    code, name = line.text("code").replace("\n", " "), line.text("name")
    if code and not name and (found := _CODE_AND_NAME.fullmatch(code)):
        # A branch's row whose cells are merged into one: «I. Nhận thức số».
        return found[1], found[2]
    if code and not name and not _CODE.fullmatch(code) and " " in code:
        return "", code
    if not code and "code" not in line.cells and (found := _CODE_AND_NAME.fullmatch(name)):
        return found[1], found[2]
    return code, name


def _cells_are_readable(line: Line, problems: Problems) -> bool:
    is_good = True
    for cell in line.cells.get("code", ()):
        if cell.kind == "auto":
            problems.add(
                "error", cell.where, "automatic-number", "STT do Word tự đánh, không có trong văn bản.",
                "Chọn cột STT, gõ số thành chữ (hoặc bỏ đánh số tự động) rồi nhập lại.",
            )  # fmt: skip
            is_good = False
        elif cell.kind == "date":
            problems.add(
                "error", cell.where, "number-became-date", f"STT đã bị bảng tính đổi thành ngày ({cell.text}).",
                "Định dạng cột STT là chữ (Text) và gõ lại số, ví dụ 1.1.1.",
            )  # fmt: skip
            is_good = False
    for name, cells in line.cells.items():
        for cell in cells:
            if cell.kind == "formula":
                problems.add(
                    "error", cell.where, "formula-without-value",
                    f"ô ở cột «{_title(name)}» là công thức chưa có kết quả lưu trong tệp.",
                    "Mở bằng Excel, lưu lại, hoặc thay công thức bằng giá trị.",
                )  # fmt: skip
                is_good = False
    return is_good


def _title(name: str) -> str:
    column = words().columns.get(name)
    return column.heading if column else name


def _points(line: Line, problems: Problems) -> tuple[Decimal | None, bool]:
    """The maximum points, and whether the cell could be read at all."""
    for cell in line.cells.get("max_points", ()):
        if cell.text in _NO_POINTS:
            continue
        number = cell.number
        if number is None and (found := read_number(cell.text)) is not None:
            number = found.value
            if found.is_point_decimal:
                problems.add(
                    "warning", cell.where, "decimal-point",
                    f"«{cell.text}» được đọc là {str(found.value).replace('.', ',')} (dấu chấm thập phân).",
                    "Kiểm tra lại; văn bản tiếng Việt viết dấu phẩy.",
                )  # fmt: skip
        if number is None or not 0 <= number <= 10_000:
            problems.add(
                "error", cell.where, "points-unreadable",
                f"điểm tối đa «{cell.text[:60]}» không phải số từ 0 đến 10.000.",
                "Ghi một số, ví dụ 2 hoặc 0,5; phần chữ chuyển sang cột cách tính điểm.",
            )  # fmt: skip
            return None, False
        return number, True
    return None, True


def _is_total(name: str) -> bool:
    folded = re.sub(r"[^a-z ]+", " ", fold(name)).strip()
    return any(folded == total or folded.startswith(total + " ") for total in words().totals if " " in total) or (
        folded in words().totals
    )


def _join(
    line: Line,
    name: str,
    points: Decimal | None,
    entries: list[Entry],
    problems: Problems,
    reports: list[RowReport],
) -> None:
    """A row without a number: the rest of the row above, or something that is reported."""
    if points is not None:
        problems.add(
            "error", line.where, "row-without-number", f"dòng «{name[:60]}» có điểm nhưng không có STT.",
            "Ghi STT cho dòng, hoặc chuyển điểm vào cột cách tính điểm của dòng trên nếu đây là một mức điểm.",
        )  # fmt: skip
        return
    texts = {field: line.text(field) for field in text_fields() if field != "name"} | {"name": name}
    if not any(texts.values()):
        return
    if not entries:
        reports.append(RowReport(line.where, "skipped", "", "", name, None, message="Dòng trước dòng đầu có STT."))
        problems.add("warning", line.where, "row-skipped", f"dòng «{name[:60]}» đứng trước STT đầu tiên, không đọc.")
        return
    above = entries[-1]
    for field_name, text in texts.items():
        if text:
            above.texts.setdefault(field_name, []).append(text)
    message = f"Nối vào dòng {above.printed_code}."
    reports.append(RowReport(line.where, "continuation", "", "", name, None, message=message))
    if name:
        problems.add(
            "warning", line.where, "name-joined",
            f"dòng không có STT, tên «{name[:60]}» được nối vào tên của {above.printed_code}.",
            "Nếu đây là một nhóm hay một tiêu chí, ghi STT cho dòng.",
        )  # fmt: skip


def _entry(line: Line, code: str, name: str, points: Decimal | None, problems: Problems) -> Entry | None:
    bare = code.rstrip(".)")
    style: Style
    if _CODE.fullmatch(code):
        parts = tuple(re.split(r"[.\-]", bare))
        style = "number" if parts[0].isdigit() else "letter"
    elif _WORD.fullmatch(code) or line.text("kind"):
        parts, style = (code,), "word"
    else:
        problems.add(
            "error" if points is not None or line.text("rule") else "warning", line.place("code"), "bad-number",
            f"STT «{code[:40]}» không phải số thứ tự (I, A, 1, 1.1, …)"
            + ("." if points is not None else "; dòng không được đọc."),
            "Sửa STT, hoặc để trống nếu dòng nối tiếp dòng trên.",
        )  # fmt: skip
        return None
    # Two columns of names («Chỉ số», «Tiêu chí con»): the row's own name is the one furthest right.
    names = [cell.text for cell in line.cells.get("name", ()) if cell.text]
    if len(names) > 1:
        problems.add(
            "warning", line.place("name"), "two-names",
            f"dòng {code} có chữ ở hai cột tên; lấy «{names[-1][:60]}», bỏ «{names[0][:60]}».",
            "Đưa tên nhóm thành một dòng riêng có STT.",
        )  # fmt: skip
        name = names[-1]
    texts = {field: [text] for field in text_fields() if (text := line.text(field))}
    if name:
        texts["name"] = [name]
    return Entry(
        where=line.where,
        printed_code=code,
        points=points,
        points_where=line.place("max_points"),
        is_covered=any(cell.is_from_above for cell in line.cells.get("max_points", ())),
        texts=texts,
        places={field: line.place(field) for field in ("code", *text_fields())},
        style=style,
        parts=parts,
    )


# --- the tree by numbers ---


def number_tree(entries: Iterable[Entry], problems: Problems) -> list[Entry]:
    """The top entries, with children; every entry gets its code. Repeated headings of a page are dropped."""
    tops: list[Entry] = []
    stack: list[Entry] = []
    all_entries: list[Entry] = []
    seen_letter = False
    for entry in entries:
        if entry.style == "letter" and len(entry.parts) == 1:
            entry.style = "letter" if seen_letter and not _next_roman(entry, stack) else _letter_style(entry, stack)
            seen_letter = seen_letter or entry.style == "letter"
        if repeated := _repeated(entry, stack):
            problems.add("info", entry.where, "repeated-row", f"dòng {repeated.printed_code} lặp lại, bỏ qua.")
            continue
        depth = _depth(entry, stack)
        del stack[depth:]
        entry.parent = stack[-1] if stack else None
        (entry.parent.children if entry.parent else tops).append(entry)
        stack.append(entry)
        all_entries.append(entry)
    _give_codes(all_entries)
    return tops


def _roman_value(text: str) -> int | None:
    if not text or not _ROMAN.fullmatch(text):
        return None
    digits = {"I": 1, "V": 5, "X": 10}
    values = [digits[letter] for letter in text]
    return sum(-value if value < max(values[place:]) else value for place, value in enumerate(values))


def _next_roman(entry: Entry, stack: list[Entry]) -> bool:
    value = _roman_value(entry.parts[0])
    before = next((item for item in stack if item.style == "roman"), None)
    if value is None:
        return False
    return value == 1 if before is None else value == (_roman_value(before.parts[0]) or 0) + 1


def _letter_style(entry: Entry, stack: list[Entry]) -> Style:
    """I, V and X are letters too: a Roman number is one that starts at I or follows the Roman number before."""
    if len(entry.parts[0]) > 1 or _next_roman(entry, stack):
        return "roman"
    return "letter"


def _repeated(entry: Entry, stack: list[Entry]) -> Entry | None:
    """An open branch printed again at the top of a page, perhaps with «(tiếp theo)»."""
    if entry.text("rule"):
        return None
    for opened in stack[:-1] if stack else ():
        name = re.sub(r"\s*\((?:tiep|tiep theo)\)$", "", fold(entry.name))
        if opened.printed_code == entry.printed_code and opened.children and fold(opened.name) == name:
            return opened
    return None


def _depth(entry: Entry, stack: list[Entry]) -> int:
    """How many open entries stay open over this one."""
    if entry.style == "word":
        return 1 if stack and (entry.text("rule")) else 0
    # 1.1.1 belongs under 1.1, or under 1 where 1.1 has no row.
    for length in range(len(entry.parts) - 1, 0, -1):
        for place, opened in enumerate(stack):
            if opened.parts == entry.parts[:length] and opened.style != "word":
                return place + 1
    for place, opened in enumerate(stack):
        if opened.style == entry.style and len(opened.parts) == len(entry.parts):
            return place
    # A numbering that begins here goes under what is open, unless that is a number of more parts.
    kept = 0
    for place, opened in enumerate(stack):
        if opened.style != entry.style or len(opened.parts) < len(entry.parts):
            kept = place + 1
    return kept


def _give_codes(entries: list[Entry]) -> None:
    """Codes: the numbers as printed; under their I, A, … where the numbering starts again below each of those."""

    def outer(entry: Entry) -> str:
        return ".".join(item.parts[0] for item in reversed(list(entry.ancestors())) if item.style != "number")

    homes: dict[tuple[str, ...], set[str]] = {}
    for entry in entries:
        if entry.style == "number":
            homes.setdefault(entry.parts, set()).add(outer(entry))
    starts_again = any(len(found) > 1 for found in homes.values())
    for entry in entries:
        prefix = outer(entry) if starts_again and entry.style == "number" else ""
        own = entry.printed_code.rstrip(".)")
        entry.code = (f"{prefix}.{own}" if prefix else own).replace("Đ", "D")
