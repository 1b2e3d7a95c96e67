"""Assessment files against a made-up decision: what they may say, and what each wrong one is told."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from dti_pipeline.datafiles import DataFileError, parse_model
from dti_pipeline.frameworks import assessment as module
from dti_pipeline.frameworks.assessment import Assessment, load_assessments, read_assessment
from dti_pipeline.frameworks.loader import UnknownFramework
from dti_pipeline.frameworks.model import Framework
from dti_pipeline.scoring.engine import Ruling, UnitRef
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import CellState
from dti_pipeline.units.registry import Registry, Unit


def a_level(name: str, code: str, more: str = "") -> str:
    return f"""
  - level: {name}
    name: Cấp {name}
    basis: decision
    stated: {{}}{more}
    nodes:
      - code: {code}
        kind: group
        name: Nhóm
        criteria:
          - code: {code}.1
            printed_code: {code}.1
            name: Tiêu chí
            max_points: 10
            rule: chấm điểm
            formula: points
            inputs: [{{name: points, label: điểm, kind: number}}]
            clause: Phụ lục
"""


FRAMEWORK = f"""
id: thu
decision: {{number: 01/QĐ-THU, issued_on: 2026-01-01, issuer: UBND tỉnh Thực Hành, title: Bộ chỉ số thử}}
province: tỉnh Thực Hành (đơn vị hư cấu)
window: year
policies: {{missing: zero, not_applicable: rescale}}
ratings: unstated
calendar:
  - {{event: submission, levels: [commune], set_by: district, clause: III.1.b}}
  - {{event: supplement, levels: [commune], set_by: district, clause: III.1.b}}
  - {{event: appraisal, levels: [commune], clause: III.2.b}}
  - {{event: submission, levels: [department], before: {{day: 30, month: 11}}, clause: III.1.a}}
