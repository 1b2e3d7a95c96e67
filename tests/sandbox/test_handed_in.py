"""Practice deliveries: the same ones from the same seed, at moments on the right side of deadlines, each taken in once.

Not here: what the cases come to in the ranked tables (`tests/night/test_all_frameworks.py`), what units say of
themselves (`test_practice_reports.py`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from sqlmodel import Session, select

from dti_pipeline.evidence import intake
from dti_pipeline.evidence.intake import HandedFile, units_of_assessment
from dti_pipeline.evidence.model import Refused, Report, Verdict
from dti_pipeline.evidence.reading import check_evidence_file, read_report
from dti_pipeline.evidence.signatures.check import check_signatures
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.night import Workspace
from dti_pipeline.sandbox import handed_in, odd_signatures, practice, practice_ca, report_files, selfreport
from dti_pipeline.sandbox.demo import reports_by_state, write_installation
from dti_pipeline.sandbox.handed_in import Delivery, deliver, deliveries, load_plan
from dti_pipeline.scoring.periods import TIME_ZONE
from dti_pipeline.settings import Settings
from dti_pipeline.store import facts
from dti_pipeline.store.tables import EvidenceFileRow, SubmissionRow

BRVT = "brvt-2022-h00-2026"
HUE = "hue-2024-h00-2026"
FRAMEWORKS = ("brvt-2022", "hue-2024", "bac-giang-2022", "phu-tho-2018")
UNITS = ("H00.16", "H00.25", "H00.26", "H00.21.04", "H00.22.06", "H00.25.05", "H00.26.06", "H00.28.05")
"""Of every kind of delivery, and few enough to be quick."""
OFFICE_OPENS, OFFICE_CLOSES = dt.time(7, 30), dt.time(17, 0)


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The whole practice installation, with nothing handed in."""
    settings = Settings(home=tmp_path_factory.mktemp("province"), clock="2026-10-16T00:30:00+07:00")
    write_installation(settings, "http://127.0.0.1:9")
    settings.sites_file.unlink()
    return Workspace(settings)


def few(home: Path) -> Workspace:
    """BRVT's assessment of a few units."""
    settings = Settings(home=home, clock="2026-10-16T00:30:00+07:00")
    write_installation(settings, "http://127.0.0.1:9", ["brvt-2022"])
    settings.sites_file.unlink()
    file = settings.assessments_folder / f"{BRVT}.yaml"
    data = yaml.safe_load(file.read_text(encoding="utf-8")) | {"units": list(UNITS)}
    file.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return Workspace(settings)


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    work = few(tmp_path_factory.mktemp("few"))
    assert deliver(work) == 10
    return work


def listed(work: Workspace, assessment: str, seed: int = practice.SEED) -> list[Delivery]:
    return deliveries(work, work.assessment(assessment), load_plan(), seed)


def of_unit(work: Workspace, assessment: str, unit: str, seed: int = practice.SEED) -> list[list[HandedFile]]:
    """The deliveries of a unit that hands in for itself, made."""
    return [item.files() for item in listed(work, assessment, seed) if item.units == (unit,)]


def rows(work: Workspace) -> list[SubmissionRow]:
    with Session(work.engine) as session:
        found = list(session.exec(select(SubmissionRow).where(SubmissionRow.assessment == BRVT)).all())
        session.expunge_all()
    return sorted(found, key=lambda row: (row.unit or "", row.sequence))


# --- when ---


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_delivery_has_its_own_moment_in_office_hours_before_the_night(
    province: Workspace, framework: str
) -> None:
    found = listed(province, f"{framework}-h00-2026")
    assert [item.at for item in found] == sorted({item.at for item in found})
    for item in found:
        local = item.at.astimezone(TIME_ZONE)
        assert OFFICE_OPENS <= local.time() <= OFFICE_CLOSES
        assert dt.date(2026, 10, 1) <= local.date() <= dt.date(2026, 10, 15)


def test_what_comes_apart_comes_on_its_own_later_day(province: Workspace) -> None:
    for case in load_plan().cases:
        if case.on is not None:
            own = [item for item in listed(province, f"{case.framework}-h00-2026") if item.units == (case.unit,)]
            *before, last = [item.at.astimezone(TIME_ZONE).date() for item in own]
            assert last == case.on
            assert len(before) == (0 if case.case in ("late", "extended") else 1)
            assert all(day < case.on for day in before)


