"""«Cách tính điểm» in prose -> a formula, for the shapes that can be recognised without doubt.

Here: yes/no and graded answers, a ratio times the maximum, linear to a threshold, steps and tiers of a ratio, so much
for each up to a cap, and sums of such ratios written with the decision's letters. Every line of the rule, and every
line of the remark that speaks of points or ratios, must be understood; otherwise `read_rule` says why not and the
criterion is left to the appraiser. Not here: what the formula is worth, and readings of defects (a person's work).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from dti_pipeline.frameworks.annex.columns import fold
from dti_pipeline.scoring import formula as f


@dataclass(frozen=True, slots=True)
class ParsedRule:
    """A formula of the language with its inputs as plain data for `InputSpec`."""

    formula: str
    inputs: tuple[dict[str, Any], ...]
    require: tuple[str, ...] = ()


class NotUnderstood(ValueError):
    """Why a rule is not one of the shapes; Vietnamese, for the row's report."""


@dataclass(slots=True)
class _Ratio:
    """A ratio that the remark (or the title) defines: its expression and whether the text caps it at 1."""

    text: str
    is_capped: bool = False


@dataclass(slots=True)
class _Facts:
    """What the remark says: quantities by letter, and the one ratio."""

    labels: dict[str, str] = field(default_factory=dict)
    ratios: dict[str, _Ratio] = field(default_factory=dict)
    """Name of the ratio -> definition: `ty le`, or the letter that the remark gives it."""
    word_inputs: tuple[dict[str, Any], ...] = ()
    other: list[str] = field(default_factory=list)


MAX = "diem toi da"
MAX_LENGTH = 10_000
"""Characters of name, rule and remark together; the longest of Ninh Thuận has 998. Patterns are slow on far more."""
_NUMBER = r"\d+(?:,\d+)?"
_VALUE = (
    rf"(?:duoc |dat |tinh )*(?:(?P<full>{MAX})|(?P<part>\d+/\d+|{_NUMBER} ?%) (?:cua |\* ?)?{MAX}"
    rf"|(?P<points>{_NUMBER}) diem)"
)
_ANSWER = re.compile(rf"(?P<label>.+?) ?: ?{_VALUE}")
_ABSENT = re.compile(r"(?:khong|chua)\b.*: ?(?:duoc |dat )?0 diem")
_EACH = re.compile(
    rf"moi (?P<what>.+?) ?(?:duoc |tinh )*(?:=|:|la |duoc )? ?(?P<each>\d+/\d+|{_NUMBER}) diem,? ?"
    rf"(?:cho (?:den|toi)|toi da|khong qua|nhung khong qua)(?: la)? (?P<cap>{MAX}|{_NUMBER} diem)"
)
_QUANTITIES = re.compile(r"[<>≥≤]|\btu \d|\bduoi\b|\btren\b|\d ?%|\bmoi\b|toi da|\bhoac\b|\btong diem\b|\btro len\b")
_SPEAKS_OF_POINTS = re.compile(r"diem|ty le|ti le|truong hop|\bneu\b|khong tinh|goi la|[≥≤<>=%]|\bmoi\b|toi da")


def read_rule(name: str, rule: str, remark: str, max_points: Decimal) -> ParsedRule:
    """The formula of a rule. Raises NotUnderstood for anything that is not one of the shapes, wholly."""
    if len(name) + len(rule) + len(remark) > MAX_LENGTH:
        raise NotUnderstood("cách tính điểm quá dài")
    facts = _facts(remark)
    if not facts.ratios and not facts.labels:
        _ratio_of_title(name, facts)
    lines = _lines(rule)
    if not lines:
        raise NotUnderstood("cách tính điểm trống")
    if any(_SPEAKS_OF_POINTS.search(fold(line)) for line in facts.other):
        line = next(line for line in facts.other if _SPEAKS_OF_POINTS.search(fold(line)))
        raise NotUnderstood(f"Ghi chú có câu chưa hiểu: «{line[:80]}»")
    for shape in (_each, _answers, _threshold, _tiers, _expression):
        parsed = shape(name, lines, facts, max_points)
        if parsed is not None:
            _check(parsed, facts)
            return parsed
    raise NotUnderstood("cách tính điểm không thuộc dạng nào nhận ra được")