levels:
{a_level("department", "S")}
{a_level("commune", "X", more=chr(10) + "    window: unstated")}
"""

HEAD = "framework: thu\nyear: 2026\nprovinces: [H00]\n"
WINDOWS = "windows:\n  commune: {from: {day: 1, month: 1}, to: {day: 15, month: 11}}\n"
DEPARTMENTS = HEAD + "levels: [department]\n"
COMMUNES = HEAD + "levels: [commune]\n" + WINDOWS


@pytest.fixture(autouse=True)
def framework(monkeypatch: pytest.MonkeyPatch) -> Framework:
    made_up = parse_model(FRAMEWORK, "thu.yaml", Framework)

    def load(framework_id: str) -> Framework:
        if framework_id != "thu":
            raise UnknownFramework(framework_id)
        return made_up

    monkeypatch.setattr(module, "load_framework", load)
    return made_up


def assessed(text: str, folder: Path, name: str = "thu-2026") -> Assessment:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return read_assessment(path)


def refused(text: str, folder: Path, name: str = "thu-2026") -> str:
    """What the one refusal says; a valid file fails the test."""
    with pytest.raises(DataFileError) as raised:
        assessed(text, folder, name)
    told = str(raised.value)
    assert told.startswith(f"{name}.yaml:")
    assert "\n" not in told
    return told


def test_a_province_stands_once_and_levels_are_not_an_empty_list(tmp_path: Path) -> None:
    twice = refused("framework: thu\nyear: 2026\nprovinces: [H00, H00]\nlevels: [department]\n", tmp_path)
    assert "provinces: stands twice: H00" in twice
    assert "levels" in refused(HEAD + "levels: []\n" + WINDOWS, tmp_path)


def test_the_least_that_an_assessment_says(tmp_path: Path, framework: Framework) -> None:
    found = assessed(HEAD + WINDOWS, tmp_path)
    assert (found.id, found.framework, found.year, found.provinces) == ("thu-2026", "thu", 2026, ("H00",))
    assert (found.status, found.is_live) == ("open", True)
    assert [level.level for level in found.scored_levels(framework)] == ["department", "commune"]
    assert [level.level for level in assessed(DEPARTMENTS, tmp_path).scored_levels(framework)] == ["department"]


@pytest.mark.parametrize(
    ("status", "is_live"),
    [("open", True), ("self_scoring_closed", True), ("appraised", True), ("frozen", False), ("published", False)],
)
def test_nights_score_it_until_it_is_frozen(status: str, is_live: bool, tmp_path: Path) -> None:
    assert assessed(DEPARTMENTS + f"status: {status}\n", tmp_path).is_live is is_live


# --- dates ---


def deadline(text: str, folder: Path) -> dt.datetime | None:
    found = assessed(DEPARTMENTS + f"calendar: {{levels: {{department: {{submission: {text}}}}}}}\n", folder)
    return found.calendar.levels["department"].submission


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-12-20", "2026-12-20T16:59:59+00:00"),
        ("2026-12-20T17:00:00+07:00", "2026-12-20T10:00:00+00:00"),
        ('"2026-12-20"', "2026-12-20T16:59:59+00:00"),
        ('"2026-12-20T17:00:00+07:00"', "2026-12-20T10:00:00+00:00"),
        ("2026-12-20T17:00:00Z", "2026-12-20T17:00:00+00:00"),
    ],
)
def test_a_date_means_the_end_of_its_day_in_vietnam(text: str, utc: str, tmp_path: Path) -> None:
    assert deadline(text, tmp_path) == dt.datetime.fromisoformat(utc)


def test_a_moment_needs_its_offset(tmp_path: Path) -> None:
    for text in ("2026-12-20T17:00:00", '"2026-12-20T17:00:00"'):
        told = refused(DEPARTMENTS + f"calendar: {{guidance: {text}}}\n", tmp_path)
        assert "field calendar.guidance: 2026-12-20T17:00:00 needs its offset, such as +07:00" in told
    told = refused(DEPARTMENTS + "calendar: {guidance: cuối năm}\n", tmp_path)
    assert "«cuối năm» is not a date (2026-12-20) or a moment (2026-12-20T17:00:00+07:00)" in told


def test_deadlines_stand_in_order_and_the_refusal_names_level_and_both_dates(tmp_path: Path) -> None:
    told = refused(
        DEPARTMENTS + "calendar:\n  levels:\n    department: {submission: 2026-12-20, appraisal: 2026-12-19}\n",
        tmp_path,
    )
    assert "thu-2026.yaml:5: field calendar:" in told
    assert "department: appraisal (19/12/2026 23:59:59) is before submission (20/12/2026 23:59:59)" in told
    assert "the order is guidance, submission, supplement, appraisal, publication" in told


def test_guidance_and_publication_are_held_to_the_order_without_any_level(tmp_path: Path) -> None:
    told = refused(DEPARTMENTS + "calendar: {guidance: 2026-10-02, publication: 2026-10-01}\n", tmp_path)
    assert "calendar: publication (01/10/2026 23:59:59) is before guidance (02/10/2026 23:59:59)" in told


def test_a_day_that_no_calendar_has_names_the_file(tmp_path: Path) -> None:
    told = refused(DEPARTMENTS + "calendar: {guidance: 2026-02-30}\n", tmp_path)
    assert "a date that no calendar has" in told


@pytest.mark.parametrize(
    ("early", "late"),
    [
        ("guidance: 2026-10-02, levels: {department: {submission: 2026-10-01}}", "submission (01/10"),
        ("guidance: 2026-10-02, levels: {department: {appraisal: 2026-10-01}}", "appraisal (01/10"),
        ("levels: {department: {submission: 2026-10-02, supplement: 2026-10-01}}", "supplement (01/10"),
        ("levels: {department: {supplement: 2026-10-02, appraisal: 2026-10-01}}", "appraisal (01/10"),
        ("levels: {department: {appraisal: 2026-10-02}}, publication: 2026-10-01", "publication (01/10"),
        ("levels: {department: {submission: 2026-10-02}}, publication: 2026-10-01", "publication (01/10"),
    ],
)
def test_every_pair_of_events_is_held_to_the_order(early: str, late: str, tmp_path: Path) -> None:
    assert f"department: {late}" in refused(DEPARTMENTS + f"calendar: {{{early}}}\n", tmp_path)
    same_day = early.replace("10-01", "10-02")
    assert assessed(DEPARTMENTS + f"calendar: {{{same_day}}}\n", tmp_path).calendar


def test_moments_are_compared_whatever_their_offsets(tmp_path: Path) -> None:
    # 18:00 in Hanoi is 11:00 UTC: an appraisal at 12:00 UTC is later, one at 10:00 UTC is not.
    pair = "calendar: {{levels: {{department: {{submission: 2026-12-20T18:00:00+07:00, appraisal: {}}}}}}}\n"
    assert assessed(DEPARTMENTS + pair.format("2026-12-20T12:00:00Z"), tmp_path)
    told = refused(DEPARTMENTS + pair.format("2026-12-20T10:00:00Z"), tmp_path)
    assert "appraisal (20/12/2026 17:00:00) is before submission (20/12/2026 18:00:00)" in told


# --- districts ---

DISTRICT = """
calendar:
  levels:
    commune:
      submission: 2026-11-01
      appraisal: 2026-12-01
      districts:
        H00.90: {submission: 2026-11-20}
