"""QĐ 766 as data: its structure, and points computed by hand from the figures that the portal published.

Expected points are the portal's own printed scores or written as fractions here; never the code's.
"""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Criterion
from dti_pipeline.metrics.catalogue import load_metrics
from dti_pipeline.scoring import exact
from dti_pipeline.scoring.exact import BlockKind

LEVELS = ("province", "department", "commune")
GROUPS = {"CKMB": 18, "TDGQ": 20, "CLGQ": 12, "TTTT": 10, "MDHL": 18, "MDSH": 22}
MAXIMA = {
    "PUBLISH_ON_TIME": 6,
    "PUBLIC_UPDATE_ON_TIME": 4,
    "PUBLIC_CONTENT_FULL": 2,
    "DOSSIER_SYNC": 6,
    "DOSSIER_ON_TIME": 20,
    "ONLINE_SERVICE_PROVISION": 12,
    "ONLINE_PAYMENT": 10,
    "DOSSIER_RECEIVING_SATISFACTION": 6,
    "PETITION_PROCESSING_ON_TIME": 6,
    "PETITION_HANDLING_SATISFACTION": 6,
    "ORIGINAL_RESULT_AVAILABLE": 6,
    "SO_HOA_GIAY_TO_GIAI_QUYET": 4,
    "REUSED_DIGITIZED_DATA": 2,
    "SYNCED_WITH_DVCQG_PERSONAL_STORAGE": 4,
    "CITIZEN_DATA_CONNECTED_DOSSIER": 2,
    "CITIZEN_DATA_CONNECTED_FORMALITY": 2,
    "ELECTRONIC_CERTIFIED_COPY": 2,
}
NOT_SCORED_WITHOUT_CASES = (
    "PUBLISH_ON_TIME",
    "PUBLIC_UPDATE_ON_TIME",
    "PUBLIC_CONTENT_FULL",
    "DOSSIER_SYNC",
    "ORIGINAL_RESULT_AVAILABLE",
    "SO_HOA_GIAY_TO_GIAI_QUYET",
    "REUSED_DIGITIZED_DATA",
    "SYNCED_WITH_DVCQG_PERSONAL_STORAGE",
    "CITIZEN_DATA_CONNECTED_DOSSIER",
    "CITIZEN_DATA_CONNECTED_FORMALITY",
)
PAYMENT = ("pay_ok", "fin_obl", "fee_paid", "fee_dossiers", "fee")


def criterion(code: str) -> Criterion:
    return load_framework("qd766-2022").level("province").criterion(code)


def worth(code: str, **figures: object) -> Fraction | exact.Block:
    item = criterion(code)
    values: dict[str, exact.Value] = {name: Fraction(str(value)) for name, value in figures.items()}
    return exact.evaluate(item.expression, values, item.max_fraction)


def points_of(code: str, **figures: object) -> Fraction:
    outcome = worth(code, **figures)
    assert isinstance(outcome, Fraction), outcome
    return outcome


def breaks_a_requirement(code: str, **figures: int | str) -> bool:
    values: dict[str, exact.Value] = {name: Fraction(value) for name, value in figures.items()}
    return any(exact.holds(test, values) is False for test in criterion(code).requirements)


# --- structure ---


@pytest.mark.parametrize("name", LEVELS)
def test_groups_criteria_and_maxima(name: str) -> None:
    level = load_framework("qd766-2022").level(name)
    assert {node.code: int(node.sum_points) for node in level.all_nodes()} == GROUPS
    assert {item.code: int(item.max_points) for item in level.criteria} == MAXIMA
    assert level.max_points == 100


def test_units_are_ranked_within_their_province_and_provinces_together() -> None:
    framework = load_framework("qd766-2022")
    assert [level.pools for level in framework.levels] == [("level",), ("province",), ("province",)]
    assert [level.level for level in framework.levels] == list(LEVELS)
    assert framework.policies.not_applicable == "zero"
    assert (framework.policies.missing, framework.policies.excluded) == ("unstated", "unstated")
    assert (framework.window, framework.decimals) == ("last_closed_quarter", 2)


def test_every_binding_names_a_metric_of_the_catalogue() -> None:
    metrics = load_metrics()
    for item in load_framework("qd766-2022").level("commune").criteria:
        assert item.source_metric is not None
        assert metrics[item.source_metric].behaviour == "score"
        for spec in item.inputs:
            assert spec.binding is not None
            assert spec.binding.metric in metrics
            ratio = metrics[spec.binding.metric].behaviour == "ratio"
            assert spec.binding.part == ({"n": "numerator", "d": "denominator"}.get(spec.name, "value"))
            assert ratio == (spec.name in "ndr")