def _check(parsed: ParsedRule, facts: _Facts) -> None:
    names = {spec["name"] for spec in parsed.inputs}
    try:
        expression = f.parse(parsed.formula, names)
        for text in parsed.require:
            f.parse_requirement(text, names)
    except f.FormulaError:
        raise NotUnderstood("công thức đọc ra không hợp lệ") from None
    if unused := [letter for letter in facts.labels if letter not in f.input_names(expression)]:
        # «Có/Không» beside a defined ratio: the text says two things, and a person has to choose.
        raise NotUnderstood(f"Ghi chú định nghĩa {', '.join(unused)} nhưng cách tính điểm không dùng")
    if facts.word_inputs and not {spec["name"] for spec in facts.word_inputs} <= set(f.input_names(expression)):
        raise NotUnderstood("tỷ lệ được định nghĩa nhưng cách tính điểm không dùng")


# --- lines ---


def _lines(text: str) -> list[str]:
    """Statements of a text without bullets and final marks; a semicolon ends one just as a new line does."""
    found = []
    for line in re.split(r"\n|;\s*", text):
        line = re.sub(r"^['\s]*[-+•–*]\s*", "", line.strip()).rstrip(" .;,")
        if line:
            found.append(line)
    return found


def _plain(line: str) -> str:
    """Folded, signs in one spelling, no spaces around them."""
    folded = fold(line).replace("ti le", "ty le").replace("×", "*").replace(":", ": ")
    folded = re.sub(r">\s*=", "≥", re.sub(r"<\s*=", "≤", folded))
    return re.sub(r"\s+", " ", folded).strip()


# --- definitions in the remark ---

_CALLED = re.compile(r"(?P<label>.+?)\s*\(?\s*gọi là:?\s*(?P<letter>[a-z])\s*\)?", re.IGNORECASE)
_LETTER_FIRST = re.compile(r"(?:\d+\.\s*)?(?P<letter>[a-z])\s*=\s*(?P<label>[^=]{6,})")
_LETTER_LAST = re.compile(r"(?P<label>[^=]{6,}?)\s*=\s*(?P<letter>[a-z])(?P<more>\s*\(\d[^)=]*\))?")
_RATIO = re.compile(
    r"(?:tinh )?ty le(?P<of>[^=:]*?)(?: ?= ?| la:? ?| la: ?)(?:(?P<name>[a-z]) ?= ?)?"
    r"(?P<body>[-+*/() a-z]+?)(?: ?\* ?100 ?%?)?"
    r"(?P<cap> ?\(truong hop (?P<big>[a-z]) ?> ?(?P<small>[a-z]) thi lay ty le ?= ?1\))?"
)
_WORD_RATIO = re.compile(r"(?:tỷ|tỉ) lệ[^=]*=\s*(?P<body>[^=]+)", re.IGNORECASE)
_LETTERS_ONLY = re.compile(r"[a-z]|[-+*/() ]")


def _facts(remark: str) -> _Facts:
    facts = _Facts()
    for line in _lines(remark):
        if (found := _CALLED.fullmatch(line)) and not fold(line).startswith("ty le"):
            _define(facts, found["letter"], found["label"])
            continue
        plain = _plain(line)
        ratio = _RATIO.fullmatch(plain)
        if ratio and _is_letters(ratio["body"]):
            _define_ratio(facts, ratio)
            continue
        if found := _WORD_RATIO.fullmatch(line):
            _word_ratio(facts, found["body"], line)
            continue
        if found := _LETTER_FIRST.fullmatch(line):
            _define(facts, found["letter"], found["label"])
        elif found := _LETTER_LAST.fullmatch(line):
            _define(facts, found["letter"], found["label"] + (found["more"] or ""))
        else:
            facts.other.append(line)
    return facts


def _is_letters(body: str) -> bool:
    return all(len(word) == 1 for word in re.findall(r"[a-z]+", body)) and "/" in body


