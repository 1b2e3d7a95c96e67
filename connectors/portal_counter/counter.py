"""From the HTML of a page to its cumulative visit counter, or to why there is none.

Here: labels and numbers on the page, which number belongs to which label, which label is the cumulative total. Not
here: whether the answer is the portal's page at all and observations (`connector.py`), the labels (`labels.yaml`).

A number belongs to a label where the page's own structure says so: they share the innermost element that holds a label
and a number, one after the other. Where that leaves a choice there is no figure: a wrong total would look like a reset.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Literal

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PreformattedString
from pydantic import RootModel

from dti_pipeline.datafiles import DataFileError, read_model

Kind = Literal["cumulative", "visits", "total", "today", "period", "online", "filler"]

_UNSEEN = frozenset({"script", "style", "noscript", "template", "head", "title", "option", "textarea"})
_CELLS = frozenset({"td", "th", "dd"})
"""Neighbouring cells of single digits are figures of their own, not the digits of one."""
_FEWEST_DIGITS = 3

# Dates, times, telephone numbers, percentages, versions: figures of something else.
_OTHER_FIGURE = r"\d+(?:\s*[/:\-–]\s*\d+)+|\d[\d.,]*\s*%|\w*[^\W\d]\w*\d\w*|\d+[^\W\d]\w*"
_PIECES = re.compile(rf"(?P<other>{_OTHER_FIGURE})|(?P<number>\d[\d.,]*\d|\d)")
_NUMBER = re.compile(r"\d+|\d{1,3}(?:\.\d{3})+|\d{1,3}(?:,\d{3})+")
_PARTS = re.compile(r"[:：|•·;\n()\[\]]+")
_DIGIT_FILE = re.compile(r"(?:^|[^0-9])([0-9])\.(?:gif|png|jpe?g|svg|webp)$")


class _Labels(RootModel[dict[Kind, tuple[str, ...]]]):
    pass


@cache
def labels() -> dict[str, Kind]:
    """Label as it is compared -> what it names. Raises DataFileError for one that stands in two places."""
    path = Path(__file__).with_name("labels.yaml")
    found: dict[str, Kind] = {}
    for kind, texts in read_model(path, _Labels).root.items():
        for text in texts:
            if found.setdefault(folded(text), kind) != kind:
                raise DataFileError(f"{path.name}: «{text}» stands under {found[folded(text)]} and under {kind}")
    return found


def folded(text: str) -> str:
    """A label for comparing: lower case, without marks, punctuation or doubling («Khách Khách» is «khach»)."""
    plain = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    words = re.findall(r"[^\W_]+", "".join(sign for sign in plain if not unicodedata.combining(sign)))
    half = len(words) // 2
    return " ".join(words[:half] if len(words) % 2 == 0 and words[:half] == words[half:] else words)


@dataclass(frozen=True, slots=True)
class Token:
    """A label, a number or other text, and the element that it stands in."""

    what: Literal["label", "number", "text"]
    text: str
    holder: Tag
    kind: Kind | None = None

    @property
    def value(self) -> Decimal | None:
        """None for text, and for a number in no spelling that we know."""
        if self.what != "number" or not _NUMBER.fullmatch(self.text):
            return None
        return Decimal(self.text.replace(".", "").replace(",", ""))


@dataclass(frozen=True, slots=True)
class Pair:
    """A label with its number."""

    label: Token
    number: Token

    @property
    def kind(self) -> Kind | None:
        return self.label.kind

    @property
    def value(self) -> Decimal | None:
        return self.number.value


@dataclass(frozen=True, slots=True)
class Counter:
    """What a page's counter says. `total` is None where it cannot be had; `reason` then says why, for the operator."""

    total: Decimal | None
    locator: str
    """CSS path of the number's element; of the label's, or `html`, where there is no number."""
    reason: str | None = None
    today: Decimal | None = None