def test_metrics_of_a_ratio_follow_the_portal_s_codes() -> None:
    for code in (*NOT_SCORED_WITHOUT_CASES, "PETITION_PROCESSING_ON_TIME", "ELECTRONIC_CERTIFIED_COPY"):
        item = criterion(code)
        assert {spec.binding.metric for spec in item.inputs if spec.binding} == {f"qd766_{code.lower()}"}
        assert item.source_metric == f"qd766_{code.lower()}_score"


def test_metrics_of_progress_and_payment() -> None:
    bound = {
        spec.name: spec.binding.metric
        for code in ("DOSSIER_ON_TIME", "ONLINE_PAYMENT")
        for spec in criterion(code).inputs
        if spec.binding
    }
    assert bound == {
        "on_time": "dossiers_on_time",
        "received": "dossiers_received",
        "pay_ok": "dossiers_paid_online",
        "fin_obl": "dossiers_with_fee_obligation",
        "fee_paid": "procedures_paid_online",
        "fee_dossiers": "procedures_with_fee_dossiers",
        "fee": "procedures_with_fee",
    }


def test_only_the_online_group_takes_the_platform_s_score() -> None:
    level = load_framework("qd766-2022").level("department")
    assert [item.code for item in level.criteria if item.source_score] == ["ONLINE_SERVICE_PROVISION"]
    assert worth("ONLINE_SERVICE_PROVISION", s="8.41") == Fraction(841, 100)
    assert breaks_a_requirement("ONLINE_SERVICE_PROVISION", s="12.01")
    assert not breaks_a_requirement("ONLINE_SERVICE_PROVISION", s="12")


# --- published figures: UBND tỉnh Phú Thọ and units under it, third quarter of 2026 ---


@pytest.mark.parametrize(
    ("code", "n", "d", "printed"),
    [
        ("PUBLISH_ON_TIME", 0, 54, "0"),
        ("PUBLIC_UPDATE_ON_TIME", 0, 68, "0"),
        ("PUBLIC_CONTENT_FULL", 87, 89, "1.96"),
        ("DOSSIER_SYNC", 339457, 339457, "6"),
        ("DOSSIER_RECEIVING_SATISFACTION", 402886, 464494, "5.78"),
        ("DOSSIER_RECEIVING_SATISFACTION", 156, 161, "6"),
        ("DOSSIER_RECEIVING_SATISFACTION", 998, 1271, "5.23"),
        ("DOSSIER_RECEIVING_SATISFACTION", 601, 847, "4.73"),
        ("PETITION_PROCESSING_ON_TIME", 300, 499, "3.61"),
        ("PETITION_PROCESSING_ON_TIME", 1, 4, "1.5"),
        ("PETITION_HANDLING_SATISFACTION", 238, 499, "2.86"),
        ("ORIGINAL_RESULT_AVAILABLE", 334358, 464494, "4.32"),
        ("SO_HOA_GIAY_TO_GIAI_QUYET", 83994, 464494, "0.72"),  # a full mark at 80 % would give 0.90
        ("REUSED_DIGITIZED_DATA", 64382, 464494, "0.35"),
        ("REUSED_DIGITIZED_DATA", 36410, 121543, "0.75"),
        ("SYNCED_WITH_DVCQG_PERSONAL_STORAGE", 0, 464494, "0"),
        ("CITIZEN_DATA_CONNECTED_DOSSIER", 192191, 464494, "0.83"),
        ("CITIZEN_DATA_CONNECTED_FORMALITY", 342, 1300, "0.53"),
    ],
)
def test_metric_rows_as_printed(code: str, n: int, d: int, printed: str) -> None:
    assert worth(code, n=n, d=d) == Fraction(printed)


@pytest.mark.parametrize(
    ("received", "on_time", "printed"),
    [(464494, 403016, "17.35"), (161, 156, "19.38"), (1271, 998, "15.7"), (847, 603, "14.24"), (4, 2, "10")],
)
def test_progress_rows_as_printed(received: int, on_time: int, printed: str) -> None:
    assert worth("DOSSIER_ON_TIME", received=received, on_time=on_time) == Fraction(printed)


