"""What a ranked table has to say beneath itself: which rules touched it, who chose them, what is not final.

Here: words about policies, in Vietnamese, from `policies.yaml` and the framework's own notes. Not here: the rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dti_pipeline.datafiles import parse_yaml
from dti_pipeline.frameworks.model import Framework, InputMerging, Level, Merging
from dti_pipeline.scoring.states import CellState
from dti_pipeline.text import vi_decimal

if TYPE_CHECKING:
    from dti_pipeline.scoring.engine import LevelResult

_FILE = Path(__file__).with_name("policies.yaml")


Source = Literal["decision", "operator", "given", "nobody"]
"""`given`: the state came with handed-in points; `nobody`: the decision asks for it and nobody has chosen."""


@dataclass(frozen=True, slots=True)
class Told:
    """A rule that touched a table and whose rule it is."""

    policy: str
    value: str
    source: Source
    document: str | None = None
    """The paper that records an operator's choice."""


@cache
def policy_words() -> Mapping[str, Mapping[str, str]]:
    """Policy -> value -> what it means, for a reader."""
    words: Mapping[str, Mapping[str, str]] = parse_yaml(_FILE.read_text(encoding="utf-8"), _FILE.name)
    return words


def choice_needed(framework: Framework, level: str, policy: str, about: str) -> str:
    """What an operator is told when a case occurs that the decision does not rule: what to choose, and where."""
    happened = {
        "not_applicable": "không áp dụng",
        "excluded": "thuộc bí mật nhà nước",
        "not_appraised": "không được cấp thẩm định chấm",
    }[policy]
    options = "; ".join(f"«{value}»: {words}" for value, words in policy_words()[policy].items())
    return (
        f"{framework.id}, {level}: {about} {happened}, mà {framework.decision.number} không nói cách tính. "
        f"Hãy chọn {policy} trong mục choices của đợt đánh giá (hoặc --{policy.replace('_', '-')}): {options}."
    )


def footnotes(result: LevelResult, told: tuple[Told, ...], waiting: int = 0) -> tuple[str, ...]:
    """The notes beneath a ranked table, the most important first. `waiting`: cells whose papers await an answer."""
    framework, level = result.framework, result.level
    notes: list[str] = []
    if level.basis == "working":
        notes.append(f"{framework.working_words}.")
    notes += [_policy_note(framework, item) for item in told]
    if any(item.policy == "not_applicable" and item.value == "peer_mean" for item in told) and any(
        cell.state is CellState.NOT_APPLICABLE and cell.points is None for unit in result.units for cell in unit.cells
    ):
        notes.append(
            "Tiêu chí không áp dụng mà không đơn vị nào cùng cấp có điểm thì ra khỏi điểm tối đa; "
            "cả nhóm xếp hạng theo phần trăm của điểm tối đa áp dụng."
        )
    if any(len(unit.printed.partition(".")[2]) > framework.decimals for unit in result.units):
        notes.append(
            "Có điểm được in thêm chữ số, vì làm tròn sẽ che khuất điểm chính xác mà xếp loại hoặc thứ hạng dựa vào."
        )
    if level.classes is not None:
        notes.append(
            f"{level.classes.clause}: đơn vị đạt một mức khi mọi nhóm không nhỏ hơn điểm tối thiểu của mức đó, "
            "xét trên điểm chính xác; xếp theo mức trước, tổng điểm sau."
        )
    if (unranked := sum(unit.standing == "unranked" for unit in result.units)) and level.classes is not None:
        notes.append(f"{unranked} đơn vị dưới {level.classes.names[-1]} không xếp hạng.")
    if exempt := [unit for unit in result.units if unit.standing == "exempt"]:
        names = "; ".join(f"{unit.unit.name} ({unit.standing_reason})" for unit in exempt)
        notes.append(f"Không đánh giá trong kỳ này: {names}.")
    if provisional := sum(unit.is_provisional for unit in result.units):
        notes.append(f"Tạm tính: {provisional} đơn vị còn tiêu chí chưa có kết quả cuối cùng.")
    if waiting:
        notes.append(
            f"{waiting} tiêu chí chờ vì hồ sơ chưa kết luận được: chưa kiểm tra được chữ ký số, chờ thẩm định, hoặc "
            "quyết định không nói cách tính; lý do ghi ở từng tiêu chí."
        )
    if level.pools[0] == "province":
        notes.append("Hạng chính thức là hạng trong từng tỉnh; thứ tự chung các tỉnh chỉ để tham khảo.")
    if level.pools[0] == "parent":
        notes.append("Hạng chính thức là hạng trong từng địa bàn cấp trên; hạng toàn cấp để tham khảo bên cạnh.")
    notes.append(
        "Xếp hạng trên "
        + ("điểm công bố đã làm tròn" if framework.rank_on == "published" else "điểm chính xác, chưa làm tròn")
        + "; đồng điểm thì đồng hạng và bỏ số hạng kế tiếp (1, 2, 2, 4)."
    )
    return (*notes, *framework.notes, *level.notes)