def read_counter(soup: BeautifulSoup) -> Counter:
    """The cumulative counter of a page. Raises DataFileError for a defect of the labels' own file."""
    tokens = list(_tokens(soup))
    order = {id(token): place for place, token in enumerate(tokens)}
    pairs = sorted(_pairs(soup, tokens), key=lambda pair: order[id(pair.label)])
    chosen = _chosen(pairs)
    today = max((pair.value for pair in pairs if pair.kind == "today" and pair.value is not None), default=None)
    if not chosen:
        return _absent(tokens)
    first = chosen[0]
    at = css_path(first.number.holder)
    if first.value is None or any(pair.value is None for pair in chosen):
        wrong = next(pair for pair in chosen if pair.value is None)
        return Counter(None, css_path(wrong.number.holder), f"không đọc được số «{wrong.number.text}» của bộ đếm")
    if len(values := {pair.value for pair in chosen}) > 1:
        shown = ", ".join(f"{value:f}" for value in sorted(value for value in values if value is not None))
        return Counter(None, at, f"trang có nhiều số tổng khác nhau ({shown}), không biết số nào là tổng lượt truy cập")
    parts = [pair.value for pair in pairs if pair.kind in ("today", "period") and pair.value is not None]
    if first.value < max(parts, default=Decimal(0)):
        return Counter(None, at, f"số tổng {first.value:f} nhỏ hơn số của một kỳ trên cùng trang ({max(parts):f})")
    if first.value == 0 and soup.find("script") is not None:
        return Counter(None, at, "bộ đếm ghi 0 trong HTML của một trang có script: số thật được chèn sau khi tải trang")
    return Counter(first.value, at, today=today)