@pytest.mark.parametrize(
    ("figures", "printed"),
    [
        ((233203, 268066, 115, 66, 311), "6.67"),  # H44: 5.22 + 0.92 + 0.53
        ((14, 14, 2, 0, 3), "7.67"),  # H44.03: 6 + 1.67 + 0
        ((110, 110, 12, 0, 13), "8"),  # H44.07: 2.5 × 12/13 is more than 2
        ((1314, 1438, 14, 6, 38), "6.79"),  # H44.104: rounding only the sum gives 6.80
        ((617, 671, 12, 7, 35), "6.88"),  # H44.122: rounding only the sum gives 6.87
        ((0, 0, 0, 0, 1), "0"),  # H44.01
    ],
)
def test_payment_rows_as_printed(figures: tuple[int, ...], printed: str) -> None:
    assert worth("ONLINE_PAYMENT", **dict(zip(PAYMENT, figures, strict=True))) == Fraction(printed)


def test_the_groups_of_the_province_add_up_to_the_printed_ones() -> None:
    """7.96, 12.25 and 8.75 are printed for the province; each is the sum of its rounded metrics."""
    rows = {
        "CKMB": [("PUBLISH_ON_TIME", 0, 54), ("PUBLIC_UPDATE_ON_TIME", 0, 68), ("PUBLIC_CONTENT_FULL", 87, 89)],
        "MDHL": [
            ("DOSSIER_RECEIVING_SATISFACTION", 402886, 464494),
            ("PETITION_PROCESSING_ON_TIME", 300, 499),
            ("PETITION_HANDLING_SATISFACTION", 238, 499),
        ],
        "MDSH": [
            ("ORIGINAL_RESULT_AVAILABLE", 334358, 464494),
            ("SO_HOA_GIAY_TO_GIAI_QUYET", 83994, 464494),
            ("REUSED_DIGITIZED_DATA", 64382, 464494),
            ("SYNCED_WITH_DVCQG_PERSONAL_STORAGE", 0, 464494),
            ("CITIZEN_DATA_CONNECTED_DOSSIER", 192191, 464494),
            ("CITIZEN_DATA_CONNECTED_FORMALITY", 342, 1300),
        ],
    }
    rows["CKMB"].append(("DOSSIER_SYNC", 339457, 339457))
    sums = {group: sum(points_of(code, n=n, d=d) for code, n, d in metrics) for group, metrics in rows.items()}
    assert sums["CKMB"] == Fraction("7.96")
    assert sums["MDHL"] == Fraction("12.25")
    assert sums["MDSH"] + points_of("ELECTRONIC_CERTIFIED_COPY", r=100) == Fraction("8.75")


# --- thresholds, halves and caps, by hand ---


@pytest.mark.parametrize(
    ("code", "n", "d", "points"),
    [
        ("REUSED_DIGITIZED_DATA", 80, 100, Fraction(2)),
        ("REUSED_DIGITIZED_DATA", 79, 100, Fraction(198, 100)),  # 2 × 0.79 / 0.8 = 1.975, half up
        ("REUSED_DIGITIZED_DATA", 100, 100, Fraction(2)),
        ("DOSSIER_RECEIVING_SATISFACTION", 90, 100, Fraction(6)),
        ("DOSSIER_RECEIVING_SATISFACTION", 45, 100, Fraction(3)),
        ("DOSSIER_RECEIVING_SATISFACTION", 100, 100, Fraction(6)),
        ("PUBLIC_CONTENT_FULL", 1, 400, Fraction(1, 100)),  # 0.005, half up
        ("SO_HOA_GIAY_TO_GIAI_QUYET", 80, 100, Fraction(320, 100)),  # no full mark at 80 %
        ("ORIGINAL_RESULT_AVAILABLE", 1, 3, Fraction(2)),
    ],
)
def test_thresholds_and_halves(code: str, n: int, d: int, points: Fraction) -> None:
    assert worth(code, n=n, d=d) == points


def test_certified_copies_follow_the_printed_percentage() -> None:
    assert worth("ELECTRONIC_CERTIFIED_COPY", r=100) == 2
    assert worth("ELECTRONIC_CERTIFIED_COPY", r="62.25") == Fraction(125, 100)  # 1.245, half up
    assert worth("ELECTRONIC_CERTIFIED_COPY", r=0) == 0


def test_the_payment_total_is_capped_at_its_maximum_only_in_our_reading() -> None:
    ones = dict.fromkeys(PAYMENT, 1)
    item = criterion("ONLINE_PAYMENT")
    assert worth("ONLINE_PAYMENT", **ones) == 10
    values: dict[str, exact.Value] = {name: Fraction(1) for name in PAYMENT}
    assert exact.evaluate(item.printed_expression, values, item.max_fraction) == Fraction(21, 2)
    assert any("10,5" in note for note in item.notes)


# --- what «none» is worth, per metric ---