def test_how_many_deliveries_there_are(province: Workspace) -> None:
    # BRVT: 87 units that are not exempt, one never reports, six hand in twice (one of them a file that is refused
    # first). Huế has no exempt unit; 28 units, 8 districts for their communes, one late.
    counts = {framework: len(listed(province, f"{framework}-h00-2026")) for framework in FRAMEWORKS}
    assert counts == {
        "brvt-2022": 87 - 1 + 6,
        "hue-2024": 28 + 8 + 1,
        "bac-giang-2022": 27 + 8,
        "phu-tho-2018": 27 + 8 + 1 + 1,
    }
    assert listed(province, "ninh-thuan-2021-h00-2026") == []


def test_who_is_on_which_side_of_the_deadline(delivered: Workspace) -> None:
    days: dict[str, list[str]] = {}
    for row in rows(delivered):
        day = dt.datetime.fromisoformat(row.recorded_at).astimezone(TIME_ZONE).date()
        side = "in time" if day <= dt.date(2026, 10, 8) else day.isoformat()
        days.setdefault(row.unit or "?", []).append(f"{row.kind} {row.outcome} {side}")
    report, paper = "accepted", "files accepted"
    assert days == {
        "H00.16": [
            f"workbook {report} in time", f"{paper} in time", f"workbook {report} 2026-10-10", f"{paper} 2026-10-10",
        ],
        "H00.21.04": [
            f"csv {report} in time", f"{paper} in time", f"csv {report} 2026-10-14", f"{paper} 2026-10-14",
        ],
        "H00.22.06": [f"csv {report} 2026-10-11", f"{paper} 2026-10-11"],
        "H00.25": ["files refused in time", f"workbook {report} in time", f"{paper} in time"],
        "H00.25.05": [f"csv {report} 2026-10-09", f"{paper} 2026-10-09"],
        "H00.26": ["workbook accepted_with_problems in time", f"{paper} in time"],
        "H00.28.05": ["files refused in time"],
    }  # fmt: skip


# --- the same again ---


def test_a_second_time_nothing_is_handed_in(delivered: Workspace) -> None:
    before = facts.count_rows(delivered.engine)
    assert deliver(Workspace(delivered.settings)) == 0
    assert facts.count_rows(delivered.engine) == before