def _chosen(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs that name the cumulative total, by the plainest words on the page; `pairs` in the page's order."""
    for kind in ("cumulative", "total", "visits"):
        found = [pair for pair in pairs if pair.kind == kind and (kind != "total" or _is_of_visits(pair, pairs))]
        if found:
            return found
    return []


def _is_of_visits(pair: Pair, pairs: Sequence[Pair]) -> bool:
    """Whether the figures nearest to a bare «Tổng» are of days and months. Beside people online it is their total;
    where both are as near, it belongs to the one that it follows."""
    at = next(place for place, other in enumerate(pairs) if other is pair)
    for ancestor in (pair.number.holder, *pair.number.holder.parents):
        near = [
            (place, other.kind)
            for place, other in enumerate(pairs)
            if place != at and other.kind != "total" and _holds(ancestor, other.number.holder)
        ]
        if near:
            days = [(place, kind != "online") for place, kind in near if kind in ("today", "period", "online")]
            before = [is_of_days for place, is_of_days in days if place < at]
            return (before[-1] if before else days[0][1]) if days else False
    return False


def _holds(ancestor: Tag, holder: Tag) -> bool:
    return holder is ancestor or any(parent is ancestor for parent in holder.parents)


def _absent(tokens: Sequence[Token]) -> Counter:
    named = next((token for kind in ("cumulative", "visits", "total") for token in tokens if token.kind == kind), None)
    if named is None:
        return Counter(None, "html", "HTML của trang không có nhãn tổng lượt truy cập nào đã biết")
    return Counter(
        None,
        css_path(named.holder),
        f"có nhãn «{named.text}» nhưng không có số nào chắc chắn là của nó trong HTML: bộ đếm chèn bằng script "
        "sau khi tải trang, hoặc cách trình bày chưa biết",
    )


# --- labels and numbers of a page ---


def _tokens(soup: BeautifulSoup) -> Iterator[Token]:
    hidden: set[int] = set()
    for node in soup.descendants:
        if isinstance(node, Tag):
            if node.name in _UNSEEN or id(node.parent) in hidden:
                hidden.add(id(node))
            elif node.name == "img":
                yield from _of_text(_image_text(node), node)
        elif (
            isinstance(node, NavigableString)
            and not isinstance(node, PreformattedString)  # comments, doctypes
            and node.parent is not None
            and id(node.parent) not in hidden
        ):
            yield from _of_text(str(node), node.parent)


def _image_text(image: Tag) -> str:
    """What a picture says: its alternative text, or the digit that its file is named after."""
    if alternative := str(image.get("alt") or "").strip():
        return alternative
    digit = _DIGIT_FILE.search(str(image.get("src") or "").partition("?")[0])
    return digit[1] if digit else ""


def _of_text(text: str, holder: Tag) -> Iterator[Token]:
    """What one text on the page holds. Numbers in prose («© 2026 Bản quyền…») are no counter's: only with a label."""
    tokens: list[Token] = []
    at = 0
    for found in _PIECES.finditer(text):
        tokens += _words(text[at : found.start()], holder)
        tokens.append(Token("number" if found["number"] else "text", found[0], holder))
        at = found.end()
    tokens += _words(text[at:], holder)
    said = {token.what for token in tokens}
    if "text" in said and "label" not in said:
        yield Token("text", text.strip(), holder)
    else:
        yield from tokens


def _words(text: str, holder: Tag) -> Iterator[Token]:
    for part in _PARTS.split(text):
        key = folded(part)
        kind = labels().get(key)
        if kind is not None and kind != "filler":
            yield Token("label", " ".join(part.split()), holder, kind)
        elif kind is None and part.strip(" \t\r\n\xa0.,»«›>→"):
            yield Token("text", part.strip(), holder)


# --- which number belongs to which label ---


def _pairs(element: Tag, tokens: Sequence[Token]) -> Iterator[Pair]:
    """The pairs within an element, whose tokens are given: of children that hold both kinds first, then of what is left
    between such children."""
    waiting: list[tuple[Tag, Sequence[Token]]] = [(element, tokens)]
    while waiting:
        inside, given = waiting.pop()
        left: list[Token] = []
        for child, group in groupby(given, key=_child_of(inside)):
            members = list(group)
            if child is not None and {"label", "number"} <= {token.what for token in members}:
                yield from _in_a_row(left)
                left = []
                waiting.append((child, members))
            else:
                left += members
        yield from _in_a_row(left)


def _child_of(element: Tag) -> Callable[[Token], Tag | None]:
    """For a token, the child of `element` that it stands in; None where it stands in the element itself."""

    def child(token: Token) -> Tag | None:
        below = token.holder
        if below is element:
            return None
        for parent in below.parents:
            if parent is element:
                return below
            below = parent
        return None

    return child


def _in_a_row(tokens: Iterable[Token]) -> Iterator[Pair]:
    for is_text, group in groupby(tokens, key=lambda token: token.what == "text"):
        if not is_text:
            yield from _matched(list(group))


def _matched(tokens: list[Token]) -> Iterator[Pair]:
    """Pairs among labels and numbers with nothing else between them; none where the order leaves a choice."""
    runs: list[list[Token]] = []
    for what, group in groupby(tokens, key=lambda token: token.what):
        run = list(group)
        if what == "label":
            run = [next(same) for _, same in groupby(run, key=lambda token: folded(token.text))]
        else:
            run = _with_digits_joined(run, len(runs[-1]) if runs else 0)
        runs.append(run)
    if runs and runs[0][0].what == "number":
        runs = [run for pair in zip(runs[1::2], runs[::2], strict=False) for run in pair] if len(runs) % 2 == 0 else []
    for names, numbers in zip(runs[::2], runs[1::2], strict=False):
        if len(numbers) == len(names):
            yield from (Pair(name, number) for name, number in zip(names, numbers, strict=True))
        elif len(numbers) == 1 and not _are_alike(names[0].holder, names[-1].holder):
            yield Pair(names[-1], numbers[0])  # the labels before it are headings


def _with_digits_joined(numbers: list[Token], before: int) -> list[Token]:
    """Digits that each stand in a box of their own, as the number that they show; `before`: labels before them."""
    is_boxes = (
        len(numbers) >= _FEWEST_DIGITS
        and len(numbers) != before
        and all(len(number.text) == 1 for number in numbers)
        and all(_are_alike(numbers[0].holder, number.holder) for number in numbers[1:])
        and numbers[0].holder.name not in _CELLS
    )
    if not is_boxes:
        return numbers
    box = numbers[0].holder
    return [Token("number", "".join(number.text for number in numbers), box.parent or box)]


def _are_alike(one: Tag, other: Tag) -> bool:
    """Whether two elements are neighbours of one make: boxes of a row, cells of a line, or wrapped in such."""
    if one is other or one.name != other.name:
        return False
    if one.parent is other.parent:
        return True
    return (
        one.parent is not None
        and other.parent is not None
        and one.parent.name == other.parent.name
        and one.parent.parent is other.parent.parent
    )


# --- where ---


def css_path(element: Tag) -> str:
    """A CSS path that names this element and no other."""
    steps: list[str] = []
    for node in (element, *element.parents):
        if isinstance(node, BeautifulSoup) or node.parent is None:
            break
        same = list(node.parent.find_all(node.name, recursive=False))
        place = next(number for number, sibling in enumerate(same, start=1) if sibling is node)
        steps.append(node.name if len(same) == 1 else f"{node.name}:nth-of-type({place})")
    return " > ".join(reversed(steps)) or "html"
