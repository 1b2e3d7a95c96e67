"""Phú Thọ's classes (QĐ 1609/QĐ-UBND, Điều 7): the three printed tables of minima, group by group, on exact totals."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Literal

import pytest
from ranking_cases import NA, a_decision, by_code, ranked, ranks, unit
from scoring_cases import criterion

from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import ClassMinima, Framework, Level, Node, Stated
from dti_pipeline.scoring.engine import Choices, Rulings, UnitRef
from dti_pipeline.scoring.ranking import ChoiceNeeded, class_of

Name = Literal["department", "district", "commune"]

GROUPS = {
    "ha-tang": "Cơ sở hạ tầng thông tin",
    "nhan-luc": "Nhân lực CNTT",
    "chinh-sach": "Môi trường chính sách",
    "hien-dien": "Mức độ hiện diện",
    "tuong-tac": "Mức độ tương tác",
    "giao-dich": "Mức độ giao dịch",
    "chuyen-doi": "Mức độ chuyển đổi",
}
CLASSES = ("Mức I", "Mức II", "Mức III", "Mức IV")
MAXIMA: dict[Name, str] = {
    "department": "28 10 12 18 52 20 10",
    "district": "30 12 8 40 35 20 5",
    "commune": "20 5 5 27 18 10 5",
}
# As printed, one row per group, one column per class.
MINIMA: dict[Name, str] = {
    "department": """25.2 22.4 21 19.6
                     9.0 8.0 7.5 7.0
                     10.8 9.6 9.0 8.4
                     16.2 16.2 15.3 14.4
                     46.8 44.2 41.6 36.4
                     18.0 16.0 15.0 14.0
                     9.0 5.0 0.0 0.0""",
    "district": """27.0 24.0 22.5 21.0
                   10.8 9.6 9.0 8.4
                   7.2 6.4 6.0 5.6
                   36.0 36.0 34.0 32.0
                   31.5 29.75 28.0 24.5
                   18.0 16.0 15.0 14.0
                   4.5 2.5 0.0 0.0""",
    "commune": """18.0 16.0 15.0 14.0
                  4.5 4.0 3.75 3.5
                  4.5 4.0 3.75 3.5
                  24.3 24.3 21.6 18.9
                  16.2 15.3 14.4 12.6
                  9.0 8.0 7.5 7.0
                  4.5 2.5 0.0 0.0""",
}


def printed_minima(name: Name) -> dict[str, tuple[Decimal, ...]]:
    rows = [tuple(Decimal(text) for text in line.split()) for line in MINIMA[name].splitlines()]
    return dict(zip(GROUPS, rows, strict=True))


def a_class_level(name: Name, is_unranked_below: bool = True) -> Level:
    """Two pillars; a criterion per group, except that the first group has two."""
    points = {"names": ("points",), "kinds": {"points": "number"}}
    nodes = []
    for code, worth in zip(GROUPS, MAXIMA[name].split(), strict=True):
        parts = ["20", f"{Decimal(worth) - 20}"] if code == "ha-tang" and name != "commune" else [worth]
        rules = tuple(criterion(f"{code}.{n}", "points", part, **points) for n, part in enumerate(parts, start=1))
        nodes.append(Node(code=code, kind="group", name=GROUPS[code], criteria=rules))
    return Level(
        level=name, name="Cấp thử", basis="decision", stated=Stated(nodes={"pillar": 2, "group": 7}),
        classes=ClassMinima(
            names=CLASSES, minima=printed_minima(name), clause="Điều 7.2", is_unranked_below=is_unranked_below
        ),
        nodes=(
            Node(code="san-sang", kind="pillar", name="Điều kiện sẵn sàng", nodes=tuple(nodes[:3])),
            Node(code="ket-qua", kind="pillar", name="Kết quả", nodes=tuple(nodes[3:])),
        ),
    )  # fmt: skip


def phu_tho(is_unranked_below: bool = True) -> Framework:
    return a_decision(a_class_level("department", is_unranked_below))


def row(**groups: str) -> tuple[str | Fraction, ...]:
    """A department's points: every group at its maximum but those named (with _ for -)."""
    given = dict(zip(GROUPS, MAXIMA["department"].split(), strict=True))
    given |= {code.replace("_", "-"): points for code, points in groups.items()}
    infrastructure = Fraction(given.pop("ha-tang"))
    first = min(infrastructure, Fraction(20))
    return (first, infrastructure - first, *given.values())


