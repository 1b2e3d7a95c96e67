"""BRVT from handed-in files to the ranked table: what papers are worth, in points counted by hand.

Every unit reports 2.1 (1 point, with a good paper) and 2.4 (half of 1 point, with the paper that the case is about).
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from intake_kit import BRVT, IN_TIME, LATE, at, hand_in, installation, table
from small_installation import edit
from sqlmodel import Session, select

from dti_pipeline import night as steps
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.lineage.explain import explain
from dti_pipeline.lineage.narrate import narrate
from dti_pipeline.night import CurrentFigures, Workspace
from dti_pipeline.quality import frames, schemas
from dti_pipeline.sandbox import practice_ca as ca
from dti_pipeline.store import facts
from dti_pipeline.store.tables import (
    FootnoteRow,
    InputRow,
    ObservationRow,
    RankingRow,
    ScoreRow,
    SignatureCheckRow,
    SnapshotRow,
)  # fmt: skip

NIGHT = dt.date(2026, 10, 15)
SIGNED = dt.datetime.fromisoformat("2026-10-14T09:00:00+07:00")
DEADLINE = dt.datetime.fromisoformat(IN_TIME)

GOOD, NONE, LATE_REPORT, UNSIGNED, ONE_OF_TWO, WRONG, ALTERED, LATE_PAPER, SOURCE = (
    f"H00.{number:02d}" for number in range(1, 10)
)
PAPERS: dict[str, Callable[[bytes, str], bytes]] = {
    GOOD: lambda pdf, unit: ca.sign(pdf, unit, ca.ROLES, SIGNED),
    UNSIGNED: lambda pdf, _unit: pdf,
    ONE_OF_TWO: lambda pdf, unit: ca.sign(pdf, unit, ("leader",), SIGNED),
    WRONG: lambda pdf, unit: ca.wrong_signer(pdf, unit, SIGNED),
    ALTERED: lambda pdf, unit: ca.altered(ca.sign(pdf, unit, ca.ROLES, SIGNED)),
    LATE_REPORT: lambda pdf, unit: ca.sign(pdf, unit, ca.ROLES, SIGNED),
    LATE_PAPER: lambda pdf, unit: ca.sign(pdf, unit, ca.ROLES, SIGNED),
}
STATES = {
    GOOD: ("scored", 500_000, None),
    NONE: ("zero_no_evidence", 0, "không có tài liệu kiểm chứng"),
    LATE_REPORT: ("zero_late", 0, "nộp muộn: nhận lúc 16/10/2026 00:00:00, sau hạn 15/10/2026 23:59:59"),
    UNSIGNED: ("zero_rejected", 0, "tài liệu «chung-minh.pdf»: "),
    ONE_OF_TWO: ("zero_rejected", 0, "tài liệu «chung-minh.pdf»: "),
    WRONG: ("zero_rejected", 0, "tài liệu «chung-minh.pdf»: "),
    ALTERED: ("zero_rejected", 0, "tài liệu «chung-minh.pdf»: "),
    LATE_PAPER: ("zero_late", 0, "nộp muộn: tài liệu «chung-minh.pdf» nhận lúc 16/10/2026 00:00:00"),
    SOURCE: ("zero_no_evidence", 0, "tài liệu kiểm chứng đã nêu mà không nộp: «chung-minh.pdf»"),
}


def harvested(_work: Workspace, _night: dt.date) -> CurrentFigures:
    """3 of 4 sections of SOURCE's portal: 0.75 points in 6.13, and no paper of the unit."""
    when = "2026-10-15T18:00:00+00:00"
    snapshot = SnapshotRow(
        id="s", connector="portal_probe", site="thuc-hanh", night=NIGHT.isoformat(), request="{}", request_sha256="r",
        reading_id="g", url="", headers="{}", warnings="[]", connector_version="1", captured_at=when, dagster_run="",
    )  # fmt: skip

    def observation(metric: str, value: str) -> ObservationRow:
        return ObservationRow(
            id=metric, reading_id="g", connector="portal_probe", site="thuc-hanh", connector_version="1",
            metric=metric, unit=SOURCE, source_unit=SOURCE, unit_name="", period_start=NIGHT.isoformat(),
            period_end=NIGHT.isoformat(), value=value, state="harvested", locator="/", recorded_at=when,
        )  # fmt: skip

    rows = (observation("portal_sections_required", "4"), observation("portal_sections_found", "3"))
    return CurrentFigures(tuple((row, snapshot) for row in rows), (), 0, frozenset(), {})


def night(work: Workspace, level: str = "department") -> None:
    steps.check_signatures(work, BRVT, NIGHT)
    steps.merge_inputs(work, BRVT, NIGHT)
    steps.score(work, BRVT, level, NIGHT)
    steps.rank(work, BRVT, level, NIGHT)