def _define(facts: _Facts, letter: str, label: str) -> None:
    letter = letter.lower()
    if letter in facts.labels:
        raise NotUnderstood(f"Ghi chú định nghĩa {letter} hai lần")
    label = re.sub(r"^[Tt]h[ốô]ng kê\s+", "", label.strip().rstrip("(").strip())
    facts.labels[letter] = label[:1].upper() + label[1:]


def _define_ratio(facts: _Facts, ratio: re.Match[str]) -> None:
    body = re.sub(r"\s+", "", ratio["body"])
    top, bottom = _fraction(body)
    is_capped = ratio["cap"] is not None
    if is_capped and (ratio["big"], ratio["small"]) != (top, bottom):
        raise NotUnderstood("điều kiện giới hạn tỷ lệ không khớp với tỷ lệ")
    name = ratio["name"] or "ty le"
    if name in facts.ratios:
        raise NotUnderstood("Ghi chú định nghĩa hai tỷ lệ")
    facts.ratios[name] = _Ratio(f"{_bracket(top)} / {_bracket(bottom)}", is_capped)


def _fraction(body: str) -> tuple[str, str]:
    """Numerator and denominator of `b/a` or `(b+d)/(a+c)`."""
    found = re.fullmatch(r"\(?([a-z]|\([a-z](?:\+[a-z])+\))/([a-z]|\([a-z](?:\+[a-z])+\))\)?", body)
    if found is None:
        raise NotUnderstood(f"tỷ lệ «{body}» không phải một phân số đơn giản")
    return found[1].strip("()"), found[2].strip("()")


def _bracket(text: str) -> str:
    return f"({' + '.join(text.split('+'))})" if "+" in text else text


_PART = re.compile(r"(?:tổng số lượng|tổng số|số lượng|số|tổng)\s+", re.IGNORECASE)


def _word_ratio(facts: _Facts, body: str, line: str) -> None:
    """«tổng số … / tổng số …»: two quantities of one kind; two kinds (visits by inhabitants) can exceed 1, so no."""
    cut = [found.start() for found in re.finditer(r"/\s*(?=(?:tổng|số)\s)", body, re.IGNORECASE)]
    body = body.strip()
    if len(cut) != 1 or facts.ratios:
        facts.other.append(line)
        return
    parts = [body[: cut[0]].strip(), body[cut[0] + 1 :].strip()]
    _ratio_of_words(facts, parts[0], parts[1], line)


def _ratio_of_words(facts: _Facts, part: str, whole: str, line: str) -> None:
    subjects = []
    for text in (part, whole):
        found = _PART.match(text)
        if found is None:
            facts.other.append(line)
            return
        subjects.append(fold(text[found.end() :]).split()[0:1])
    if subjects[0] != subjects[1]:
        raise NotUnderstood("tử số và mẫu số của tỷ lệ khác loại, tỷ lệ có thể vượt 1 mà văn bản không nói")
    facts.word_inputs = tuple(
        {"name": name, "label": text[:1].upper() + text[1:], "kind": _kind(text)}
        for name, text in (("part", part), ("whole", whole))
    )
    facts.ratios["ty le"] = _Ratio("part / whole")


def _ratio_of_title(name: str, facts: _Facts) -> None:
    """A title that is itself a ratio: «Tổng chi cho CNTT/tổng chi NSNN …»."""
    found = re.fullmatch(r"(tổng [^/]+)/\s*(tổng [^/]+)", name.strip(), re.IGNORECASE)
    if found:
        _ratio_of_words(facts, found[1].strip(), found[2].strip(), name)


def _kind(label: str) -> str:
    return "count" if re.match(r"(?:tong )?so\b", fold(label)) else "number"


# --- shapes ---


def _quantity(text: str) -> Fraction:
    return Fraction(text.replace(",", ".").replace(" ", ""))