LEVEL_I = row(
    ha_tang="25.2", nhan_luc="9", chinh_sach="10.8", hien_dien="16.2", tuong_tac="46.8", giao_dich="18", chuyen_doi="9"
)
"""All minima of level I exactly: 25.2 + 9 + 10.8 + 16.2 + 46.8 + 18 + 9 = 135."""


@pytest.mark.parametrize("name", ["department", "district", "commune"])
def test_every_printed_minimum_is_reached_exactly_and_missed_by_a_hair(name: Name) -> None:
    level = a_class_level(name)
    assert level.classes is not None
    best = {code: Fraction(worth) for code, worth in zip(GROUPS, MAXIMA[name].split(), strict=True)}
    for code, minima in printed_minima(name).items():
        for least in minima:
            # The best class that asks no more than this of the group; the other groups are at their maximum.
            reached, why = class_of(level, level.classes, best | {code: Fraction(least)})
            assert reached == minima.index(least)
            assert (why is None) == (reached == 0)
            if least == 0:
                continue
            lower = [position for position, other in enumerate(minima) if other < least]
            reached, why = class_of(level, level.classes, best | {code: Fraction(least) - Fraction(1, 10**9)})
            assert reached == (lower[0] if lower else None)
            missed = CLASSES[lower[0] - 1 if lower else 3]
            assert why is not None
            assert why.startswith(f"chưa đạt {missed}: {GROUPS[code]} ")


@pytest.mark.parametrize("name", ["department", "district", "commune"])
def test_a_class_needs_every_group(name: Name) -> None:
    level = a_class_level(name)
    assert level.classes is not None
    minima = printed_minima(name)
    for position in range(4):
        at_minimum = {code: Fraction(line[position]) for code, line in minima.items()}
        assert class_of(level, level.classes, at_minimum)[0] == position


def test_25_2_passes_and_25_196_does_not_and_the_reason_shows_it() -> None:
    result = ranked(phu_tho(), {"A": LEVEL_I, "B": (*row(ha_tang="25.196")[:2], *LEVEL_I[2:])})
    found = by_code(result)
    assert (found["A"].rating, found["A"].rating_reason, found["A"].total) == ("Mức I", None, 135)
    assert found["B"].rating == "Mức II"
    # Two decimals would print 25.20 < 25.2.
    assert found["B"].rating_reason == "chưa đạt Mức I: Cơ sở hạ tầng thông tin 25,196 < 25,2"
    assert dict(found["B"].groups)["ha-tang"] == Fraction("25.196")
    assert [code for code, _ in found["B"].groups] == list(GROUPS)


def test_one_group_below_its_minimum_drops_the_class_however_high_the_total() -> None:
    # A has 150 − 52 + 46.79 = 144.79 and B 135, yet B leads: the class comes first.
    result = ranked(phu_tho(), {"A": row(tuong_tac="46.79"), "B": LEVEL_I})
    assert [(item.unit.code, item.rating, item.total, item.rank) for item in result.units] == [
        ("B", "Mức I", 135, 1), ("A", "Mức II", Fraction("144.79"), 2),
    ]  # fmt: skip
    assert by_code(result)["A"].rating_reason == "chưa đạt Mức I: Mức độ tương tác 46,79 < 46,8"


