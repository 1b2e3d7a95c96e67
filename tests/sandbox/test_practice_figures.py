"""The figures that the practice portal serves hold every identity of the contract; recomputed here, not by its code."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from dti_pipeline.sandbox import portal, practice
from dti_pipeline.sandbox.server import dump

YEAR = {"timeType": "year", "year": 2026}
QUARTER = {"timeType": "quarter", "year": 2026, "quarter": 3}
MONTH = {"timeType": "month", "year": 2026, "month": 8}
OLD_YEAR = {"timeType": "year", "year": 2025}
DAYS = {
    "year2026": ("2026-01-01", "2026-12-31"),
    "quarter2026": ("2026-07-01", "2026-09-30"),
    "month2026": ("2026-08-01", "2026-08-31"),
    "year2025": ("2025-01-01", "2025-12-31"),
}
PERIODS = pytest.mark.parametrize("period", [YEAR, QUARTER, MONTH, OLD_YEAR], ids=["year", "quarter", "month", "2025"])
GROUPS = (
    "transparency",
    "handling-satisfaction",
    "dossier-digitized",
    "dvc-progress-tree",
    "provide-online-tree",
    "formality-online-payment-tree",
)
MAXIMA = {
    "PUBLISH_ON_TIME": 6,
    "PUBLIC_UPDATE_ON_TIME": 4,
    "PUBLIC_CONTENT_FULL": 2,
    "DOSSIER_SYNC": 6,
    "PETITION_CLASSIFICATION_TTHC": 0,
    "DOSSIER_RECEIVING_SATISFACTION": 6,
    "PETITION_PROCESSING_ON_TIME": 6,
    "PETITION_HANDLING_SATISFACTION": 6,
    "PETITION_CLASSIFICATION_STAFF": 0,
    "ORIGINAL_RESULT_AVAILABLE": 6,
    "SO_HOA_GIAY_TO_GIAI_QUYET": 4,
    "REUSED_DIGITIZED_DATA": 2,
    "SYNCED_WITH_DVCQG_PERSONAL_STORAGE": 4,
    "CITIZEN_DATA_CONNECTED_DOSSIER": 2,
    "CITIZEN_DATA_CONNECTED_FORMALITY": 2,
    "ELECTRONIC_CERTIFIED_COPY": 2,
}
FULL_AT = {"REUSED_DIGITIZED_DATA": Fraction(8, 10), "DOSSIER_RECEIVING_SATISFACTION": Fraction(9, 10)}
WORTH_OF_NOTHING = {
    "PETITION_PROCESSING_ON_TIME": (0, 6),
    "PETITION_HANDLING_SATISFACTION": (0, 6),
    "PETITION_CLASSIFICATION_TTHC": (0, None),
    "PETITION_CLASSIFICATION_STAFF": (0, None),
    "DOSSIER_RECEIVING_SATISFACTION": (0, 0),
}
"""(ratio, score) where the denominator is 0; (None, None) for every other metric."""


def half_up(value: Fraction) -> Fraction:
    return Fraction(math.floor(value * 100 + Fraction(1, 2)), 100)


def quotient(top: Any, bottom: Any) -> Fraction:
    return Fraction(top) / Fraction(bottom) if bottom else Fraction(0)


def ask(name: str, period: dict[str, Any], **more: Any) -> dict[str, Any]:
    """`data` as a client reads it from the bytes, numbers exact."""
    body: dict[str, Any] = dict(period)
    if name == "handling-satisfaction":
        body = dict(zip(("fromDate", "toDate"), DAYS[f"{period['timeType']}{period['year']}"], strict=True))
    body |= {"rootDepartmentId": portal.PRACTICE_ROOT, "currentPage": 1, "pageSize": 200} | more
    answer = portal.answer(portal.path_of(name), body)
    assert (answer.status, answer.body["code"], answer.body["message"]) == (201, "OK", "OK")
    return dict(json.loads(dump(answer.body), parse_float=Decimal)["data"])


def units_of(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield data.get("overview") or data["parent"]
    yield from data.get("evaluation", data.get("children"))


def assert_metric(metric: dict[str, Any]) -> None:
    code, top, bottom = metric["code"], metric["numerator"], metric["denominator"]
    assert metric["maxScore"] == MAXIMA[code]
    if code == "ELECTRONIC_CERTIFIED_COPY":
        assert (top, bottom, metric["ratio"], metric["score"]) == (None, None, 100, 2)
    elif bottom == 0:
        assert top == 0
        assert (metric["ratio"], metric["score"]) == WORTH_OF_NOTHING.get(code, (None, None))
    else:
        assert 0 <= top <= bottom
        assert metric["ratio"] == half_up(Fraction(100 * top, bottom))
        share = min(Fraction(1), Fraction(top, bottom) / FULL_AT.get(code, Fraction(1)))
        assert metric["score"] == (half_up(MAXIMA[code] * share) if MAXIMA[code] else None)


def assert_metric_group(data: dict[str, Any], maximum: int) -> None:
    for unit in units_of(data):
        for metric in unit["metrics"]:
            assert_metric(metric)
        total = sum(Fraction(metric["score"] or 0) for metric in unit["metrics"])
        assert unit["totalScore"] == total
        assert unit["totalMaxScore"] == maximum == sum(metric["maxScore"] for metric in unit["metrics"])
        assert unit["ratio"] == half_up(100 * total / maximum)


def assert_progress(data: dict[str, Any]) -> None:
    for unit in units_of(data):
        share = quotient(unit["totalOnTime"], unit["totalReceived"])
        assert unit["ratio"] == half_up(100 * share)
        assert unit["score" if "score" in unit else "totalScore"] == half_up(20 * share)
    for row in data["children"]:
        assert row["totalOnTime"] + row["totalOverdue"] == row["totalReceived"]
        assert min(row["totalOnTime"], row["totalOverdue"]) >= 0


def assert_payment(data: dict[str, Any]) -> None:
    for unit in units_of(data):
        paid = quotient(unit["totalDossierOnlinePaymentSuccess"], unit["totalDossierFinancialObligation"])
        procedures = quotient(unit["totalDossierOnlineFormalityPaymentSuccess"], unit["totalFeeFormality"])
        dossiers = quotient(unit["totalFeeDossierFormality"], unit["totalFeeFormality"])
        score = (
            half_up(6 * paid)
            + half_up(min(Fraction(2), Fraction(5, 2) * procedures))
            + half_up(Fraction(5, 2) * dossiers)
        )
        assert paid <= 1
        assert procedures <= 1
        assert dossiers <= Fraction(8, 10)  # above it a cap might bind that nobody has seen
        assert unit["totalScore"] == score
        assert unit["ratio"] == half_up(10 * score)
        assert unit["totalFeeDossierFormalityDistinct"] == unit["totalFeeFormality"]


@PERIODS
@pytest.mark.parametrize(("name", "maximum"), list(zip(GROUPS[:3], (18, 18, 22), strict=True)))
def test_metric_groups_score_as_the_portal_does(name: str, maximum: int, period: dict[str, Any]) -> None:
    data = ask(name, period)
    assert len(data["evaluation"]) == 80 == data["pagination"]["total"]
    assert_metric_group(data, maximum)


@PERIODS
def test_trees_score_as_the_portal_does(period: dict[str, Any]) -> None:
    progress, payment, online = (ask(name, period) for name in (GROUPS[3], GROUPS[5], GROUPS[4]))
    assert_progress(progress)
    assert_payment(payment)
    parent = online["parent"]
    channels = parent["channelOnlineSum"] + parent["channelDirectSum"] + parent["channelPostalSum"]
    assert channels == parent["channelTotalSum"] != progress["parent"]["totalReceived"]
    assert parent["onlineOnTimeSum"] + parent["onlineOverdueSum"] == parent["channelOnlineSum"]
    assert parent["partialCount"] + parent["fullCount"] <= parent["authorityCount"]
    assert 0 < parent["onlineDossierCount"] <= parent["onlineServiceTotal"]
    fit = (
        half_up(
            min(
                Fraction(2),
                2 * quotient(parent["partialCount"] + parent["fullCount"], parent["authorityCount"]) * 5 / 4,
            )
        )
        + half_up(4 * quotient(parent["onlineDossierCount"], parent["onlineServiceTotal"]))
        + half_up(min(Fraction(6), 12 * quotient(parent["channelOnlineSum"], parent["channelTotalSum"])))
    )
    assert parent["totalScore"] == fit
    for unit in units_of(online):
        assert unit["ratio"] == half_up(Fraction(unit["totalScore"]) * 100 / 12)
        assert 0 <= unit["totalScore"] <= 12


@PERIODS
def test_the_groups_speak_of_the_same_dossiers(period: dict[str, Any]) -> None:
    received = {unit["departmentId"]: unit for unit in units_of(ask("dvc-progress-tree", period))}
    for unit in units_of(ask("handling-satisfaction", period)):
        metrics = {metric["code"]: metric for metric in unit["metrics"]}
        own = received[unit["departmentId"]]
        satisfied = metrics["DOSSIER_RECEIVING_SATISFACTION"]
        assert unit["totalDossiers"] == satisfied["denominator"] == own["totalReceived"]
        assert satisfied["numerator"] <= own["totalOnTime"]
        for code in ("PETITION_PROCESSING_ON_TIME", "PETITION_CLASSIFICATION_STAFF"):
            assert metrics[code]["denominator"] == unit["totalPetitions"] == unit["classifiedPetitions"]
    for unit in units_of(ask("dossier-digitized", period)):
        own = received[unit["departmentId"]]["totalReceived"]
        assert {metric["denominator"] for metric in unit["metrics"][:5]} == {own}
    for unit in units_of(ask("transparency", period)):
        assert unit["metrics"][3]["denominator"] <= received[unit["departmentId"]]["totalReceived"]


@PERIODS
def test_the_root_sums_what_the_portal_sums(period: dict[str, Any]) -> None:
    progress, payment = ask("dvc-progress-tree", period), ask("formality-online-payment-tree", period)
    for tree, keys in (
        (progress, ("totalReceived", "totalOnTime")),
        (payment, ("totalDossierOnlinePaymentSuccess", "totalDossierFinancialObligation")),
    ):
        for key in keys:
            assert tree["parent"][key] == sum(row[key] for row in tree["children"])
    assert progress["parent"]["totalCompleted"] <= progress["parent"]["totalReceived"]
    # Procedures are shared among communes, so the province's distinct count is below the sum.
    assert payment["parent"]["totalFeeFormality"] < sum(row["totalFeeFormality"] for row in payment["children"])
    satisfaction = ask("handling-satisfaction", period)
    assert satisfaction["overview"]["totalPetitions"] == sum(r["totalPetitions"] for r in satisfaction["evaluation"])
    sync = [unit["metrics"][3]["numerator"] for unit in units_of(ask("transparency", period))]
    assert sync[0] == sum(sync[1:])


@PERIODS
def test_the_total_is_the_sum_of_the_six_groups(period: dict[str, Any]) -> None:
    scores: dict[str, Fraction] = {}
    for name in GROUPS:
        for unit in units_of(ask(name, period)):
            score = unit["totalScore"] if "totalScore" in unit else unit["score"]
            scores[unit["departmentId"]] = scores.get(unit["departmentId"], Fraction(0)) + Fraction(score)
    results = ask("service-results", period)
    assert results["overview"]["totalScore"] == scores.pop(portal.PRACTICE_ROOT)
    assert {row["departmentId"]: row["totalScore"] for row in results["evaluation"]} == scores
    assert sum(Fraction(group["score"]) for group in results["radar"]) == results["overview"]["totalScore"]
    assert [group["maxScore"] for group in results["radar"]] == [18, 20, 22, 18, 22]


def test_transparency_repeats_the_provinces_figures_and_flags_the_units_own() -> None:
    rows = list(units_of(ask("transparency", QUARTER)))
    assert {json.dumps(row["metrics"][:3], default=str) for row in rows} == {
        json.dumps(rows[0]["metrics"][:3], default=str)
    }
    for row in rows:
        sync = row["metrics"][3]
        assert sync["numerator"] == sync["denominator"]
        assert sync["dataQualityStatus"] == (
            "TEMP_NATIONAL_REPORT_DENOMINATOR" if sync["denominator"] else "NO_NATIONAL_REPORT_DATA"
        )


def test_units_without_dossiers_are_null_and_not_zero() -> None:
    quarter = {row["departmentCode"]: row for row in ask("dossier-digitized", QUARTER)["evaluation"]}
    year = {row["departmentCode"]: row for row in ask("dossier-digitized", YEAR)["evaluation"]}
    for code in ("H00.20", "H00.28.07"):
        assert [metric["score"] for metric in quarter[code]["metrics"][:5]] == [None] * 5
        assert quarter[code]["totalMaxScore"] == 22
    assert year["H00.20"]["totalScore"] == 2
    assert year["H00.28.07"]["metrics"][0]["denominator"] > 0


def test_a_period_is_the_sum_of_its_months() -> None:
    def received(period: dict[str, Any]) -> dict[str, int]:
        return {row["departmentCode"]: row["totalReceived"] for row in units_of(ask("dvc-progress-tree", period))}

    months = [received({"timeType": "month", "year": 2026, "month": month}) for month in (7, 8, 9)]
    quarter, year = received(QUARTER), received(YEAR)
    assert quarter == {code: sum(month[code] for month in months) for code in quarter}
    assert all(quarter[code] <= year[code] for code in quarter)
    assert quarter["H00"] < year["H00"]
    paid = [ask("formality-online-payment-tree", period)["parent"] for period in (QUARTER, YEAR)]
    key = "totalDossierOnlineFormalityPaymentSuccess"
    assert paid[0][key] <= paid[1][key]


def test_the_metrics_rules_by_hand() -> None:
    # Published figures: 83,994 of 464,494 is 18.08 % and 0.72 of 4; 64,382 is 13.86 % and, full at 80 %, 0.35 of 2.
    metric = practice.measured("A", 83_994, 464_494, 4)
    assert (metric.ratio, metric.score) == (Fraction(1808, 100), Fraction(72, 100))
    assert practice.measured("B", 64_382, 464_494, 2, full_at=Fraction(4, 5)).score == Fraction(35, 100)
    # 1/8 of 6 is 0.75; 1/16 of 2 is 0.125, which rounds half up to 0.13.
    assert practice.measured("C", 1, 16, 2).score == Fraction(13, 100)
    assert practice.measured("D", 9, 10, 6, full_at=Fraction(9, 10)).score == 6
    assert (practice.measured("E", 0, 0, 6).score, practice.measured("E", 0, 0, 6, empty=6).score) == (None, 6)


def test_numbers_are_written_as_the_portal_writes_them() -> None:
    written = [portal.number(value) for value in (Fraction(100), Fraction(667, 10), Fraction(1739, 100), None, 3)]
    assert json.dumps(written) == "[100, 66.7, 17.39, null, 3]"
    with pytest.raises(ValueError, match="2 decimals"):
        portal.number(Fraction(1, 3))
    mixed = {type(row["totalScore"]) for row in ask("dossier-digitized", YEAR)["evaluation"]}
    assert mixed == {int, Decimal}


def test_the_same_seed_gives_the_same_bytes() -> None:
    digest = hashlib.sha256()
    for period in (QUARTER, YEAR):
        for name in (*GROUPS, "service-results"):
            digest.update(json.dumps(ask(name, period), ensure_ascii=False, default=str).encode())
    # A new value here means new practice figures for everybody: the demo's tables and the self-report change too.
    assert digest.hexdigest() == "f045c128b2a7c92642c7689a399b9ebe4f1465da5b8c82fb884f725d014ae012"


def test_another_seed_gives_other_figures() -> None:
    months = practice.months_between((2026, 7), (2026, 9))
    assert practice.counts("H00", months, 1) != practice.counts("H00", months, 2)
