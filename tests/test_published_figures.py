"""The platform's published scores, recomputed from its published counts to the last printed decimal.

The formulas are written out here by hand, in Fractions, after the reference's reading of QĐ 766 (metrics, payment
terms, what 0/0 is worth); neither the framework file nor the scoring engine takes part. Short cuts of real answers are
in `tests/fixtures/dvcqg766`; the whole tables and samples are read where the reference folder is present.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import pytest

from connectors.dvcqg766.connector import CONNECTOR
from dti_pipeline.harvest.model import Observation, Request, Snapshot
from dti_pipeline.scoring.exact import round_half_up
from dti_pipeline.scoring.states import InputState

FIXTURES = Path(__file__).parent / "fixtures" / "dvcqg766"
PHU_THO = "019d2be3-6a88-732b-8b17-b68020c8553a"
METRIC_FILES = (
    "transparency",
    "transparency.month-nulls",
    "dossier-digitized",
    "dossier-digitized.formality-nulls",
    "handling-satisfaction",
)


class Rule(NamedTuple):
    """Points of one metric: `maximum` × n/d, full from `full_at` on; 0/0 is worth `empty`."""

    maximum: int
    full_at: Fraction = Fraction(1)
    empty: Fraction | None = None


RULES = {
    "qd766_publish_on_time": Rule(6),
    "qd766_public_update_on_time": Rule(4),
    "qd766_public_content_full": Rule(2),
    "qd766_dossier_sync": Rule(6),
    "qd766_original_result_available": Rule(6),
    "qd766_so_hoa_giay_to_giai_quyet": Rule(4),
    "qd766_reused_digitized_data": Rule(2, full_at=Fraction(80, 100)),
    "qd766_synced_with_dvcqg_personal_storage": Rule(4),
    "qd766_citizen_data_connected_dossier": Rule(2),
    "qd766_citizen_data_connected_formality": Rule(2),
    "qd766_electronic_certified_copy": Rule(2),
    "qd766_dossier_receiving_satisfaction": Rule(6, full_at=Fraction(90, 100), empty=Fraction(0)),
    "qd766_petition_processing_on_time": Rule(6, empty=Fraction(6)),
    "qd766_petition_handling_satisfaction": Rule(6, empty=Fraction(6)),
    "qd766_petition_classification_tthc": Rule(0),
    "qd766_petition_classification_staff": Rule(0),
}
GROUP_OF_FILE = {
    "transparency": "qd766_transparency_score",
    "dossier-digitized": "qd766_digitisation_score",
    "handling-satisfaction": "qd766_satisfaction_score",
}


def points(rule: Rule, measured: Observation) -> Fraction | None:
    """What a metric is worth by its counts; None where it is not scored."""
    if measured.numerator is None or measured.denominator is None:  # certified copies: the portal gives a ratio only
        assert measured.value is not None
        return round_half_up(rule.maximum * Fraction(measured.value) / 100, 2)
    if measured.denominator == 0:
        return rule.empty
    share = Fraction(measured.numerator) / Fraction(measured.denominator)
    return round_half_up(rule.maximum * min(Fraction(1), share / rule.full_at), 2)


def progress_score(on_time: Fraction, received: Fraction) -> Fraction:
    return round_half_up(20 * on_time / received, 2)


def payment_terms(
    paid: Fraction, obliged: Fraction, procedures_paid: Fraction, procedures_used: Fraction, procedures: Fraction
) -> list[Fraction]:
    def share(top: Fraction, bottom: Fraction) -> Fraction:
        return Fraction(0) if bottom == 0 else top / bottom

    return [
        6 * share(paid, obliged),
        min(Fraction(2), Fraction(5, 2) * share(procedures_paid, procedures)),
        Fraction(5, 2) * share(procedures_used, procedures),
    ]


def payment_score(terms: Iterable[Fraction]) -> Fraction:
    return sum((round_half_up(term, 2) for term in terms), Fraction(0))


def observed(path: Path) -> dict[str, dict[str, Observation]]:
    """Observations of an answer by unit and metric, read by the connector."""
    endpoint = path.name.split(".")[0]
    body = {"timeType": "quarter", "year": 2026, "quarter": 3}
    body |= (
        {"departmentType": "ADMINISTRATIVE_UNIT"} if endpoint == "service-results" else {"rootDepartmentId": PHU_THO}
    )
    reading = CONNECTOR.read(
        Snapshot(Request("POST", f"/api/v1/reporting/evaluation/{endpoint}", json=body), 201, {}, path.read_bytes())
    )
    assert reading.quarantined == ()
    units: dict[str, dict[str, Observation]] = defaultdict(dict)
    for item in reading.observations:
        units[item.unit][item.metric] = item
    return units


def value(unit: dict[str, Observation], metric: str) -> Fraction:
    figure = unit[metric].value
    assert figure is not None
    return Fraction(figure)


def check_metric_rows(path: Path) -> int:
    """Every metric of every row: its ratio, its points, and the sum of the points. Returns how many metrics."""
    checked = 0
    for unit in observed(path).values():
        total = Fraction(0)
        for metric in unit.keys() & RULES.keys():
            rule, measured = RULES[metric], unit[metric]
            if measured.numerator is not None and measured.denominator:
                share = 100 * Fraction(measured.numerator) / Fraction(measured.denominator)
                assert value(unit, metric) == round_half_up(share, 2), measured
            expected = points(rule, measured)
            if rule.maximum:
                published = unit[f"{metric}_score"]
                if expected is None:
                    assert (published.state, published.value) == (InputState.NOT_APPLICABLE, None)
                else:
                    assert published.value == expected, (measured, published)
                    total += expected
            checked += 1
        assert value(unit, GROUP_OF_FILE[path.name.split(".")[0]]) == total
    return checked


def check_progress(path: Path) -> int:
    units = observed(path)
    for unit in units.values():
        received, on_time = value(unit, "dossiers_received"), value(unit, "dossiers_on_time")
        assert value(unit, "qd766_progress_score") == progress_score(on_time, received)
        if "dossiers_overdue" in unit:
            assert on_time + value(unit, "dossiers_overdue") == received
    return len(units)


def check_payment(path: Path) -> int:
    units = observed(path)
    for unit in units.values():
        counts = (
            value(unit, metric)
            for metric in (
                "dossiers_paid_online",
                "dossiers_with_fee_obligation",
                "procedures_paid_online",
                "procedures_with_fee_dossiers",
                "procedures_with_fee",
            )
        )
        assert value(unit, "qd766_payment_score") == payment_score(payment_terms(*counts))
        assert value(unit, "procedures_with_fee") == value(unit, "procedures_with_fee_distinct")
    return len(units)


def check_national(path: Path) -> int:
    units = observed(path)
    del units["VN"]  # has no groups, and is not the mean of the provinces
    for unit in units.values():
        groups = [metric for metric in unit if metric != "qd766_total_score"]
        assert len(groups) == 6
        assert sum((value(unit, metric) for metric in groups), Fraction(0)) == value(unit, "qd766_total_score")
    return len(units)


# --- short cuts of real answers, always here ---


def test_metric_rows_of_the_short_answers() -> None:
    assert sum(check_metric_rows(FIXTURES / f"{name}.json") for name in METRIC_FILES) == 3 * (4 + 4 + 7 + 6 + 5)


def test_progress_payment_and_totals_of_the_short_answers() -> None:
    assert check_progress(FIXTURES / "dvc-progress-tree.json") == 3
    assert check_payment(FIXTURES / "formality-online-payment-tree.json") == 3
    assert check_national(FIXTURES / "service-results.json") == 2


def test_the_formulas_by_hand() -> None:
    assert progress_score(Fraction(403016), Fraction(464494)) == Fraction("17.35")
    terms = payment_terms(*map(Fraction, (233203, 268066, 115, 66, 311)))
    assert [round_half_up(term, 2) for term in terms] == [Fraction("5.22"), Fraction("0.92"), Fraction("0.53")]
    assert payment_score(terms) == Fraction("6.67")
    assert payment_terms(*map(Fraction, (14, 14, 2, 0, 3)))[1] == Fraction(5, 3)
    assert payment_terms(*map(Fraction, (110, 110, 12, 0, 13)))[1] == 2  # 30/13, capped


# --- the reference tables and samples ---


def test_metric_rows_of_every_sample(shared_dir: Path) -> None:
    folder = shared_dir / "reference" / "dvcqg766"
    assert sum(check_metric_rows(folder / f"{name}.sample.json") for name in METRIC_FILES) == 311


def test_progress_payment_and_totals_of_the_samples(shared_dir: Path) -> None:
    folder = shared_dir / "reference" / "dvcqg766"
    assert check_progress(folder / "dvc-progress-tree.sample.json") == 14
    assert check_payment(folder / "formality-online-payment-tree.sample.json") == 14
    assert check_national(folder / "service-results.sample.json") == 12


def rows(path: Path, count: int) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert len(found) == count
    return found


def test_all_56_published_progress_scores(shared_dir: Path) -> None:
    for row in rows(shared_dir / "reference" / "figures" / "qd766_phutho_progress_q3_2026.csv", 56):
        on_time, received = Fraction(row["on_time"]), Fraction(row["received"])
        assert Fraction(row["score"]) == progress_score(on_time, received), row
        assert Fraction(row["ratio"]) == round_half_up(100 * on_time / received, 2), row
        if row["level"] != "ROOT":
            assert on_time + Fraction(row["overdue"]) == received, row


def test_all_37_published_payment_scores_with_each_term_rounded(shared_dir: Path) -> None:
    table = rows(shared_dir / "reference" / "figures" / "qd766_phutho_payment_q3_2026.csv", 37)
    names = ("pay_ok", "fin_obl", "formality_paid", "fee_dossier_formality", "fee_formality")
    equal_if_rounded_once = 0
    for row in table:
        terms = payment_terms(*(Fraction(row[name]) for name in names))
        assert Fraction(row["total_score"]) == payment_score(terms), row
        equal_if_rounded_once += Fraction(row["total_score"]) == round_half_up(sum(terms, Fraction(0)), 2)
    assert equal_if_rounded_once == 25


@pytest.mark.parametrize("table", ["progress", "payment"])
def test_the_tables_and_the_samples_agree(shared_dir: Path, table: str) -> None:
    """The same units stand in both, so a slip in transcribing either shows."""
    reference = shared_dir / "reference"
    file = "dvc-progress-tree" if table == "progress" else "formality-online-payment-tree"
    metrics = (
        {"received": "dossiers_received", "on_time": "dossiers_on_time", "score": "qd766_progress_score"}
        if table == "progress"
        else {
            "pay_ok": "dossiers_paid_online",
            "fin_obl": "dossiers_with_fee_obligation",
            "formality_paid": "procedures_paid_online",
            "fee_dossier_formality": "procedures_with_fee_dossiers",
            "fee_formality": "procedures_with_fee",
            "total_score": "qd766_payment_score",
        }
    )
    printed = {
        row["code"]: row
        for row in rows(reference / "figures" / f"qd766_phutho_{table}_q3_2026.csv", 56 if table == "progress" else 37)
    }
    matched = 0
    for unit in observed(reference / "dvcqg766" / f"{file}.sample.json").values():
        code = next(iter(unit.values())).unit_code
        if code in printed:
            matched += 1
            for column, metric in metrics.items():
                assert Fraction(printed[code][column]) == value(unit, metric), (code, column)
    assert matched == 10