def test_the_order_is_class_then_total_and_what_is_below_iv_comes_after_unranked() -> None:
    rows: dict[UnitRef, tuple[str | Fraction, ...]] = {
        unit("a", "Sở A"): row(nhan_luc="7"),  # 147: IV
        unit("b", "Sở Xa"): row(nhan_luc="6.996"),  # 146.996: none
        unit("c", "Sở C"): row(nhan_luc="8", chuyen_doi="5"),  # 143: II
        unit("d", "Sở D"): row(nhan_luc="8", giao_dich="16"),  # 144: II
        unit("e", "Sở E"): row(chuyen_doi="0"),  # 140: III
        unit("f", "Sở F"): LEVEL_I,  # 135: I
        unit("g", "Sở G"): row(tuong_tac="0", nhan_luc="0"),  # 88: none
        unit("h", "Sở Ba"): row(),  # exempt
        unit("k", "Sở K"): ("0",) * 8,  # none
        unit("i", "Sở I"): row(nhan_luc="8", giao_dich="16.004"),  # 144.004: II, ties with D on the published 144.00
    }
    result = ranked(phu_tho(), rows, rulings=Rulings(exempt={"h": "đặc thù"}))
    assert [(item.unit.code, item.rating, item.rank, item.standing) for item in result.units] == [
        ("f", "Mức I", 1, "ranked"),
        ("d", "Mức II", 2, "ranked"),
        ("i", "Mức II", 2, "ranked"),
        ("c", "Mức II", 4, "ranked"),
        ("e", "Mức III", 5, "ranked"),
        ("a", "Mức IV", 6, "ranked"),
        ("b", None, None, "unranked"),
        ("g", None, None, "unranked"),
        ("k", None, None, "unranked"),
        ("h", None, None, "exempt"),
    ]
    found = by_code(result)
    assert found["b"].standing_reason == "chưa đạt Mức IV: Nhân lực CNTT 6,996 < 7"
    assert found["g"].standing_reason == "chưa đạt Mức IV: Nhân lực CNTT 0,00 < 7; Mức độ tương tác 0,00 < 36,4"
    assert found["b"].rank_in_pool is None
    assert any("3 đơn vị dưới Mức IV không xếp hạng" in note for note in result.notes)
    assert any("xếp theo mức trước, tổng điểm sau" in note for note in result.notes)


def test_where_the_decision_ranks_those_below_too_they_come_after_every_class() -> None:
    result = ranked(phu_tho(is_unranked_below=False), {"A": row(nhan_luc="6.99"), "B": LEVEL_I, "C": row(nhan_luc="7")})
    assert ranks(result) == {"B": 1, "C": 2, "A": 3}
    assert list(ranks(result)) == ["B", "C", "A"]
    assert by_code(result)["A"].rating is None
    assert not any("không xếp hạng" in note for note in result.notes)


def test_an_unappraised_unit_is_in_no_class_and_still_ranked_last() -> None:
    under = a_decision(a_class_level("department"), policies={"not_appraised": "zero"})
    result = ranked(under, {"A": row(), "B": row(nhan_luc="7")}, rulings=Rulings(not_appraised={"A": "không"}))
    assert [(item.unit.code, item.rating, item.rank, item.standing_reason) for item in result.units] == [
        ("B", "Mức IV", 1, None), ("A", None, 2, "không"),
    ]  # fmt: skip


def test_the_tables_are_those_of_the_framework_file() -> None:
    for name in MINIMA:
        level = load_framework("phu-tho-2018").level(name)
        assert level.classes is not None
        assert level.classes.names == CLASSES
        assert [tuple(line) for line in level.classes.minima.values()] == list(printed_minima(name).values())


def test_a_shrunken_maximum_beside_fixed_minima_asks_for_another_choice() -> None:
    under = a_decision(a_class_level("department"))
    rows = {"A": (NA, *row()[1:]), "B": row()}
    with pytest.raises(ChoiceNeeded, match=r"điểm tối đa của A giảm.*zero, peer_mean hoặc prorate"):
        ranked(under, rows, Choices(not_applicable="rescale"))
    assert by_code(ranked(under, rows, Choices(not_applicable="peer_mean")))["A"].rating == "Mức I"
