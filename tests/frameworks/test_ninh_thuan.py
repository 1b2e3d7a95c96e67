"""Ninh Thuận's annex: its structure, points computed by hand, and the transcription held to the seed word by word.

Expected points are written as fractions by a person from the decision and its readings, never by the code under test.
Not here: the linter (defects of the text) and the engine (states, totals, ranks).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import pytest

from dti_pipeline.datafiles import DataFileError, parse_model
from dti_pipeline.frameworks.loader import DATA, load_framework
from dti_pipeline.frameworks.model import MAY_BE_UNSTATED, Criterion, Framework, Level
from dti_pipeline.metrics.catalogue import load_metrics
from dti_pipeline.scoring import exact

ID = "ninh-thuan-2021"
GROUP_MAXIMA = {
    "1.1": 12, "1.2": 12, "1.3": 10,
    "2.1": 9, "2.2": 14, "2.3": 6, "2.4": 6,
    "3.1": 3, "3.2": 2, "3.3": 3, "3.4": 2, "3.5": 3, "3.6": 2, "3.7": 5,
    "4.1": 9, "4.2": 8, "4.3": 3,
    "5.1": 2, "5.2": 6, "5.3": 4, "5.4": 4, "5.5": 2, "5.6": 2, "5.7": 2, "5.8": 10, "5.9": 10, "5.10": 10,
    "5.11": 2, "5.12": 2, "5.13": 3, "5.14": 4,
    "6.1": 5, "6.2": 15, "6.3": 5,
    "7.1": 10, "7.2": 21,
}  # fmt: skip
MAIN_TOTALS = {"1": 34, "2": 35, "3": 20, "4": 20, "5": 63, "6": 25, "7": 31}
BINDINGS = {
    ("1.1.1", "column"): ("portal_digital_column", "value", "unit"),
    ("1.1.1", "days"): ("portal_column_age_days", "value", "unit"),
    ("4.1.1", "a"): ("databases", "value", "unit"),
    ("4.1.1", "b"): ("databases_operating", "value", "unit"),
    ("4.1.2", "a"): ("data_items_digitised", "value", "unit"),
    ("4.1.3", "a"): ("data_items_current", "value", "unit"),
    ("4.2.1", "a"): ("databases", "value", "unit"),
    ("4.2.1", "b"): ("databases_on_lgsp", "value", "unit"),
    ("4.2.2", "a"): ("databases", "value", "unit"),
    ("4.2.2", "b"): ("databases_on_ngsp", "value", "unit"),
    ("4.2.3", "a"): ("data_items_open", "value", "unit"),
    ("4.2.4", "a"): ("agencies", "value", "unit"),
    ("4.2.4", "b"): ("agencies_using_shared_data", "value", "unit"),
    ("4.3.1", "a"): ("agencies", "value", "unit"),
    ("4.3.1", "b"): ("agencies_using_big_data", "value", "unit"),
    **{
        (code, name): (metric, "value", scope)
        for code, scope in (("5.2.1", "departments"), ("5.2.2", "districts"), ("5.2.3", "communes"))
        for name, metric in (
            ("a", "outgoing_documents"),
            ("b", "edocs_sent_with_paper"),
            ("c", "edocs_sent_electronic_only"),
        )
    },
    ("3.4.2", "converted"): ("portal_ipv6", "value", "departments"),
    ("3.4.2", "systems"): ("portal_ipv6_checked", "value", "departments"),
    ("5.13.1", "provided"): ("portal_sections_found", "value", "unit"),
    ("5.13.1", "required"): ("portal_sections_required", "value", "unit"),
    ("5.13.2", "provided"): ("portal_sections_found", "value", "departments"),
    ("5.13.2", "required"): ("portal_sections_required", "value", "departments"),
    ("5.13.3", "visits"): ("portal_visits", "value", "unit"),
    ("5.13.3", "population"): ("population", "value", "unit"),
    ("3.7.1", "a"): ("procedures_with_fee", "value", "unit"),
    ("3.7.1", "b"): ("procedures_paid_online", "value", "unit"),
    ("3.7.2", "a"): ("services_with_fee_payable_online", "value", "unit"),
    ("3.7.2", "b"): ("services_payable_through_paygov", "value", "unit"),
    ("5.8", "a"): ("procedures_authorised", "value", "unit"),
    ("5.8", "b"): ("services_partial_online", "value", "unit"),
    ("5.8", "c"): ("services_full_process", "value", "unit"),
    ("5.9", "a"): ("services_partial_online", "value", "unit"),
    ("5.9", "b"): ("services_partial_with_online_dossiers", "value", "unit"),
    ("5.9", "c"): ("services_full_process", "value", "unit"),
    ("5.9", "d"): ("services_full_with_online_dossiers", "value", "unit"),
    ("5.10.1", "a"): ("dossiers_received", "value", "departments"),
    ("5.10.1", "b"): ("dossiers_received_online", "value", "departments"),
    ("5.10.2", "a"): ("dossiers_received", "value", "districts"),
    ("5.10.2", "b"): ("dossiers_received_online", "value", "districts"),
    ("5.10.3", "a"): ("dossiers_received", "value", "communes"),
    ("5.10.3", "b"): ("dossiers_received_online", "value", "communes"),
    ("5.11.1", "a"): ("qd766_dossier_receiving_satisfaction", "denominator", "unit"),
    ("5.11.1", "b"): ("qd766_dossier_receiving_satisfaction", "numerator", "unit"),
    ("5.12.1", "a"): ("procedures_used_by_post", "value", "unit"),
    ("5.12.2", "total"): ("dossiers_received_all_channels", "value", "unit"),
    ("5.12.2", "postal"): ("dossiers_received_postal", "value", "unit"),
}

Given = Mapping[str, int | str]


def _level() -> Level:
    return load_framework(ID).level("province")


def _criterion(code: str) -> Criterion:
    return _level().criterion(code)


def _values(given: Given) -> dict[str, exact.Value]:
    return {name: value if isinstance(value, str) else Fraction(value) for name, value in given.items()}


def _words(text: str) -> list[str]:
    """Words in order; every kind of white space, U+00A0 included, is only a separator."""
    return unicodedata.normalize("NFC", text).split()


# --- structure ---


def test_counts_and_total_are_those_of_the_annex() -> None:
    level = _level()
    kinds = [node.kind for node in level.all_nodes()]
    assert (kinds.count("main"), kinds.count("group"), len(kinds)) == (7, 36, 43)
    assert (len(level.criteria), level.printed_rows) == (91, 93)
    assert level.max_points == 228
    assert level.basis == "decision"


def test_group_maxima_are_printed_and_equal_their_rows() -> None:
    groups = {node.code: node for node in _level().all_nodes() if node.kind == "group"}
    assert {code: group.max_points for code, group in groups.items()} == GROUP_MAXIMA
    assert {code: group.sum_points for code, group in groups.items()} == GROUP_MAXIMA


def test_main_totals() -> None:
    assert {node.code: node.sum_points for node in _level().nodes} == MAIN_TOTALS


def test_codes_follow_their_group_and_only_one_is_not_the_printed_one() -> None:
    level = _level()
    for criterion in level.criteria:
        group = level.group_of(criterion.code).code
        assert criterion.code == group or criterion.code.startswith(f"{group}."), criterion.code
    assert [(c.code, c.printed_code) for c in level.criteria if c.code != c.printed_code] == [("1.1.3-2", "1.1.3")]


def test_two_pairs_of_rows_share_a_criterion() -> None:
    shared = {c.code: [line.printed_code for line in c.lines] for c in _level().criteria if c.lines}
    assert shared == {"5.8": ["5.8.1", "5.8.2"], "5.9": ["5.9.1", "5.9.2"]}


def test_bindings_are_exactly_the_metrics_that_can_supply_figures() -> None:
    found = {
        (criterion.code, spec.name): (spec.binding.metric, spec.binding.part, spec.binding.scope)
        for criterion in _level().criteria
        for spec in criterion.inputs
        if spec.binding is not None
    }
    assert found == BINDINGS
    assert {metric for metric, _, _ in found.values()} <= set(load_metrics())


def test_what_the_decision_leaves_unstated_is_unstated() -> None:
    framework = load_framework(ID)
    assert {getattr(framework.policies, name) for name in MAY_BE_UNSTATED} == {"unstated"}
    assert (framework.policies.evidence, framework.policies.supplements) == ("statement", "open")
    assert (framework.decimals, framework.rank_on, framework.window) == (2, "published", "year")


# --- points by hand ---

POINTS: list[tuple[str, Given, Fraction]] = [
    # Freshness tiers that overlap: the best one that holds; a week is 7 days, a month 30.
    ("1.1.1", {"column": "yes", "days": 0}, Fraction(2)),
    ("1.1.1", {"column": "yes", "days": 6}, Fraction(2)),
    ("1.1.1", {"column": "yes", "days": 7}, Fraction(3, 2)),
    ("1.1.1", {"column": "yes", "days": 29}, Fraction(3, 2)),
    ("1.1.1", {"column": "yes", "days": 30}, Fraction(1)),
    ("1.1.1", {"column": "no"}, Fraction(0)),
    # Count at a fifth of a point each, up to the maximum.
    ("1.1.2", {"documents": 3}, Fraction(3, 5)),
    ("1.1.2", {"documents": 10}, Fraction(2)),
    ("1.1.2", {"documents": 11}, Fraction(2)),
    # Composite: 2 + (1/2 + 1/3) / 2 * 3; at most 3 for the events, 3 for the two ratios.
    ("1.1.3", {"e": 2, "a": 10, "b": 20, "c": 30, "d": 90}, Fraction(13, 4)),
    ("1.1.3", {"e": 9, "a": 20, "b": 20, "c": 90, "d": 90}, Fraction(6)),
    # The second row printed 1.1.3.
    ("1.1.3-2", {"held": "yes"}, Fraction(2)),
    ("1.1.3-2", {"held": "no"}, Fraction(0)),
    # Fixed points per answer.
    ("1.2.1", {"head": "leader"}, Fraction(3)),
    ("1.2.1", {"head": "deputy"}, Fraction(2)),
    ("1.2.1", {"head": "other"}, Fraction(0)),
    # Two counts: 3 * 0.5 + 2 * 0.2; vice chairs alone stop at half; together they stop at the maximum.
    ("1.2.2", {"chair_meetings": 3, "vice_chair_meetings": 2}, Fraction(19, 10)),
    ("1.2.2", {"chair_meetings": 0, "vice_chair_meetings": 7}, Fraction(7, 5)),
    ("1.2.2", {"chair_meetings": 0, "vice_chair_meetings": 40}, Fraction(3, 2)),
    ("1.2.2", {"chair_meetings": 4, "vice_chair_meetings": 40}, Fraction(3)),
    # A document gives the maximum, else a fifth of a point per statement.
    ("1.2.3", {"directive": "yes"}, Fraction(3)),
    ("1.2.3", {"directive": "no", "statements": 4}, Fraction(4, 5)),
    ("1.2.3", {"directive": "no", "statements": 99}, Fraction(3)),
    # 3 for a thematic resolution, 1 per other document, 4 at most.
    ("1.3.1", {"thematic": "yes", "others": 0}, Fraction(3)),
    ("1.3.1", {"thematic": "yes", "others": 5}, Fraction(4)),
    ("1.3.1", {"thematic": "no", "others": 2}, Fraction(2)),
    ("1.3.3", {"documents": 2}, Fraction(2)),
    ("1.3.3", {"documents": 4}, Fraction(3)),
    ("2.1.1", {"issued": "yes"}, Fraction(3)),
    ("2.2.1", {"documents": 7}, Fraction(5)),
    # The share counts only where the plan is issued.
    ("2.2.3", {"plan": "yes", "digitised": 30, "valid": 80}, Fraction(3, 4)),
    ("2.2.3", {"plan": "no", "digitised": 30, "valid": 80}, Fraction(0)),
    # A quarter of the maximum.
    ("2.3.2", {"team": "leader"}, Fraction(2)),
    ("2.3.2", {"team": "other"}, Fraction(1, 2)),
    ("2.3.2", {"team": "none"}, Fraction(0)),
    # The larger of unit (2) and staff (1/2 each, 1 at most).
    ("2.3.4", {"unit": "yes", "staff": 1}, Fraction(2)),
    ("2.3.4", {"unit": "no", "staff": 1}, Fraction(1, 2)),
    ("2.3.4", {"unit": "no", "staff": 5}, Fraction(1)),
    # Linear to 1 %: 6 of 1,000 is 0.6 of the threshold.
    ("2.4.1", {"it_spending": 6, "total_spending": 1000}, Fraction(12, 5)),
    ("2.4.1", {"it_spending": 10, "total_spending": 1000}, Fraction(4)),
    # Linear to 10 %.
    ("2.4.2", {"security_spending": 4, "it_spending": 100}, Fraction(2, 5)),
    ("2.4.2", {"security_spending": 30, "it_spending": 100}, Fraction(1)),
    ("2.4.3", {"published": 3, "required": 8}, Fraction(3, 8)),
    # Computers per official, capped at 1 by the note.
    ("3.1.1", {"a": 400, "b": 300}, Fraction(3, 4)),
    ("3.1.1", {"a": 400, "b": 401}, Fraction(1)),
    ("3.1.3", {"a": 1, "b": 2}, Fraction(1)),
    ("3.1.2", {"a": 400, "b": 500}, Fraction(1)),
    # Plain share.
    ("3.2.1", {"a": 9, "b": 6}, Fraction(2, 3)),
    ("3.4.2", {"converted": 1, "systems": 3}, Fraction(1, 3)),
    # Half of the maximum.
    ("3.5.1", {"soc": "connected"}, Fraction(1)),
    ("3.5.1", {"soc": "unconnected"}, Fraction(1, 2)),
    ("3.7.1", {"a": 700, "b": 100}, Fraction(3, 7)),
    ("3.7.2", {"a": 3, "b": 2}, Fraction(4, 3)),
    # Here the printed ratio is a/b, with b = 119.
    ("4.1.2", {"a": 34, "b": 119}, Fraction(6, 7)),
    ("4.1.3", {"a": 17, "b": 119}, Fraction(3, 7)),
    ("4.2.3", {"a": 51, "b": 119}, Fraction(6, 7)),
    ("5.1.1", {"a": 3, "b": 1}, Fraction(2, 3)),
    # Two-term weighted ratio: 120/400 * 2/2 + 280/400 * 2.
    ("5.2.1", {"a": 400, "b": 120, "c": 280}, Fraction(17, 10)),
    ("5.2.2", {"a": 8, "b": 2, "c": 1}, Fraction(1, 2)),
    ("5.2.3", {"a": 400, "b": 400, "c": 0}, Fraction(1)),
    ("5.3.3", {"a": 8, "b": 3}, Fraction(3, 4)),
    # «Có» is 100 %.
    ("5.4.1", {"a": 30, "b": 29}, Fraction(0)),
    ("5.4.2", {"a": 30, "b": 29}, Fraction(0)),
    ("5.4.3", {"a": 30, "b": 29}, Fraction(0)),
    ("5.4.4", {"a": 30, "b": 30}, Fraction(1)),
    # Linear to 50 %.
    ("5.7.1", {"a": 10, "b": 4}, Fraction(8, 5)),
    # Branch: 1200/1800 < 80 %, so 300/1800 * 5 + 1200/1800 * 10; just below and at 80 %.
    ("5.8", {"a": 1800, "b": 300, "c": 1200}, Fraction(15, 2)),
    ("5.8", {"a": 100, "b": 21, "c": 79}, Fraction(179, 20)),
    ("5.8", {"a": 100, "b": 0, "c": 80}, Fraction(10)),
    ("5.8", {"a": 100, "b": 80, "c": 0}, Fraction(4)),
    # Pooled share (10 + 25) / (50 + 50), half of 70 %.
    ("5.9", {"a": 50, "b": 10, "c": 50, "d": 25}, Fraction(5)),
    ("5.9", {"a": 50, "b": 20, "c": 50, "d": 50}, Fraction(10)),
    # Linear to 60 %.
    ("5.10.1", {"a": 1000, "b": 450}, Fraction(3)),
    ("5.10.2", {"a": 1000, "b": 599}, Fraction(599, 200)),
    ("5.10.3", {"a": 1000, "b": 600}, Fraction(3)),
    # Linear to 80 %.
    ("5.11.1", {"a": 10, "b": 6}, Fraction(3, 2)),
    # a is already a percentage.
    ("5.12.1", {"a": 30}, Fraction(3, 5)),
    ("5.12.1", {"a": 50}, Fraction(1)),
    # Hard step.
    ("5.12.2", {"total": 1000, "postal": 199}, Fraction(0)),
    ("5.12.2", {"total": 1000, "postal": 200}, Fraction(1)),
    ("5.13.2", {"provided": 9, "required": 12}, Fraction(3, 4)),
    # Visits per inhabitant, capped by our reading.
    ("5.13.3", {"visits": 1, "population": 4}, Fraction(1, 4)),
    ("5.13.3", {"visits": 9, "population": 4}, Fraction(1)),
    ("6.1.1", {"protected": 2, "systems": 3}, Fraction(10, 3)),
    # Only servers count.
    ("6.3.1", {"protected": 5, "systems": 6}, Fraction(25, 6)),
    # Linear to 10 %, 80 % (not the title's 100 %), 5 % and 30 %.
    ("7.1.1", {"a": 1000, "b": 25}, Fraction(1)),
    ("7.1.2", {"a": 50, "b": 30}, Fraction(9, 4)),
    ("7.1.2", {"a": 50, "b": 40}, Fraction(3)),
    ("7.1.3", {"a": 1000, "b": 10}, Fraction(3, 5)),
    ("7.2.1", {"programme": "planned"}, Fraction(3, 2)),
    ("7.2.2", {"programme": "planned"}, Fraction(3, 2)),
    ("7.2.3", {"a": 21, "b": 10}, Fraction(20, 7)),
    # Mean number of courses, linear to three.
    ("7.2.4", {"a": 20, "b": 30}, Fraction(3, 2)),
    ("7.2.4", {"a": 20, "b": 80}, Fraction(3)),
    ("7.2.6", {"a": 100, "b": 7}, Fraction(7, 10)),
]


@pytest.mark.parametrize(("code", "given", "points"), POINTS)
def test_points_by_hand(code: str, given: Given, points: Fraction) -> None:
    criterion = _criterion(code)
    blocked = exact.Block(exact.BlockKind.OPEN, ())
    # What a case does not name is open, so that a case also shows which inputs a branch may do without.
    values = {spec.name: _values(given).get(spec.name, blocked) for spec in criterion.inputs}
    assert set(given) <= set(values)
    assert exact.evaluate(criterion.expression, values, criterion.max_fraction) == points


PLAIN_SHARES = [
    "3.2.1", "3.2.2", "3.3.1", "3.3.2", "3.3.3", "3.4.2", "3.5.2", "3.7.1", "3.7.2", "4.1.1", "4.2.1", "4.2.2", "4.2.4",
    "4.3.1", "5.1.1", "5.3.2", "5.3.3", "5.5.1", "5.6.1", "5.13.1", "5.13.2", "6.1.1", "6.2.1", "6.2.2", "6.2.3",
    "6.3.1", "7.2.3", "7.2.5", "2.4.3", "4.1.2", "4.1.3", "4.2.3",
]  # fmt: skip
INVERTED = {"4.1.2", "4.1.3", "4.2.3"}
"""Printed a/b; everywhere else a is the whole and b the part."""


@pytest.mark.parametrize("code", PLAIN_SHARES)
def test_a_third_earns_a_third(code: str) -> None:
    criterion = _criterion(code)
    names = [spec.name for spec in criterion.inputs]
    if names == ["a", "b"]:
        part, whole = ("a", "b") if code in INVERTED else ("b", "a")
    else:
        part, whole = names  # named inputs are written part first
    values = _values({part: 50, whole: 150})
    assert exact.evaluate(criterion.expression, values, criterion.max_fraction) == Fraction(criterion.max_points) / 3


def test_yes_and_no() -> None:
    """The criteria that ask only whether something is there: everything or nothing."""
    asked = [c for c in _level().criteria if [spec.option_values for spec in c.inputs] == [("yes", "no")]]
    assert " ".join(c.code for c in asked) == (
        "1.1.3-2 1.2.4 1.3.2 2.1.1 2.1.2 2.1.3 2.2.2 2.2.4 2.2.5 2.3.1 2.3.3 3.4.1 3.6.1 5.14.1 5.14.2 5.14.3 5.14.4"
    )
    for criterion in asked:
        (name,) = (spec.name for spec in criterion.inputs)
        for answer, points in (("yes", criterion.max_fraction), ("no", Fraction(0))):
            assert exact.evaluate(criterion.expression, {name: answer}, criterion.max_fraction) == points, (
                criterion.code
            )


BEST: dict[str, dict[str, int | str]] = {
    "1.1.1": {"column": "yes", "days": 0},
    "1.1.3": {"e": 3, "a": 1, "b": 1, "c": 1, "d": 1},
    "1.2.1": {"head": "leader"},
    "2.3.2": {"team": "leader"},
    "3.5.1": {"soc": "connected"},
    "5.2.1": {"a": 1, "b": 0, "c": 1},
    "5.2.2": {"a": 1, "b": 0, "c": 1},
    "5.2.3": {"a": 1, "b": 0, "c": 1},
    "5.8": {"a": 1, "b": 0, "c": 1},
    "5.12.1": {"a": 100},
    "7.2.1": {"programme": "deployed"},
    "7.2.2": {"programme": "deployed"},
    "7.2.4": {"a": 1, "b": 3},
}


def test_a_perfect_province_has_the_maximum_of_every_criterion() -> None:
    for criterion in _level().criteria:
        kinds = {spec.kind for spec in criterion.inputs}
        best = BEST.get(criterion.code)
        if best is None:
            # Otherwise: yes to everything; parts equal to their wholes, one count large enough for any cap.
            many = 1000 if kinds <= {"count", "option"} else 1
            best = {spec.name: "yes" if spec.kind == "option" else many for spec in criterion.inputs}
        values = _values(best)
        assert exact.evaluate(criterion.expression, values, criterion.max_fraction) == criterion.max_points, (
            criterion.code
        )
        assert all(exact.holds(test, values) for test in criterion.requirements), criterion.code


# --- figures that cannot be ---


@pytest.mark.parametrize(
    ("code", "given", "is_met"),
    [
        ("1.1.3", {"a": 20, "b": 20, "c": 1, "d": 2}, True),
        ("1.1.3", {"a": 21, "b": 20, "c": 1, "d": 2}, False),
        ("1.1.3", {"a": 1, "b": 20, "c": 3, "d": 2}, False),
        ("2.2.3", {"digitised": 9, "valid": 8}, False),
        ("3.2.1", {"a": 9, "b": 10}, False),
        ("3.7.2", {"a": 3, "b": 3}, True),
        ("3.7.2", {"a": 3, "b": 4}, False),
        ("4.1.2", {"a": 119, "b": 119}, True),
        ("4.1.2", {"a": 120, "b": 119}, False),
        ("5.2.1", {"a": 400, "b": 200, "c": 200}, True),
        ("5.2.1", {"a": 400, "b": 200, "c": 201}, False),
        ("5.8", {"a": 100, "b": 20, "c": 80}, True),
        ("5.8", {"a": 100, "b": 21, "c": 80}, False),
        ("5.9", {"a": 50, "b": 51, "c": 50, "d": 1}, False),
        ("5.9", {"a": 50, "b": 1, "c": 50, "d": 51}, False),
        ("5.10.2", {"a": 5, "b": 6}, False),
        ("5.12.2", {"total": 5, "postal": 6}, False),
    ],
)
def test_parts_may_not_exceed_the_whole(code: str, given: Given, is_met: bool) -> None:
    assert all(exact.holds(test, _values(given)) is True for test in _criterion(code).requirements) is is_met


def test_only_what_may_exceed_one_goes_without_a_requirement() -> None:
    """Shares are held to 1 everywhere but where the note or our reading caps them, or where b is no part of a."""
    free = {
        criterion.code
        for criterion in _level().criteria
        if not criterion.require and sum(spec.kind in ("count", "number") for spec in criterion.inputs) > 1
    }
    assert free == {"1.2.2", "3.1.1", "3.1.2", "3.1.3", "5.13.3", "7.2.4"}


def test_pay_gov_services_are_no_part_of_a_by_definition() -> None:
    assert [spec.part_of for spec in _criterion("3.7.2").inputs] == [None, None]


def test_a_share_of_nothing_has_no_worth() -> None:
    criterion = _criterion("5.9")
    worth = exact.evaluate(criterion.expression, _values({"a": 0, "b": 0, "c": 0, "d": 0}), criterion.max_fraction)
    assert worth == exact.Block(exact.BlockKind.ZERO_DENOMINATOR, ("a", "c"))


def test_the_printed_formula_of_visits_has_no_cap() -> None:
    criterion = _criterion("5.13.3")
    values = _values({"visits": 9, "population": 4})
    assert exact.evaluate(criterion.printed_expression, values, criterion.max_fraction) == Fraction(9, 4)


# --- the transcription against the seed ---


@pytest.fixture(scope="module")
def annex(shared_dir: Path) -> str:
    """The printed rows of Annex IV, from below the table's head to the end of row 7.2.6."""
    (seed,) = (shared_dir / "seeds").glob("002_*.txt")
    text = unicodedata.normalize("NFC", seed.read_text(encoding="utf-8"))
    text = text[text.index("\nPHỤ LỤC IV\n") :]
    start, end = text.index("CHÍNH QUYỀN SỐ\n\n"), text.index("Nội dung văn bản đang được cập nhật")
    return text[text.index("\n1\n\n", start) : end]


