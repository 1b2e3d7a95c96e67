"""Rules about numbers and codes: printed twice, skipped, or one library criterion picked twice."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from dti_pipeline.frameworks.lint.finding import Defect, of_criterion
from dti_pipeline.frameworks.model import Criterion, Level, Node

_DOTTED = re.compile(r"^(?:(?P<prefix>\d+(?:\.\d+)*)\.)?(?P<last>\d+)$")

Placed = tuple[Criterion, Defect]
"""A defect, and the criterion beside which it is told."""


def duplicate_codes(level: Level) -> Iterator[Placed]:
    """Printed numbers that stand twice in a level, told at the later row."""
    seen: dict[str, Criterion] = {}
    for criterion in level.criteria:
        codes = _printed_codes(criterion)
        for code in codes:
            first = seen.setdefault(code, criterion)
            if first is criterion and codes.count(code) == 1:
                continue
            what = (
                f"Số thứ tự {code} được in hai lần («{first.name}» và «{criterion.name}»); "
                f"ở đây tiêu chí sau mang mã {criterion.code}."
            )
            yield criterion, of_criterion(criterion, "warning", "duplicate-code", what, code)


def missing_codes(level: Level) -> Iterator[Placed]:
    """Numbers skipped at the top and under every node, told beside the criterion after the gap."""
    yield from _gaps(None, level.name, level.nodes, ())
    for node in level.all_nodes():
        yield from _gaps(node.code, node.name, node.nodes, node.criteria)


def duplicate_picks(level: Level) -> Iterator[Placed]:
    """Library criteria that a working annex picks twice in a level, told at the later pick."""
    seen: dict[str, Criterion] = {}
    for criterion in level.criteria:
        if criterion.library is None:
            continue
        first = seen.setdefault(criterion.library, criterion)
        if first is not criterion:
            what = (
                f"Tiêu chí «{criterion.library}» của thư viện được lấy hai lần trong cấp này: {first.code} và "
                f"{criterion.code}."
            )
            yield criterion, of_criterion(criterion, "warning", "duplicate-pick", what)


def _printed_codes(criterion: Criterion) -> tuple[str, ...]:
    return tuple(line.printed_code for line in criterion.lines) or (criterion.printed_code,)


def _gaps(parent: str | None, name: str, nodes: tuple[Node, ...], criteria: tuple[Criterion, ...]) -> Iterator[Placed]:
    """Numbers skipped directly under one node (None: the top)."""
    holders = [(code, criterion) for criterion in criteria for code in _printed_codes(criterion)]
    holders += [(node.code, criterion) for node in nodes for criterion in itertools.islice(node.all_criteria(), 1)]
    numbers = {_number_under(parent, code) for code in (*(code for code, _ in holders), *(node.code for node in nodes))}
    after = sorted(
        ((number, criterion) for code, criterion in holders if (number := _number_under(parent, code)) is not None),
        key=lambda item: item[0],
    )
    for gap in range(1, after[-1][0] if after else 1):
        if gap in numbers:
            continue
        criterion = next(criterion for number, criterion in after if number > gap)
        code = f"{parent}.{gap}" if parent else str(gap)
        what = f"Số thứ tự trong {f'{parent} ' if parent else ''}«{name}» không có {code}; ở đây giữ số như in."
        yield criterion, of_criterion(criterion, "warning", "missing-code", what, code)


def _number_under(parent: str | None, code: str) -> int | None:
    """The last number of a dotted code that continues its parent's: 2 for 5.3.2 under 5.3."""
    match = _DOTTED.match(code)
    return int(match["last"]) if match and match["prefix"] == parent else None