def _policy_note(framework: Framework, told: Told) -> str:
    paper = f" (văn bản: {told.document})" if told.document else ""
    if told.policy == "ratings":
        if told.source == "operator":
            return f"Mức xếp loại do người vận hành chọn, vì quyết định không in mức: {told.value}{paper}."
        return "Quyết định yêu cầu xếp loại mà không in mức; đợt đánh giá chưa chọn mức nên bảng không có xếp loại."
    words = policy_words()[told.policy][told.value]
    if told.source == "operator":
        return (
            f"Lựa chọn của người vận hành, vì {framework.decision.number} không nói: {words}{paper} "
            f"[{told.policy}: {told.value}]."
        )
    if told.source == "given":
        return f"{framework.decision.number} không nói trường hợp này; trạng thái do người chấm ghi: {words}."
    clause = framework.clauses.get(told.policy)
    return f"Theo {framework.decision.number}{f', {clause}' if clause else ''}: {words}."


def merging_notes(framework: Framework, level: Level, own: Merging | None) -> tuple[str, ...]:
    """How inputs of a level that sources measure are merged where the assessment's own words depart from the decision.

    A note for every way of departing, with the inputs that it is for, in the level's order.
    """
    if own is None:
        return ()
    merging = framework.merging.under(own)
    found: dict[tuple[tuple[str, ...], str | None], list[str]] = {}
    bound = 0
    for criterion in level.criteria:
        for spec in criterion.inputs:
            if spec.binding is None:
                continue
            bound += 1
            said = merging.of(level.level, criterion.code, spec)
            words = tuple(_departures(said, framework.merging.of(level.level, criterion.code, spec)))
            if words:
                rules = (rule for rule in own.rules if rule.fits(level.level, criterion.code, spec))
                paper = next((rule.clause for rule in rules if rule.clause is not None), own.clause)
                found.setdefault((words, paper), []).append(f"{criterion.code} ({spec.name})")
    notes: list[str] = []
    for (words, paper), places in found.items():
        where = "mọi số liệu có nguồn tự động" if len(places) == bound else f"tiêu chí {', '.join(places)}"
        written = f" (văn bản: {paper})" if paper else ""
        notes.append(
            f"Đợt đánh giá tự quy định, khác với {framework.decision.number}: {'; '.join(words)}{written}. "
            f"Áp dụng cho {where}."
        )
    return tuple(notes)


def _departures(said: InputMerging, decision: InputMerging) -> Iterator[str]:
    if said.claim_first != decision.claim_first:
        first, second = "đơn vị báo cáo", "tự động"
        if not said.claim_first:
            first, second = second, first
        yield f"số liệu {first} được lấy trước số liệu {second}"
    if said.tolerance != decision.tolerance:
        relative, absolute = said.tolerance.relative * 100, said.tolerance.absolute
        allowed = [f"{vi_decimal(relative.normalize())} %"] if relative else []
        allowed += [vi_decimal(absolute.normalize())] if absolute else []
        told = f"không quá {' hoặc '.join(allowed)} được coi là khớp" if allowed else "bao nhiêu cũng được nêu"
        yield f"số báo cáo lệch {told}"
    if said.verify != decision.verify:
        taken = "không được lấy" if said.verify else "được lấy"
        yield f"khi không đọc được nguồn thì số báo cáo {taken}"