def report(unit: str, evidence: list[str]) -> bytes:
    good = {"2.1": ({"issued": "january"}, ["tot.pdf"]), "2.4": ({"fields": "2"}, evidence)}
    return table(good | ({"6.13": ({"required": "4", "provided": "4"}, [])} if unit == SOURCE else {}), unit)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The installation after its night: everything in time but what LATE_REPORT and LATE_PAPER are about."""
    work = installation(tmp_path_factory.mktemp("brvt"), units=[*PAPERS, NONE, SOURCE])
    ca.install_trust(work.settings.home)
    late = at(work, LATE)
    pdf = ca.practice_pdf("Chứng minh diễn tập", ["Số liệu diễn tập."])
    for unit in (*PAPERS, NONE, SOURCE):
        tot = ("tot.pdf", ca.sign(pdf, unit, ca.ROLES, SIGNED))
        cited = [] if unit == NONE else ["chung-minh.pdf"]
        paper = [("chung-minh.pdf", PAPERS[unit](pdf, unit))] if unit in PAPERS else []
        if unit == LATE_REPORT:
            hand_in(work, tot, *paper, unit=unit)
            hand_in(late, ("bao-cao.csv", report(unit, cited)), unit=unit)
        elif unit == LATE_PAPER:
            hand_in(work, ("bao-cao.csv", report(unit, cited)), tot, unit=unit)
            hand_in(late, *paper, unit=unit)
        else:
            hand_in(work, ("bao-cao.csv", report(unit, cited)), tot, *paper, unit=unit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "current_figures", harvested)
        night(late)
    return late


def of_night(work: Workspace, model: Any, key: Any) -> list[Any]:
    with Session(work.engine) as session:
        rows = facts.live(facts.of_night(session, model, key, NIGHT, BRVT, "department"))
        session.expunge_all()
    return rows


def cells(work: Workspace, criterion: str) -> dict[str, ScoreRow]:
    return {row.unit: row for row in of_night(work, ScoreRow, facts.SCORE_KEY) if row.criterion == criterion}


def test_every_case_ends_in_its_state_with_its_reason(done: Workspace) -> None:
    found = cells(done, "2.4")
    assert found.keys() == STATES.keys()
    for unit, (state, micro, reason) in STATES.items():
        row = found[unit]
        assert (row.state, row.points_micro) == (state, micro), (unit, row.reason)
        assert row.reason == reason if reason is None else (row.reason or "").startswith(reason)


def test_the_totals_by_hand(done: Workspace) -> None:
    totals = {row.unit: row.total_micro for row in of_night(done, RankingRow, facts.RANKING_KEY)}
    expected = dict.fromkeys(STATES, 1_000_000)
    expected |= {GOOD: 1_500_000, LATE_REPORT: 0, SOURCE: 1_750_000}
    assert totals == expected


def test_a_cell_that_a_source_fills_needs_no_papers(done: Workspace) -> None:
    row = cells(done, "6.13")[SOURCE]
    assert (row.state, row.points_micro) == ("scored", 750_000)


def test_grades_stand_exactly_where_there_is_a_value(done: Workspace) -> None:
    rows = of_night(done, InputRow, facts.INPUT_KEY)
    grades = {(row.unit, row.criterion, row.name): row.grade for row in rows if row.grade}
    assert grades[GOOD, "2.4", "fields"] == "B"
    assert grades[SOURCE, "6.13", "provided"] == "A"
    assert {unit: grades[unit, "2.4", "fields"] for unit in (NONE, UNSIGNED, LATE_REPORT, SOURCE)} == {
        NONE: "D", UNSIGNED: "C", LATE_REPORT: "D", SOURCE: "D",
    }  # fmt: skip
    frame = frames.inputs(done, [BRVT], ["department"], NIGHT)
    assert schemas.verify(schemas.INPUTS, frame).passed
    for broken in ("A", None, "E"):
        changed = frame.with_columns(
            frame["grade"].set(frame["origin"] == "self_reported", broken).alias("grade")
        )  # fmt: skip
        assert not schemas.verify(schemas.INPUTS, changed).passed, broken


def test_the_footnotes_say_what_was_rejected_and_by_which_rule(done: Workspace) -> None:
    notes = [row.text for row in of_night(done, FootnoteRow, facts.FOOTNOTE_KEY)]
    (rejected,) = [note for note in notes if "tài liệu kiểm chứng không được chấp nhận" in note]
    assert rejected.startswith("Theo 3710/QĐ-UBND, «Trình tự thực hiện»: ")
    assert any(note.startswith("Theo 3710/QĐ-UBND") and "sau thời hạn" in note for note in notes)
    assert not any("hồ sơ chưa kết luận được" in note for note in notes)


def test_explain_walks_down_to_the_signatures(done: Workspace) -> None:
    chain = explain(done, BRVT, WRONG, "2.4", NIGHT)
    (claim,) = chain["inputs"][0]["claims"]
    assert (claim["file"], claim["sequence"], claim["unit"]) == ("bao-cao.csv", 1, WRONG)
    (paper,) = chain["evidence"]
    assert (paper["name"], paper["verdict"], paper["grade"]) == ("chung-minh.pdf", "wrong_signer", "C")
    assert {item["status"] for item in paper["signatures"]} == {"verified", "wrong_signer"}
    assert chain["standing"]["state"] == "zero_rejected"
    text = "\n".join(narrate(chain))
    for words in ("bao-cao.csv", "lần nộp 1", "hạng C", "chung-minh.pdf", "Không tính theo số liệu"):
        assert words in text
    late = explain(done, BRVT, LATE_REPORT, "2.4", NIGHT)
    assert (late["standing"]["state"], late["inputs"][0]["claims"][0]["is_late"]) == ("zero_late", True)
    (absent,) = explain(done, BRVT, SOURCE, "2.4", NIGHT)["evidence"]
    assert (absent["name"], absent["sha256"], absent["verdict"]) == ("chung-minh.pdf", None, None)


def test_without_a_root_signatures_wait_and_come_right_once_it_is_installed(done: Workspace, tmp_path: Path) -> None:
    done.engine.dispose()
    shutil.copytree(done.settings.home, tmp_path / "home")
    root = tmp_path / "home" / "trust" / "practice-root.pem"
    kept = root.read_bytes()
    root.unlink()
    blind = Workspace(done.settings.model_copy(update={"home": tmp_path / "home"}))
    night(blind)
    found = cells(blind, "2.4")
    assert {unit: found[unit].state for unit in (GOOD, ONE_OF_TWO, NONE, LATE_REPORT)} == {
        GOOD: "pending", ONE_OF_TWO: "zero_rejected", NONE: "zero_no_evidence", LATE_REPORT: "zero_late",
    }  # fmt: skip
    rankings = {row.unit: row for row in of_night(blind, RankingRow, facts.RANKING_KEY)}
    assert (rankings[GOOD].total_micro, rankings[GOOD].is_provisional) == (0, True)
    notes = [row.text for row in of_night(blind, FootnoteRow, facts.FOOTNOTE_KEY)]
    assert any("hồ sơ chưa kết luận được" in note for note in notes)
    root.write_bytes(kept)
    night(Workspace(blind.settings))
    assert cells(blind, "2.4")[GOOD].state == "scored"
    # Every file was looked at once under each set of roots and no more.
    with Session(blind.engine) as session:
        checks = session.exec(select(SignatureCheckRow)).all()
    assert len(checks) == len({(row.file, row.context_sha256) for row in checks}) == 2 * 16


# --- what the operator chose ---


def silent(home: Path, **choices: Any) -> Workspace:
    """Phú Thọ's departments: its decision rules neither lateness nor papers; one unit late, one in time."""
    more: dict[str, Any] = {"choices": {"document": "Quyết định thử 5", **choices}} if choices else {}
    dates = {"levels": {"department": {"submission": "2026-10-15"}}}
    work = installation(home, units=[GOOD, NONE], framework="phu-tho-2018", calendar=dates, **more)
    level = load_framework("phu-tho-2018").level("department")
    spec = next(
        (criterion.code, item.name)
        for criterion in level.criteria
        for item in criterion.inputs
        if item.kind == "count" and not item.binding and len(criterion.inputs) == 1
    )
    for unit, moment in ((GOOD, IN_TIME), (NONE, LATE)):
        hand_in(at(work, moment), ("bao-cao.csv", table({spec[0]: ({spec[1]: "1"}, [])}, unit)))
    late = at(work, LATE)
    night(late)
    late.__dict__["spec"] = SimpleNamespace(code=spec[0])
    return late