"""


def test_a_district_has_its_own_dates_event_by_event(tmp_path: Path) -> None:
    text = DISTRICT.replace("appraisal", "supplement: 2026-11-22\n      appraisal")
    text += "        H00.91: {supplement: 2026-11-25}\n"
    deadlines = assessed(COMMUNES + text, tmp_path).calendar.levels["commune"]

    def dates(parent: str | None) -> list[tuple[str, str]]:
        return [(name, f"{moment:%d/%m}") for name, moment in deadlines.of(parent).in_order()]

    assert dates("H00.90") == [("submission", "20/11"), ("supplement", "22/11"), ("appraisal", "01/12")]
    assert dates("H00.91") == [("submission", "01/11"), ("supplement", "25/11"), ("appraisal", "01/12")]
    assert dates("H00.92") == [("submission", "01/11"), ("supplement", "22/11"), ("appraisal", "01/12")]
    assert dates(None) == dates("H00.92")


def test_a_districts_dates_are_held_to_the_order_with_the_levels(tmp_path: Path) -> None:
    told = refused(COMMUNES + DISTRICT.replace("2026-11-20", "2026-12-20"), tmp_path)
    assert "commune, district H00.90: appraisal (01/12/2026 23:59:59) is before submission (20/12/2026" in told


def test_districts_date_only_what_the_decision_leaves_to_them(tmp_path: Path) -> None:
    told = refused(COMMUNES + DISTRICT.replace("{submission: 2026-11-20}", "{appraisal: 2026-12-02}"), tmp_path)
    assert (
        "calendar.levels.commune.districts.H00.90: 01/QĐ-THU does not leave appraisal of this level to districts: "
        "give one date for all"
    ) in told
    # Submission is left to districts for communes, not for departments.
    text = DEPARTMENTS + "calendar: {levels: {department: {districts: {H00.90: {submission: 2026-11-20}}}}}\n"
    assert "districts.H00.90: 01/QĐ-THU does not leave submission of this level" in refused(text, tmp_path)
    assert assessed(COMMUNES + DISTRICT.replace("submission: 2026-11-20", "supplement: 2026-11-25"), tmp_path)


# --- windows ---


def test_a_window_is_given_exactly_where_the_decision_leaves_it_open(tmp_path: Path) -> None:
    told = refused(HEAD + "levels: [commune]\n", tmp_path)
    assert "windows: 01/QĐ-THU leaves the window of commune open: give it" in told
    told = refused(DEPARTMENTS + WINDOWS.replace("commune", "department"), tmp_path)
    assert "windows: 01/QĐ-THU itself gives the window of department: remove it" in told
    assert assessed(DEPARTMENTS, tmp_path).windows == {}


def test_the_period_is_the_decisions_the_assessments_or_the_districts(tmp_path: Path, framework: Framework) -> None:
    text = HEAD + (
        "windows:\n  commune:\n    from: {day: 1, month: 1}\n    to: {day: 15, month: 11}\n"
        "    districts:\n      H00.90: {from: {day: 15, month: 10, year: -1}, to: {day: 15, month: 10}}\n"
    )
    found = assessed(text, tmp_path)
    night = dt.date(2027, 2, 3)

    def period(level: str, parent: str | None) -> Period:
        return found.period(framework, framework.level(level), UnitRef("U", "Đơn vị", parent), night)

    assert period("department", "H00") == (dt.date(2026, 1, 1), dt.date(2026, 12, 31))
    assert period("commune", "H00.91") == (dt.date(2026, 1, 1), dt.date(2026, 11, 15))
    assert period("commune", None) == (dt.date(2026, 1, 1), dt.date(2026, 11, 15))
    assert period("commune", "H00.90") == (dt.date(2025, 10, 15), dt.date(2026, 10, 15))


def test_a_window_that_ends_before_it_starts_is_refused(tmp_path: Path) -> None:
    told = refused(COMMUNES.replace("{day: 1, month: 1}", "{day: 15, month: 12}"), tmp_path)
    assert "the window ends before it starts; is a `year: -1` missing?" in told


# --- choices ---


def test_a_choice_is_only_for_what_the_decision_leaves_open(tmp_path: Path) -> None:
    for name, choice, says in (("missing", "zero", "zero"), ("not_applicable", "peer_mean", "rescale")):
        told = refused(DEPARTMENTS + f"choices: {{{name}: {choice}}}\n", tmp_path)
        assert f"choices.{name}: 01/QĐ-THU itself says {says}" in told
        assert told.endswith("remove it")


def test_a_choice_stands_where_one_scored_level_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = FRAMEWORK.replace("    name: Cấp commune\n", "    name: Cấp commune\n    unstated: [missing]\n")
    partly = parse_model(text, "thu.yaml", Framework)
    monkeypatch.setattr(module, "load_framework", lambda framework_id: partly)
    choice = "choices: {missing: zero}\n"
    assert assessed(HEAD + WINDOWS + choice, tmp_path).choices.missing == "zero"
    assert assessed(COMMUNES + choice, tmp_path).choices.missing == "zero"
    assert "choices.missing: 01/QĐ-THU itself says zero" in refused(DEPARTMENTS + choice, tmp_path)


def test_choices_reach_the_scoring(tmp_path: Path) -> None:
    text = "choices: {excluded: leave_maximum, not_appraised: zero, document: Công văn 1, ratings: [%s]}\n"
    bands = "{name: Tốt, from: 90}, {name: Yếu, from: 0}"
    choices = assessed(DEPARTMENTS + text % bands, tmp_path).choices.choices
    assert (choices.missing, choices.not_applicable) == (None, None)
    assert (choices.excluded, choices.not_appraised, choices.document) == ("leave_maximum", "zero", "Công văn 1")
    assert [(band.name, band.least) for band in choices.ratings or ()] == [("Tốt", 90), ("Yếu", 0)]


def test_all_four_ways_for_not_applicable_and_no_fifth(
    tmp_path: Path, framework: Framework, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = parse_model(FRAMEWORK.replace("missing: zero, not_applicable: rescale", ""), "thu.yaml", Framework)
    monkeypatch.setattr(module, "load_framework", lambda framework_id: silent)
    for way in ("zero", "peer_mean", "rescale", "prorate"):
        found = assessed(DEPARTMENTS + f"choices: {{not_applicable: {way}, missing: zero}}\n", tmp_path).choices.choices
        assert (found.not_applicable, found.missing) == (way, "zero")
    assert "choices.not_applicable" in refused(DEPARTMENTS + "choices: {not_applicable: skip}\n", tmp_path)


@pytest.mark.parametrize("bands", ["{name: Tốt, from: 90}", "{name: Yếu, from: 0}, {name: Tốt, from: 90}", ""])
def test_bands_go_down_to_0(bands: str, tmp_path: Path) -> None:
    told = refused(DEPARTMENTS + f"choices: {{ratings: [{bands}]}}\n", tmp_path)
    assert "ratings: bands go from the best down in per cent, each once, the last one from 0" in told


def test_ratings_are_chosen_only_where_the_decision_wants_them_without_bands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rated = parse_model(FRAMEWORK.replace("ratings: unstated", "ratings: none"), "thu.yaml", Framework)
    monkeypatch.setattr(module, "load_framework", lambda framework_id: rated)
    told = refused(DEPARTMENTS + "choices: {ratings: [{name: Đạt, from: 0}]}\n", tmp_path)
    assert "choices.ratings: 01/QĐ-THU leaves no ratings to choose: remove them" in told


# --- names that exist nowhere ---


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("levels: [province]\n", "levels"),
        ("calendar: {levels: {province: {submission: 2026-12-01}}}\n", "calendar.levels"),
        ("windows: {province: {from: {day: 1, month: 1}, to: {day: 2, month: 1}}}\n", "windows"),
    ],
)
def test_a_level_that_the_framework_does_not_have_is_refused(text: str, field: str, tmp_path: Path) -> None:
    told = refused(HEAD + text, tmp_path)
    assert f"{field}: thu has no level province; it has department, commune" in told


def test_an_unknown_framework_is_refused_with_those_there_are(tmp_path: Path) -> None:
    told = refused(DEPARTMENTS.replace("thu", "khac"), tmp_path)
    assert "no framework «khac»; known: " in told
    assert "qd766-2022" in told


RULING = "rulings:\n  - {{unit: H00.01, criterion: {}, state: {}, reason: nộp muộn, document: Công văn 5}}\n"


def test_rulings_belong_to_a_criterion_and_reach_its_level_only(tmp_path: Path, framework: Framework) -> None:
    told = refused(DEPARTMENTS + RULING.format("S.9", "zero_late"), tmp_path)
    assert "rulings: no level of thu has criterion «S.9»" in told
    assert "field rulings.0.state" in refused(DEPARTMENTS + RULING.format("S.1", "scored"), tmp_path)
    found = assessed(DEPARTMENTS + RULING.format("S.1", "zero_late"), tmp_path)
    assert found.rulings_of(framework.level("department")).cells == {
        ("H00.01", "S.1"): Ruling(CellState.ZERO_LATE, "nộp muộn (Công văn 5)")
    }
    assert found.rulings_of(framework.level("commune")).cells == {}


def test_exempt_and_unappraised_units_with_their_papers(tmp_path: Path, framework: Framework) -> None:
    text = (
        "exempt: [{unit: H00.01, reason: đặc thù, document: QĐ 9}]\n"
        "not_appraised: [{unit: H00.02, reason: không thẩm định}]\n"
    )
    rulings = assessed(DEPARTMENTS + text, tmp_path).rulings_of(framework.level("department"))
    assert (rulings.exempt, rulings.not_appraised) == ({"H00.01": "đặc thù (QĐ 9)"}, {"H00.02": "không thẩm định"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("exempt: [{unit: U, reason: a}, {unit: U, reason: b}]\n", "exempt, not_appraised: stands twice: U"),
        ("exempt: [{unit: U, reason: a}]\nnot_appraised: [{unit: U, reason: b}]\n", "not_appraised: stands twice: U"),
        ("units: [U, U]\n", "units: stands twice: U"),
        ("not_appraised: [{unit: U, reason: a}, {unit: U, reason: b}]\n", "not_appraised: stands twice: U"),
        (RULING.format("S.1", "excluded") + RULING.format("S.1", "zero_late").removeprefix("rulings:\n"),
         "rulings: stands twice: H00.01, S.1"),
    ],
)  # fmt: skip
def test_nothing_is_ruled_twice(text: str, told: str, tmp_path: Path) -> None:
    assert told in refused(DEPARTMENTS + text, tmp_path)


REGISTRY = Registry(
    units=tuple(
        Unit(code=code, name=f"Đơn vị {code}", level=level, fictional=True)
        for code, level in (("H00", "province"), ("H00.01", "department"), ("H00.90", "district"))
    )
)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (DEPARTMENTS.replace("[H00]", "[H00, H77]"), "provinces: H77"),
        (DEPARTMENTS + "units: [H00.01, H00.77]\n", "units: H00.77"),
        (DEPARTMENTS + "lead_unit: H00.77\n", "lead_unit: H00.77"),
        (DEPARTMENTS + "exempt: [{unit: H00.77, reason: a}]\n", "exempt: H00.77"),
        (DEPARTMENTS + "not_appraised: [{unit: H00.77, reason: a}]\n", "not_appraised: H00.77"),
        (DEPARTMENTS + RULING.format("S.1", "zero_late").replace("H00.01", "H00.77"), "rulings: H00.77"),
        (COMMUNES + DISTRICT.replace("H00.90", "H00.77"), "calendar.levels.commune.districts: H00.77"),
        (COMMUNES.replace("15, month: 11}}", "15, month: 11}, districts: {H00.77: "
         "{from: {day: 1, month: 1}, to: {day: 2, month: 1}}}}"), "windows.commune.districts: H00.77"),
    ],
)  # fmt: skip
def test_every_unit_that_is_named_must_be_registered(text: str, field: str, tmp_path: Path) -> None:
    found = assessed(text, tmp_path)
    with pytest.raises(DataFileError) as raised:
        found.check_units(REGISTRY)
    assert str(raised.value) == f"thu-2026.yaml: not in the registry of units: {field}"


def test_a_unit_of_another_province_is_refused(tmp_path: Path) -> None:
    elsewhere = Registry(
        units=(
            *REGISTRY.units,
            Unit(code="H99", name="Tỉnh khác", level="province", fictional=True),
            Unit(code="H99.01", name="Sở khác", level="department", parent="H99", fictional=True),
        )
    )
    item = assessed(DEPARTMENTS + "exempt: [{unit: H99.01, reason: a}]\n", tmp_path)
    with pytest.raises(DataFileError, match=r"not of the assessed provinces \(H00\): exempt: H99.01"):
        item.check_units(elsewhere)


def test_registered_units_pass(tmp_path: Path) -> None:
    text = COMMUNES + "lead_unit: H00.01\nexempt: [{unit: H00.01, reason: a}]\n" + DISTRICT
    assessed(text, tmp_path).check_units(REGISTRY)


# --- files ---


def test_a_wrong_key_names_file_line_and_field(tmp_path: Path) -> None:
    told = refused(DEPARTMENTS + "calender: {}\n", tmp_path)
    assert told.startswith("thu-2026.yaml:5: field calender: Extra inputs are not permitted")
    told = refused(DEPARTMENTS + "choices:\n  missing: zero\n  not_aplicable: zero\n", tmp_path)
    assert told.startswith("thu-2026.yaml:7: field choices.not_aplicable:")
    told = refused(DEPARTMENTS + "status: closed\n", tmp_path)
    assert told.startswith("thu-2026.yaml:5: field status:")


def test_the_id_is_the_files_name(tmp_path: Path) -> None:
    assert assessed("id: thu-2026\n" + DEPARTMENTS, tmp_path).id == "thu-2026"
    told = refused("id: thu-2025\n" + DEPARTMENTS, tmp_path)
    assert told == "thu-2026.yaml: field id: «thu-2025» is not the name of the file"


def test_a_framework_year_and_province_are_assessed_once(tmp_path: Path) -> None:
    def write(name: str, **changes: Any) -> None:
        text = DEPARTMENTS
        for old, new in changes.items():
            text = text.replace({"year": "2026", "provinces": "[H00]"}[old], new)
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")

    write("b-2026")
    write("a-2025", year="2025")
    write("c-2026", provinces="[H01, H02]")
    assert [item.id for item in load_assessments(tmp_path)] == ["a-2025", "b-2026", "c-2026"]
    write("d-2026", provinces="[H03, H02]")
    with pytest.raises(DataFileError) as raised:
        load_assessments(tmp_path)
    assert str(raised.value) == "d-2026.yaml: thu, 2026, H02 is already assessed by c-2026.yaml"


def test_no_folder_means_no_assessments(tmp_path: Path) -> None:
    assert load_assessments(tmp_path / "absent") == ()