def test_after_a_stop_the_rest_is_handed_in(
    delivered: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = few(tmp_path)
    taken: list[str] = []

    def stops(reception: Workspace, assessment: str, files: Sequence[HandedFile], **more: object) -> object:
        if len(taken) == 4:
            raise KeyboardInterrupt
        taken.append(files[0].name)
        return intake.take_in(reception, assessment, files, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(handed_in, "take_in", stops)
        with pytest.raises(KeyboardInterrupt):
            deliver(work)
    assert deliver(work) == 6
    assert facts.canonical_dump(work.engine) == facts.canonical_dump(delivered.engine)


def digests(made: list[list[HandedFile]]) -> list[list[tuple[str, str]]]:
    return [[(file.name, hashlib.sha256(file.body).hexdigest()) for file in files] for files in made]


@pytest.mark.parametrize(("assessment", "unit"), [(BRVT, "H00.07"), (BRVT, "H00.23.02"), (HUE, "H00.12")])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    province: Workspace, assessment: str, unit: str
) -> None:
    first = digests(of_unit(province, assessment, unit))
    handed_in._told.cache_clear()
    handed_in._evidence_list.cache_clear()
    assert digests(of_unit(province, assessment, unit)) == first
    other = digests(of_unit(province, assessment, unit, seed=1))
    assert other[0][0][0] == first[0][0][0]
    assert other[0][0][1] != first[0][0][1]


# --- files ---


def read(work: Workspace, file: HandedFile) -> Report:
    assessment = work.assessment(BRVT)
    return read_report(
        file.body, file.name, assessment, load_framework("brvt-2022"), units_of_assessment(work, assessment)
    )


def test_a_workbook_says_what_a_csv_and_a_json_file_say(province: Workspace) -> None:
    level = load_framework("brvt-2022").level("department")
    units = units_of_assessment(province, province.assessment(BRVT))
    unit = units[practice.SILENT_UNIT][0]
    (files,) = of_unit(province, BRVT, practice.SILENT_UNIT)
    told = selfreport.told(load_framework("brvt-2022"), level, [practice.unit(practice.SILENT_UNIT)])[unit.code]
    main = f"Báo cáo minh chứng {unit.code}.pdf"
    cells = [report_files.Cell(cell, ((main, report_files.page_of(place)),)) for place, cell in enumerate(told)]
    reports = [
        read(province, files[0]),
        read(province, HandedFile("a.csv", report_files.csv_report([(unit, cells)]))),
        read(province, HandedFile("a.json", report_files.json_report(BRVT, [(unit, cells)]))),
    ]
    said = [
        [
            (
                cell.criterion,
                [(item.name, item.value) for item in cell.inputs],
                cell.evidence,
                cell.self_score,
                cell.not_applicable,
            )
            for cell in report.units[0].cells
        ]
        for report in reports
    ]
    assert said[0] == said[1] == said[2]
    assert [len(cells) for cells in said] == [67, 67, 67]
    assert [report.problems for report in reports] == [(), (), ()]
    # 19 criteria ask about procedures, of which this unit has none; every other one has figures and own points.
    requests = [cell for cell in said[0] if cell[4] is not None]
    assert len(requests) == 19
    assert all(value is None for cell in requests for _, value in cell[1])
    assert all(cell[3] is not None for cell in said[0] if cell not in requests)
    assert "Người đứng đầu (họ tên, chức vụ)" in reports[0].units[0].facts


def test_a_workbook_with_wrong_cells_names_each_of_them(delivered: Workspace) -> None:
    ((file, *_),) = of_unit(delivered, BRVT, "H00.26")
    problems = read(delivered, file).problems
    # Two on purpose, and the criterion that was not ready.
    assert [problem.criterion for problem in problems] == ["1.3", "3.2", "6.8"]
    assert all(problem.where.startswith("«Tự chấm» ô J") for problem in problems)
    assert ["khoảng 40" in problem.message for problem in problems] == [True, True, False]
    assert "chưa tổng hợp xong" in problems[2].message


def test_refused_files_are_refused_for_what_they_are(delivered: Workspace) -> None:
    for unit, why in (("H00.25", "macro"), ("H00.28.05", "không phải UTF-8")):
        files = of_unit(delivered, BRVT, unit)[0]
        with pytest.raises(Refused, match=why):
            read(delivered, files[0])


def test_a_second_version_says_something_else(province: Workspace) -> None:
    first, second = of_unit(province, BRVT, "H00.24")
    figures = [
        {cell.criterion: [item.value for item in cell.inputs] for cell in read(province, files[0]).units[0].cells}
        for files in (first, second)
    ]
    changed = {criterion for criterion in figures[1] if figures[0][criterion] != figures[1][criterion]}
    assert changed
    assert changed <= {"2.1", "3.1", "4.1"}


def test_cited_pages_are_where_the_criteria_stand() -> None:
    def pages(lines: int) -> int | None:
        return check_evidence_file(practice_ca.practice_pdf("Danh mục", ["Dòng"] * lines), "a.pdf").pages

    assert (pages(report_files.LINES_ON_FIRST_PAGE), pages(report_files.LINES_ON_FIRST_PAGE + 1)) == (1, 2)
    # The number of the decision is the first line, so the 41 criteria after it are on the first page.
    assert (report_files.page_of(40), report_files.page_of(41)) == ("1", "2")
    for framework in FRAMEWORKS:
        decision = load_framework(framework)
        for level in decision.levels:
            document = check_evidence_file(report_files.evidence_list(decision, level), "a.pdf")
            assert document.pages == int(report_files.page_of(len(level.criteria) - 1)), (framework, level.level)


def test_evidence_of_every_unit_is_kept_under_its_own_name(delivered: Workspace) -> None:
    with Session(delivered.engine) as session:
        files = session.exec(select(EvidenceFileRow.unit, EvidenceFileRow.name)).all()
    assert Counter(unit for unit, _ in files) == {
        "H00.16": 2, "H00.21.04": 2, "H00.22.06": 1, "H00.25": 1, "H00.25.05": 1, "H00.26": 1,
    }  # fmt: skip
    assert all(unit in name for unit, name in files)


# --- signatures that do not hold ---


@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        (odd_signatures.expired, Verdict.EXPIRED),
        (odd_signatures.unverifiable, Verdict.UNVERIFIABLE),
        (lambda pdf, unit, at: odd_signatures.damaged(handed_in._signed(pdf, unit, at)), Verdict.DAMAGED),
        (handed_in._signed, Verdict.VERIFIED),
    ],
    ids=["expired", "unverifiable", "damaged", "good"],
)
def test_odd_signatures_are_odd_in_one_way(province: Workspace, case: handed_in.Finishing, verdict: Verdict) -> None:
    at = dt.datetime(2026, 10, 5, 8, 0, tzinfo=TIME_ZONE)
    body = case(practice_ca.practice_pdf("Báo cáo", ["Dòng"]), "H00.07", at)
    report = check_signatures(
        body,
        unit="H00.07",
        required=("leader", "organisation"),
        signers=province.signing.signers,
        trust=province.signing.trust,
        arrived_at=at + dt.timedelta(hours=1),
        deadline=at + dt.timedelta(days=1),
    )
    assert report.verdict is verdict
    assert body == case(practice_ca.practice_pdf("Báo cáo", ["Dòng"]), "H00.07", at)