@pytest.mark.parametrize("code", NOT_SCORED_WITHOUT_CASES)
def test_transparency_and_digitisation_without_cases_are_not_applicable(code: str) -> None:
    outcome = worth(code, n=0, d=0)
    assert isinstance(outcome, exact.Block)
    assert (outcome.kind, outcome.about) == (BlockKind.NOT_APPLICABLE, ("d",))


@pytest.mark.parametrize("code", ["PETITION_PROCESSING_ON_TIME", "PETITION_HANDLING_SATISFACTION"])
def test_no_petitions_is_a_full_mark(code: str) -> None:
    assert worth(code, n=0, d=0) == 6
    assert worth(code, n=0, d=1) == 0


def test_no_dossiers_is_no_satisfaction() -> None:
    assert worth("DOSSIER_RECEIVING_SATISFACTION", n=0, d=0) == 0


def test_no_fees_is_no_payment() -> None:
    assert worth("ONLINE_PAYMENT", **dict.fromkeys(PAYMENT, 0)) == 0
    assert worth("ONLINE_PAYMENT", pay_ok=1, fin_obl=2, fee_paid=0, fee_dossiers=0, fee=0) == 3
    assert worth("ONLINE_PAYMENT", pay_ok=0, fin_obl=0, fee_paid=2, fee_dossiers=1, fee=5) == Fraction(3, 2)


def test_no_dossiers_leaves_progress_undefined() -> None:
    """Nothing states what it is worth, so neither 0 nor the maximum is assumed."""
    outcome = worth("DOSSIER_ON_TIME", received=0, on_time=0)
    assert isinstance(outcome, exact.Block)
    assert outcome.kind == BlockKind.ZERO_DENOMINATOR


def test_a_part_above_its_whole_is_an_error_of_the_figures() -> None:
    for code in MAXIMA:
        names = [spec.name for spec in criterion(code).inputs]
        if names == ["n", "d"]:
            assert breaks_a_requirement(code, n=2, d=1), code
            assert not breaks_a_requirement(code, n=1, d=1), code
    assert breaks_a_requirement("DOSSIER_ON_TIME", on_time=2, received=1)
    for part, _ in (("pay_ok", "fin_obl"), ("fee_paid", "fee"), ("fee_dossiers", "fee")):
        assert breaks_a_requirement("ONLINE_PAYMENT", **{**dict.fromkeys(PAYMENT, 1), part: 2}), part
    assert not breaks_a_requirement("ONLINE_PAYMENT", **dict.fromkeys(PAYMENT, 1))


# --- every row of the reference folder, where it is at hand ---


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_all_progress_rows(shared_dir: Path) -> None:
    rows = rows_of(shared_dir / "reference/figures/qd766_phutho_progress_q3_2026.csv")
    assert len(rows) == 56
    for row in rows:
        points = worth("DOSSIER_ON_TIME", on_time=row["on_time"], received=row["received"])
        assert points == Fraction(row["score"]), row


def test_all_payment_rows(shared_dir: Path) -> None:
    rows = rows_of(shared_dir / "reference/figures/qd766_phutho_payment_q3_2026.csv")
    assert len(rows) == 37
    columns = ("pay_ok", "fin_obl", "formality_paid", "fee_dossier_formality", "fee_formality")
    for row in rows:
        points = worth("ONLINE_PAYMENT", **{name: row[column] for name, column in zip(PAYMENT, columns, strict=True)})
        assert points == Fraction(row["total_score"]), row


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("transparency.sample.json", 4),
        ("transparency.month-nulls.sample.json", 4),
        ("dossier-digitized.sample.json", 7),
        ("dossier-digitized.formality-nulls.sample.json", 6),
        ("handling-satisfaction.sample.json", 3),
    ],
)
def test_all_metric_rows_of_the_samples(shared_dir: Path, sample: str, expected: int) -> None:
    text = (shared_dir / "reference/dvcqg766" / sample).read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text, parse_float=Decimal)["data"]
    units = [data["overview"], *data["evaluation"]]
    assert len(units) >= 10
    for unit in units:
        metrics = [metric for metric in unit["metrics"] if metric["maxScore"]]
        assert len(metrics) == expected
        for metric in metrics:
            if metric["numerator"] is None:
                points = worth(metric["code"], r=metric["ratio"])
            else:
                points = worth(metric["code"], n=metric["numerator"], d=metric["denominator"])
            if metric["score"] is None:
                assert isinstance(points, exact.Block), metric
                assert points.kind == BlockKind.NOT_APPLICABLE
            else:
                assert points == Fraction(metric["score"]), metric