def _value(found: re.Match[str], max_points: Decimal) -> tuple[str, Fraction]:
    """Points of an answer as formula text and as a number."""
    full = Fraction(max_points)
    if found["full"]:
        return "max", full
    if found["part"]:
        part = found["part"].replace(" ", "")
        share = _quantity(part.removesuffix("%")) / (100 if part.endswith("%") else 1)
        return f"max * {share.numerator} / {share.denominator}", full * share
    points = _quantity(found["points"])
    if points == full:
        return "max", full
    return _number(points), points


def _each(name: str, lines: list[str], facts: _Facts, max_points: Decimal) -> ParsedRule | None:
    """«Mỗi … 0,2 điểm, cho đến điểm tối đa», with or without «Không có: 0 điểm»."""
    plain = [_plain(line) for line in lines]
    each = [(line, found) for line, text in zip(lines, plain, strict=True) if (found := _EACH.fullmatch(text))]
    if len(each) != 1 or any(not _ABSENT.fullmatch(text) for text in plain if not _EACH.fullmatch(text)):
        return None
    line, found = each[0]
    worth = _quantity(found["each"])
    most = Fraction(max_points) if found["cap"] == MAX else _quantity(found["cap"].removesuffix(" diem"))
    if most > Fraction(max_points):
        raise NotUnderstood("mức trần của «mỗi …» lớn hơn điểm tối đa")
    cap = "max" if most == Fraction(max_points) else _number(most)
    what = re.sub(r"^[Mm]ỗi\s+", "", line)[: len(found["what"])].strip()
    items = "items" if worth == 1 else f"items * {_number(worth)}"
    return ParsedRule(f"min({items}, {cap})", ({"name": "items", "label": f"Số {what}", "kind": "count"},))


def _number(value: Fraction) -> str:
    """A fraction in the formula language: a decimal where it is one, else a quotient in brackets."""
    scaled = value * 1_000_000
    if scaled.denominator == 1:
        return f"{(Decimal(scaled.numerator) / 1_000_000).normalize():f}"
    return f"({value.numerator} / {value.denominator})"


def _answers(name: str, lines: list[str], facts: _Facts, max_points: Decimal) -> ParsedRule | None:
    """Answers that exclude each other: one is worth the maximum and one nothing."""
    answers = []
    for line in lines:
        found = _ANSWER.fullmatch(_plain(line))
        if found is None or _QUANTITIES.search(found["label"]):
            return None
        answers.append((_label(line), *_value(found, max_points)))
    points = [worth for _, _, worth in answers]
    # Without a full mark the lines may be parts that add up; without a 0 a case is missing.
    if not 2 <= len(points) <= 8 or points.count(Fraction(max_points)) != 1 or points.count(Fraction(0)) != 1:
        return None
    if points != sorted(points, reverse=True):
        return None
    names = ["yes", "no"] if len(points) == 2 else [f"o{number}" for number in range(1, len(points) + 1)]
    worths = ", ".join(f"{key}={text}" for key, (_, text, _) in zip(names, answers, strict=True))
    options = tuple({"value": key, "label": label} for key, (label, _, _) in zip(names, answers, strict=True))
    return ParsedRule(
        f"option(answer, {worths})", ({"name": "answer", "label": name, "kind": "option", "options": options},)
    )


def _label(line: str) -> str:
    """What stands before the last colon."""
    return line[: line.rindex(":")].strip()


_LEAD = re.compile(r".*(?:nhu sau|neu ty le nay dat|neu x): ?|(?:nhu sau|neu ty le nay dat|neu [a-z]): ?")
_AT_LEAST = rf"(?:≥ ?|tu )(?P<least>{_NUMBER}) ?%"
_BELOW = rf"(?:< ?|duoi )(?P<below>{_NUMBER}) ?%"
_FULL_FROM = re.compile(rf"(?:ty le [^≥<%:]*?)?{_AT_LEAST}(?: tro len)?(?: ty le [^%:]*)?(?: dat)? ?: ?(?:{MAX})")
_LINEAR_BELOW = re.compile(
    rf"(?:ty le [^≥<%:]*?)?{_BELOW}(?: ty le [^%:]*)?(?: dat)? ?: ?(?:diem ?= ?)?(?P<body>[-+*/(),%. a-z0-9]+?)"
)