def _as_printed(level: Level) -> Iterator[str]:
    """The framework's texts in the order in which the annex prints them."""
    for main in level.nodes:
        yield from (main.code, main.name)
        for group in main.nodes:
            yield from (group.code, group.name, str(group.max_points))
            for criterion in group.criteria:
                rows = [(line.printed_code, line.name) for line in criterion.lines]
                first, *others = rows or [(criterion.printed_code, criterion.name)]
                yield from (*first, criterion.rule, str(criterion.max_points), criterion.remark or "")
                for row in others:
                    yield from row


def test_the_transcription_is_the_annex_word_by_word(annex: str) -> None:
    """Both ways at once: nothing of the annex is missing, nothing is added, and the order is the printed one."""
    printed, ours = _words(annex), [word for text in _as_printed(_level()) for word in _words(text)]
    for position, (left, right) in enumerate(zip(printed, ours, strict=False)):
        assert left == right, " ".join(printed[max(0, position - 12) : position + 3])
    assert len(printed) == len(ours)


def test_lines_are_paragraphs_of_the_annex(annex: str) -> None:
    """Line ends of rules and remarks are those of the print; two paragraphs were broken in mid-sentence there."""
    paragraphs = {" ".join(_words(line)) for line in annex.split("\n")}
    mended = {
        (criterion.code, line)
        for criterion in _level().criteria
        for text in (criterion.name, criterion.rule, criterion.remark or "")
        for line in text.split("\n")
        if line and line not in paragraphs
    }
    # The names of 5.8 and 5.9 are those of their groups, so they are paragraphs too.
    assert sorted(code for code, _ in mended) == ["1.2.3", "5.14.4"]


# --- the loader refuses a wrong sum ---


@pytest.mark.parametrize(("code", "group"), [("1.1.3-2", "1.1"), ("5.8", "5.8"), ("5.10.2", "5.10"), ("7.2.6", "7.2")])
def test_half_a_point_more_is_refused_with_the_groups_code(code: str, group: str) -> None:
    text = (DATA / f"{ID}.yaml").read_text(encoding="utf-8")
    pattern = rf'(- code: "{re.escape(code)}"\n +printed_code: .*\n +name: .*\n +max_points: \d+)\n'
    changed, count = re.subn(pattern, r"\g<1>.5\n", text)
    assert count == 1
    with pytest.raises(DataFileError, match=rf"{ID}\.yaml:\d+: .*node {re.escape(group)}, field max_points: printed"):
        parse_model(changed, f"{ID}.yaml", Framework)


def test_a_lost_row_is_refused() -> None:
    text = (DATA / f"{ID}.yaml").read_text(encoding="utf-8")
    changed = text.replace("printed_rows: 93", "printed_rows: 92")
    assert changed != text
    with pytest.raises(DataFileError, match="printed_rows should be 92, found 93"):
        parse_model(changed, f"{ID}.yaml", Framework)
