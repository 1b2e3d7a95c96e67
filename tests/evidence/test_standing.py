"""Which submission speaks for a cell, whether its papers are good enough, and what the cell is where they are not."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import pytest

from dti_pipeline.evidence.deadlines import Due
from dti_pipeline.evidence.model import EvidenceRef, Grade, Verdict, file_key
from dti_pipeline.evidence.standing import NOTHING, CellReport, Rules, Spoken, Upload, cell_report
from dti_pipeline.scoring.states import CellState

VIETNAM = dt.timezone(dt.timedelta(hours=7))
DUE = Due(submission=dt.datetime(2026, 12, 10, 23, 59, 59, tzinfo=VIETNAM))
EARLY, LATER, LATE, LATEST = (dt.datetime(2026, 12, day, 12, tzinfo=VIETNAM) for day in (1, 9, 11, 12))
STRICT = Rules(late="zero", evidence_required=True, signatures_required=True, missing_is_zero=True)
PAPERS = replace(STRICT, signatures_required=False)
SILENT = Rules(late=None, evidence_required=False, signatures_required=False, missing_is_zero=False)
ACCEPTS = replace(PAPERS, late="accept")

FIRST = Spoken("S1", 1, EARLY, False, (EvidenceRef("bao-cao.pdf"),))
SECOND = Spoken("S2", 2, LATER, False, (EvidenceRef("bao-cao.pdf"),))
TOO_LATE = Spoken("S3", 3, LATE, False, (EvidenceRef("bao-cao.pdf"),))


def blank(item: Spoken) -> Spoken:
    return replace(item, is_blank=True, evidence=())


def citing(*names: str) -> Spoken:
    return replace(FIRST, evidence=tuple(EvidenceRef(name) for name in names))


def arrived(*named: tuple[str, str, dt.datetime]) -> dict[str, list[Upload]]:
    found: dict[str, list[Upload]] = {}
    for upload, name, moment in named:
        found.setdefault(file_key(name), []).append(Upload(upload, name, moment))
    return found


ONE_FILE = arrived(("F1", "bao-cao.pdf", EARLY))


def report(
    spoken: Sequence[Spoken],
    rules: Rules = STRICT,
    files: Mapping[str, Sequence[Upload]] = ONE_FILE,
    verdicts: Mapping[str, Verdict] | Verdict = Verdict.VERIFIED,
    due: Due = DUE,
) -> CellReport:
    def verdict_of(item: Upload) -> tuple[Verdict, str] | None:
        verdict = verdicts if isinstance(verdicts, Verdict) else verdicts.get(item.id)
        return None if verdict is None else (verdict, f"vì {verdict.value}")

    return cell_report("1.1", spoken, files, due, rules, verdict_of)


def told(found: CellReport) -> tuple[CellState | None, str]:
    return (found.standing.state, found.standing.reason) if found.standing else (None, "")


def in_force(found: CellReport) -> str | None:
    return found.spoken.submission if found.spoken else None


# --- which submission speaks ---


def test_nobody_spoke() -> None:
    assert report([]) is NOTHING


def test_the_newest_in_time_speaks() -> None:
    found = report([FIRST, SECOND])
    assert (in_force(found), found.is_late, found.grade, found.standing) == ("S2", False, Grade.B, None)


@pytest.mark.parametrize("rules", [STRICT, SILENT, ACCEPTS])
def test_a_late_one_does_not_replace_one_in_time(rules: Rules) -> None:
    found = report([FIRST, TOO_LATE], rules)
    assert (in_force(found), found.is_late, found.standing) == ("S1", False, None)


def test_a_blank_one_in_time_takes_back_what_was_said_and_a_late_one_does_not() -> None:
    found = report([FIRST, blank(SECOND)])
    assert (in_force(found), found.grade, found.standing, found.files) == ("S2", Grade.D, None, ())
    assert in_force(report([FIRST, blank(TOO_LATE)])) == "S1"
    # A blank one counts as nothing said, so it alone is not late.
    assert report([blank(TOO_LATE)]) is NOTHING


@pytest.mark.parametrize("before", [[], [blank(FIRST)]])
@pytest.mark.parametrize(
    ("late", "state", "says"),
    [
        ("zero", CellState.ZERO_LATE, "nộp muộn: nhận lúc 11/12/2026 12:00:00, sau hạn 10/12/2026 23:59:59"),
        (None, CellState.PENDING, "quyết định không nói cách tính (choices: late)"),
        ("accept", None, ""),
    ],
)
def test_only_late(
    before: list[Spoken], late: Literal["zero", "accept"] | None, state: CellState | None, says: str
) -> None:
    found = report([*before, TOO_LATE], replace(PAPERS, late=late))
    assert (in_force(found), found.is_late) == ("S3", True)
    assert told(found)[0] is state
    assert says in told(found)[1]
    assert found.grade is (Grade.B if late == "accept" else Grade.D)
    if found.standing:
        assert found.standing.evidence == ("S3",)


def test_of_two_late_ones_that_are_accepted_the_newest_speaks() -> None:
    last = replace(TOO_LATE, submission="S4", sequence=4, received_at=LATEST)
    assert in_force(report([TOO_LATE, last], ACCEPTS)) == "S4"


def test_a_supplement_that_was_asked_for_replaces_and_one_that_was_not_does_not() -> None:
    asked = Due(DUE.submission, asked={"1.1": dt.datetime(2026, 12, 11, 12, tzinfo=VIETNAM)})
    assert in_force(report([FIRST, TOO_LATE], due=asked)) == "S3"
    elsewhere = Due(DUE.submission, asked={"1.2": LATEST})
    assert in_force(report([FIRST, TOO_LATE], due=elsewhere)) == "S1"


# --- the papers ---


def test_nothing_cited() -> None:
    found = report([citing()])
    assert told(found) == (CellState.ZERO_NO_EVIDENCE, "không có tài liệu kiểm chứng")
    state, why = told(report([citing()], replace(STRICT, missing_is_zero=False)))
    assert (state, why) == (
        CellState.PENDING,
        "không có tài liệu kiểm chứng; quyết định không nói cách tính (choices: missing)",
    )


def test_cited_and_never_handed_in() -> None:
    found = report([citing("bao-cao.pdf", "anh.png")])
    assert told(found) == (CellState.ZERO_NO_EVIDENCE, "tài liệu kiểm chứng đã nêu mà không nộp: «anh.png»")
    assert (found.not_found, [item.id for item in found.files], found.grade) == (("anh.png",), ["F1"], Grade.C)


def test_a_file_is_found_by_its_name_in_any_spelling() -> None:
    name = "Báo cáo Đề án.PDF"
    files = arrived(("F1", unicodedata.normalize("NFD", name.lower()), EARLY))
    found = report([citing(unicodedata.normalize("NFC", name))], files=files)
    assert ([item.id for item in found.files], found.standing) == (["F1"], None)


def test_a_file_replaced_in_time_and_one_replaced_late() -> None:
    files = arrived(
        ("F1", "bao-cao.pdf", EARLY), ("F2", "BAO-CAO.pdf", LATER), ("F3", "bao-cao.pdf", LATE)
    )  # fmt: skip
    for rules in (STRICT, ACCEPTS):
        found = report([FIRST], rules, files)
        assert ([item.id for item in found.files], found.is_late, found.standing) == (["F2"], False, None)


@pytest.mark.parametrize(
    ("late", "state", "is_found"),
    [("zero", CellState.ZERO_LATE, False), (None, CellState.PENDING, False), ("accept", None, True)],
)
def test_a_file_that_only_came_late(
    late: Literal["zero", "accept"] | None, state: CellState | None, is_found: bool
) -> None:
    found = report([FIRST], replace(PAPERS, late=late), arrived(("F1", "bao-cao.pdf", LATE)))
    assert (told(found)[0], found.is_late, bool(found.files)) == (state, True, is_found)
    if found.standing:
        assert "tài liệu «bao-cao.pdf» nhận lúc 11/12/2026 12:00:00, sau hạn 10/12/2026 23:59:59" in told(found)[1]
        assert found.standing.evidence == ("S1", "F1")


def test_a_file_of_an_asked_supplement_completes_an_earlier_report() -> None:
    asked = Due(DUE.submission, asked={"1.1": LATE})
    found = report([FIRST], files=arrived(("F1", "bao-cao.pdf", LATE)), due=asked)
    assert (in_force(found), found.standing, found.is_late) == ("S1", None, False)


WORTH = {
    Verdict.VERIFIED: None,
    Verdict.INCOMPLETE: CellState.ZERO_REJECTED,
    Verdict.WRONG_SIGNER: CellState.ZERO_REJECTED,
    Verdict.ALTERED: CellState.ZERO_REJECTED,
    Verdict.DAMAGED: CellState.ZERO_REJECTED,
    Verdict.LATE: CellState.ZERO_LATE,
    Verdict.EXPIRED: CellState.ZERO_REJECTED,
    Verdict.UNVERIFIABLE: CellState.PENDING,
    Verdict.UNSIGNED: CellState.ZERO_REJECTED,
}


@pytest.mark.parametrize("verdict", Verdict)
def test_what_a_cell_is_by_the_verdict_on_its_paper(verdict: Verdict) -> None:
    state = WORTH[verdict]
    found = report([FIRST], verdicts=verdict)
    assert told(found) == (state, f"tài liệu «bao-cao.pdf»: vì {verdict.value}" if state else "")
    assert found.grade is (Grade.B if verdict is Verdict.VERIFIED else Grade.C)
    # Where the decision demands no signature, any paper will do.
    assert report([FIRST], PAPERS, verdicts=verdict).standing is None


def test_signed_late_where_the_decision_does_not_rule_lateness() -> None:
    state, why = told(report([FIRST], replace(STRICT, late=None), verdicts=Verdict.LATE))
    assert (state, "(choices: late)" in why) == (CellState.PENDING, True)
    assert report([FIRST], replace(STRICT, late="accept"), verdicts=Verdict.LATE).standing is None


def test_not_looked_at_yet() -> None:
    assert told(report([FIRST], verdicts={})) == (
        CellState.PENDING,
        "tài liệu «bao-cao.pdf»: chữ ký số chưa được kiểm tra",
    )


def test_what_is_certain_goes_before_what_waits_in_whatever_order_it_is_cited() -> None:
    files = arrived(("F1", "a.pdf", EARLY), ("F2", "b.pdf", EARLY))
    verdicts = {"F1": Verdict.UNVERIFIABLE, "F2": Verdict.ALTERED}
    for names in (("a.pdf", "b.pdf"), ("b.pdf", "a.pdf")):
        assert told(report([citing(*names)], STRICT, files, verdicts)) == (
            CellState.ZERO_REJECTED,
            "tài liệu «b.pdf»: vì altered",
        )
    # Nobody has ruled lateness, but a paper is lacking altogether.
    late = arrived(("F1", "a.pdf", LATE))
    assert told(report([citing("a.pdf", "b.pdf")], replace(PAPERS, late=None), late))[0] is CellState.ZERO_NO_EVIDENCE


@pytest.mark.parametrize(
    ("names", "verdicts", "grade"),
    [
        (("a.pdf", "b.pdf"), {"F1": Verdict.VERIFIED, "F2": Verdict.VERIFIED}, Grade.B),
        (("a.pdf", "b.pdf"), {"F1": Verdict.VERIFIED, "F2": Verdict.UNSIGNED}, Grade.C),
        (("a.pdf", "b.pdf"), {"F1": Verdict.VERIFIED}, Grade.C),
        (("a.pdf", "gone.pdf"), {"F1": Verdict.VERIFIED}, Grade.C),
        (("gone.pdf",), {}, Grade.D),
        ((), {}, Grade.D),
    ],
)
def test_grades_where_a_statement_alone_stands(
    names: tuple[str, ...], verdicts: dict[str, Verdict], grade: Grade
) -> None:
    files = arrived(("F1", "a.pdf", EARLY), ("F2", "b.pdf", EARLY))
    found = report([citing(*names)], SILENT, files, verdicts)
    assert (found.grade, found.standing) == (grade, None)


def test_one_file_cited_twice_is_one_file() -> None:
    found = report([replace(FIRST, evidence=(EvidenceRef("bao-cao.pdf", "1"), EvidenceRef("Bao-cao.pdf", "7")))])
    assert [item.id for item in found.files] == ["F1"]