def _statements(lines: list[str]) -> list[str]:
    return [text for line in lines if not _LEAD.fullmatch(text := _plain(line))]


def _threshold(name: str, lines: list[str], facts: _Facts, max_points: Decimal) -> ParsedRule | None:
    """«Tỷ lệ ≥ 80%: điểm tối đa; < 80%: Tỷ lệ/80% × điểm tối đa», in any order of its factors."""
    texts = _statements(lines)
    if len(texts) != 2:
        return None
    full, below = _FULL_FROM.fullmatch(texts[0]), _LINEAR_BELOW.fullmatch(texts[1])
    if full is None or below is None or _quantity(full["least"]) != _quantity(below["below"]):
        return None
    share = re.escape(below["below"])
    ratio = f"(?:{'|'.join({name.replace(' ', '') for name in ('ty le', *facts.ratios)})})"
    body = below["body"].replace(" ", "")
    most = MAX.replace(" ", "")
    forms = (
        rf"\(?{ratio}/{share}%\)?\*{most}",
        rf"{most}\*\(?{ratio}/{share}%\)?",
        rf"{ratio}\*{most}/{share}%",
    )
    if not any(re.fullmatch(form, body) for form in forms):
        return None
    return _with_ratio(facts, lambda text: f"linear({text}, to={_number(_quantity(full['least']) / 100)}) * max")


def _with_ratio(facts: _Facts, formula: Callable[[str], str]) -> ParsedRule:
    """A formula on the one defined ratio, with its inputs and the condition that the part is within the whole."""
    if len(facts.ratios) != 1:
        raise NotUnderstood("tỷ lệ không được định nghĩa" if not facts.ratios else "có nhiều tỷ lệ")
    ratio = next(iter(facts.ratios.values()))
    text = f"min({ratio.text}, 1)" if ratio.is_capped else ratio.text
    inputs = facts.word_inputs or _inputs(ratio.text, facts)
    top, _, bottom = ratio.text.partition(" / ")
    if not ratio.is_capped:
        inputs = _with_parts(inputs, [top], bottom)
    require = () if ratio.is_capped else (f"{top.strip('()')} <= {bottom.strip('()')}",)
    return ParsedRule(formula(text), inputs, require)


def _with_parts(inputs: tuple[dict[str, Any], ...], parts: list[str], whole: str) -> tuple[dict[str, Any], ...]:
    """Inputs marked as part of another by the decision's own words: «số xã có …» is of «số xã»."""

    def subject(name: str) -> str:
        label = next((spec["label"] for spec in inputs if spec["name"] == name), "")
        return re.sub(r"^(?:tong so luong|tong so|so luong|so|tong)\s+", "", fold(label))

    return tuple(
        spec | {"part_of": whole}
        if spec["name"] in parts and subject(whole) and subject(spec["name"]).startswith(subject(whole) + " ")
        else spec
        for spec in inputs
    )


def _inputs(text: str, facts: _Facts) -> tuple[dict[str, Any], ...]:
    letters = list(dict.fromkeys(re.findall(r"\b[a-z]\b", text)))
    if missing := [letter for letter in letters if letter not in facts.labels]:
        raise NotUnderstood(f"không thấy định nghĩa của {', '.join(missing)}")
    return tuple(
        {"name": letter, "label": facts.labels[letter], "kind": _kind(facts.labels[letter])}
        for letter in sorted(letters)
    )


_TIER = re.compile(
    rf"(?:ty le [^≥≤<>%:]*?)?"
    rf"(?:(?P<both>(?:tu |≥ ?)(?P<low>{_NUMBER}) ?% (?:den duoi |den < ?|va < ?)(?P<high>{_NUMBER}) ?%)"
    rf"|{_AT_LEAST}(?: tro len)?|{_BELOW})(?: dat| thi dat| thi)? ?: ?{_VALUE}"
)