@pytest.mark.parametrize(
    ("choices", "states", "words"),
    [
        ({}, ("scored", "pending"), None),
        ({"late": "accept"}, ("scored", "scored"), "[late: accept]"),
        ({"late": "zero"}, ("scored", "zero_late"), "[late: zero]"),
        ({"evidence": "required", "missing": "zero"}, ("zero_no_evidence", "pending"), "[evidence: required]"),
    ],
)
def test_a_choice_that_touched_the_table_is_printed_with_it(
    choices: dict[str, str], states: tuple[str, str], words: str | None, tmp_path: Path
) -> None:
    work = silent(tmp_path / "home", **choices)
    found = cells(work, work.__dict__["spec"].code)
    assert (found[GOOD].state, found[NONE].state) == states
    notes = [row.text for row in of_night(work, FootnoteRow, facts.FOOTNOTE_KEY)]
    chosen = [
        note
        for note in notes
        if note.startswith("Lựa chọn của người vận hành") and ("late" in note or "evidence" in note)
    ]
    if words is None:
        assert chosen == []
    else:
        assert [words in note and "Quyết định thử 5" in note for note in chosen] == [True]


def test_a_choice_that_touched_nothing_is_not_printed(tmp_path: Path) -> None:
    work = silent(tmp_path / "home", late="accept")
    file = work.settings.assessments_folder / f"{BRVT}.yaml"
    edit(file, lambda data: data["calendar"]["levels"]["department"].update(submission="2026-10-19"))
    again = Workspace(work.settings)
    night(again)
    notes = [row.text for row in of_night(again, FootnoteRow, facts.FOOTNOTE_KEY)]
    assert not any("late: accept" in note for note in notes)