# --- the plan ---


def test_the_plan_fits_the_assessments(province: Workspace) -> None:
    plan = load_plan()
    assert len({(case.framework, case.unit) for case in plan.cases}) == len(plan.cases)
    for case in plan.cases:
        assessment = province.assessment(f"{case.framework}-h00-2026")
        level = practice.unit(case.unit).level
        assert plan.way(case.framework, level) is not None
        assert case.unit not in {note.unit for note in (*assessment.exempt, *assessment.not_appraised)}
        codes = {criterion.code for criterion in load_framework(case.framework).level(level).criteria}
        assert set(case.criteria) <= codes, case
    for framework in FRAMEWORKS:
        decision = load_framework(framework)
        assert all(plan.way(framework, level.level) is not None for level in decision.levels)
    for item in plan.disagreements:
        level = practice.unit(item.unit).level
        inputs = {spec.name for spec in load_framework(item.framework).level(level).criterion(item.criterion).inputs}
        assert set(item.says) <= inputs, item
    assert len({(item.framework, item.unit, item.criterion) for item in plan.disagreements}) == len(plan.disagreements)
    # Every case of the list is there.
    assert {case.case for case in plan.cases} == set(handed_in.CaseName.__args__)


def test_a_case_with_a_day_of_its_own_names_it() -> None:
    given = {"framework": "brvt-2022", "unit": "H00.02", "words": "-"}
    with pytest.raises(ValidationError, match="`on` is for"):
        handed_in.Case.model_validate(given | {"case": "late"})
    with pytest.raises(ValidationError, match="`on` is for"):
        handed_in.Case.model_validate(given | {"case": "never", "on": "2026-10-09"})


def test_a_workbook_has_a_place_for_everything_that_is_written(province: Workspace) -> None:
    ((file, *_),) = of_unit(province, BRVT, "H00.01")
    level = load_framework("brvt-2022").level("department")
    cell = report_files.Cell(selfreport.ToldCell(level.criteria[0], "reported", {"a": 7, "b": 5}, None))
    with pytest.raises(KeyError, match="no blank cell J"):
        report_files.fill_workbook(file.body, [cell], {})


# --- what the demo tells ---


def test_units_by_state(delivered: Workspace) -> None:
    section = reports_by_state(delivered)
    # In time: H00.16, H00.25, H00.21.04, and H00.22.06 by its extension; H00.26 has cells to put right; H00.25.05 is
    # late; H00.26.06 never reports and H00.28.05 was refused. Two files were.
    assert section.rows == ((BRVT, 8, 4, 1, 1, 2, 2),)
    assert [column.header for column in section.columns][-2:] == ["chưa báo cáo", "tệp không nhận"]


def test_a_unit_disagrees_by_what_the_plan_says_and_in_nothing_else(
    province: Workspace,
) -> None:
    unit, criterion = "H00.23.02", "6.18"
    (disagreeing,) = of_unit(province, BRVT, unit)
    plan = load_plan().model_copy(update={"disagreements": ()})
    (agreeing,) = (
        item.files() for item in deliveries(province, province.assessment(BRVT), plan) if item.units == (unit,)
    )
    said, usual = (
        {
            (cell.criterion, item.name): item.value
            for cell in read(province, files[0]).units[0].cells
            for item in cell.inputs
        }
        for files in (disagreeing, agreeing)
    )
    changed = {key for key in said if said[key] != usual[key]}
    assert changed == {(criterion, "on_time")}
    # The portal counts 4784 on time.
    on_time = int(said[criterion, "on_time"] or 0)
    assert 4784 * 1080 // 1000 <= on_time <= 4784 * 1140 // 1000