def _tiers(name: str, lines: list[str], facts: _Facts, max_points: Decimal) -> ParsedRule | None:
    """Steps of a ratio that cover everything once: «≥ 90%: …; từ 70% đến dưới 90%: 5 điểm; dưới 70%: 0 điểm»."""
    bands: list[tuple[Fraction, Fraction | None, str, Fraction]] = []
    for text in _statements(lines):
        found = _TIER.fullmatch(text)
        if found is None:
            return None
        worth_text, worth = _value(found, max_points)
        if found["both"]:
            bands.append((_quantity(found["low"]) / 100, _quantity(found["high"]) / 100, worth_text, worth))
        elif found["least"]:
            bands.append((_quantity(found["least"]) / 100, None, worth_text, worth))
        else:
            bands.append((Fraction(0), _quantity(found["below"]) / 100, worth_text, worth))
    bands.sort(key=lambda band: band[0])
    if len(bands) < 2 or bands[0][0] != 0 or bands[-1][1] is not None:
        return None
    if any(upper[0] != lower[1] for lower, upper in itertools.pairwise(bands)):
        raise NotUnderstood("các mức của tỷ lệ chồng nhau hoặc hở")
    worths = [worth for *_, worth in bands]
    if worths != sorted(worths) or worths[-1] > Fraction(max_points):
        raise NotUnderstood("mức cao hơn của tỷ lệ lại được ít điểm hơn, hoặc quá điểm tối đa")
    arms = []
    for low, high, text, _ in reversed(bands):
        if high is None:
            arms.append(f"atleast({_number(low)}, {text})")
        elif low == 0:
            arms.append(f"below({_number(high)}, {text})")
        else:
            arms.append(f"between({_number(low)}, {_number(high)}, {text})")
    return _with_ratio(facts, lambda text: f"tier({text}, {', '.join(arms)})")


def _expression(name: str, lines: list[str], facts: _Facts, max_points: Decimal) -> ParsedRule | None:
    """«Điểm = Tỷ lệ * Điểm tối đa», «Điểm = (b/a) * Điểm tối đa * 1/2 + (c/a) * Điểm tối đa»."""
    texts = _statements(lines)
    if len(texts) != 1 or not (found := re.fullmatch(r"(?:diem ?= ?)?([^:=]+)", texts[0])):
        return None
    body = found[1].replace(" ", "")
    most, ratio = MAX.replace(" ", ""), "tyle"
    if body in (f"{ratio}*{most}", f"{most}*{ratio}"):
        return _with_ratio(facts, lambda text: f"{text} * max")
    term = rf"\(?[a-z]/[a-z]\)?\*{most}(?:\*\d/\d)?|{most}\*\(?[a-z]/[a-z]\)?(?:\*\d/\d)?"
    if facts.ratios or not re.fullmatch(rf"(?:{term})(?:\+(?:{term}))*", body):
        return None
    parts, weights, bottoms = [], Fraction(0), set()
    for item in body.split("+"):
        pair = re.search(r"([a-z])/([a-z])(?![a-z])", item.replace(most, "M"))
        if pair is None:
            return None
        factor = re.search(r"\*(\d)/(\d)$", item)
        weights += Fraction(int(factor[1]), int(factor[2])) if factor and factor[2] != "0" else 1
        parts.append(f"{pair[1]} / {pair[2]} * max" + (f" * {factor[1]} / {factor[2]}" if factor else ""))
        bottoms.add(pair[2])
    if len(bottoms) != 1:
        return None
    tops = [part[0] for part in parts]
    inputs = _inputs(" ".join([*tops, *bottoms]), facts)
    if weights < 1:
        return None
    # Together the parts can be worth more than the maximum, so they are parts of one whole that exclude each other.
    whole = bottoms.pop()
    return ParsedRule(" + ".join(parts), _with_parts(inputs, tops, whole), (f"{' + '.join(tops)} <= {whole}",))


def manual_rule(name: str) -> ParsedRule:
    """What a criterion gets whose rule is not understood: the points themselves, given by the appraiser."""
    return ParsedRule("points", ({"name": "points", "label": f"Điểm thẩm định: {name}"[:300], "kind": "number"},))
