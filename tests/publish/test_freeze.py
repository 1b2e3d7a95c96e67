"""`dti publish`: what may be frozen as a result, what is refused and told, and the files to take along.

Not here: what the files look like inside (`test_table_files.py`).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from pathlib import Path

import pytest
from small_installation import (
    NIGHT,
    Dti,
    command_line,
    edit,
    fresh,
    hand_in_again,
    refused,
    run_small,
    write_small,
)
from sqlmodel import Session, select

from dti_pipeline import night as steps
from dti_pipeline.night import Workspace
from dti_pipeline.publish.freeze import NotReady, freeze
from dti_pipeline.settings import Settings
from dti_pipeline.store.tables import PublicationRow

BRVT = "brvt-2022-h00-2026"
NINH_THUAN = "ninh-thuan-2021-h00-2026"
WORKING = "Phụ lục tạm – không phải phụ lục chính thức của Quyết định 3710/QĐ-UBND"
BY = "Người chốt (hư cấu)"


@pytest.fixture(scope="module")
def working_once(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three departments and three districts under a working annex, appraised, nothing open."""
    units = ["H00.01", "H00.02", "H00.17", "H00.21", "H00.22", "H00.23"]
    work = write_small(tmp_path_factory.mktemp("working"), BRVT, ["department", "district"], units)
    edit(work.settings.assessments_folder / f"{BRVT}.yaml", lambda data: data.update(year=2025, status="appraised"))
    work = fresh(work)
    run_small(work)
    return work


@pytest.fixture(scope="module")
def official_once(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The province under Ninh Thuận's own annex, appraised for a year that is over; what is missing was chosen to be 0,
    so nothing is open."""
    work = write_small(tmp_path_factory.mktemp("official"), NINH_THUAN, ["province"])
    edit(
        work.settings.assessments_folder / f"{NINH_THUAN}.yaml",
        lambda data: data.update(year=2025, status="appraised", choices={"missing": "zero"}),
    )
    work = fresh(work)
    run_small(work)
    return work


def copied(work: Workspace, home: Path) -> Workspace:
    work.engine.dispose()
    shutil.copytree(work.settings.home, home, dirs_exist_ok=True)
    return Workspace(Settings(home=home, clock=work.settings.clock))


@pytest.fixture
def working(working_once: Workspace, tmp_path: Path) -> Workspace:
    return copied(working_once, tmp_path / "dti")


@pytest.fixture
def official(official_once: Workspace, tmp_path: Path) -> Workspace:
    return copied(official_once, tmp_path / "dti")


@pytest.fixture
def dti(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dti:
    return command_line(tmp_path / "dti", monkeypatch, capsys)


def records(work: Workspace) -> list[PublicationRow]:
    with Session(work.engine) as session:
        rows = list(session.exec(select(PublicationRow)).all())
        session.expunge_all()
    return rows


def set_status(work: Workspace, assessment: str, status: str) -> Workspace:
    edit(work.settings.assessments_folder / f"{assessment}.yaml", lambda data: data.update(status=status))
    return fresh(work)


def assert_nothing_written(work: Workspace) -> None:
    assert records(work) == []
    assert not work.settings.publications_folder.exists()


# --- refused ---


def test_a_working_annex_is_refused_with_what_to_do(working: Workspace, dti: Dti) -> None:
    told = refused(dti("publish", "freeze", BRVT, "--by", BY))
    first, *reasons = told.splitlines()
    assert first == "chưa chốt được:"
    assert len(reasons) == 2
    for reason, level in zip(reasons, ("Cấp sở, ban, ngành", "Cấp huyện"), strict=True):
        assert reason.startswith(f"- {level}: {WORKING}; ")
        assert "dti frameworks import" in reason
        assert "--rehearsal" in reason
    assert_nothing_written(working)


def test_an_open_cell_is_refused_with_the_units(official: Workspace, dti: Dti) -> None:
    path = official.settings.assessments_folder / f"{NINH_THUAN}.yaml"
    edit(path, lambda data: data.pop("choices"))
    run_small(fresh(official))
    told = refused(dti("publish", "freeze", "ninh-thuan-2021", "--by", BY))
    assert told == "chưa chốt được:\n- Cấp tỉnh: 1 đơn vị còn tạm tính (H00)\n"
    assert_nothing_written(official)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("open", "đang mở"),
        ("self_scoring_closed", "đã khóa tự chấm"),
        ("frozen", "đã chốt"),
        ("published", "đã công bố"),
    ],
)
def test_only_an_appraised_assessment_is_frozen(official: Workspace, status: str, words: str) -> None:
    work = set_status(official, NINH_THUAN, status)
    with pytest.raises(NotReady) as told:
        freeze(work, NINH_THUAN, NIGHT, by=BY)
    (_, reason) = str(told.value).splitlines()
    assert f"đang ở trạng thái «{words}» ({status})" in reason
    assert "chỉ chốt khi status là appraised" in reason
    assert_nothing_written(work)


def test_everything_that_stands_in_the_way_is_told_at_once(working: Workspace) -> None:
    work = set_status(working, BRVT, "open")
    with pytest.raises(NotReady) as told:
        freeze(work, BRVT, NIGHT, by=" ")
    assert [line.split(" ")[1] for line in str(told.value).splitlines()[1:]] == ["Cấp", "Cấp", "đợt", "chưa"]
    assert_nothing_written(work)


@pytest.mark.parametrize("rehearsal", [False, True])
def test_a_night_without_tables_is_refused_even_as_a_rehearsal(official: Workspace, dti: Dti, rehearsal: bool) -> None:
    more = ["--rehearsal"] if rehearsal else []
    told = refused(dti("publish", "freeze", NINH_THUAN, "--by", BY, "--night", "2026-10-14", *more))
    assert told == "chưa chốt được:\n- Cấp tỉnh: đêm này chưa có bảng xếp hạng; chạy dti night\n"
    assert_nothing_written(official)


def test_nobody_freezes_namelessly(official: Workspace, dti: Dti) -> None:
    assert refused(dti("publish", "freeze", NINH_THUAN, "--by", "  ")) == "chưa chốt được:\n- chưa ghi ai chốt (--by)\n"
    assert "--by" in refused(dti("publish", "freeze", NINH_THUAN))
    assert_nothing_written(official)


# --- frozen ---


def test_a_rehearsal_is_written_recorded_as_one_and_only_once(working: Workspace, dti: Dti) -> None:
    first = dti("publish", "freeze", BRVT, "--by", BY, "--rehearsal", "--json").data
    assert (first["assessment"], first["night"], first["rehearsal"], first["is_new"]) == (
        BRVT,
        "2026-10-15",
        True,
        True,
    )
    folder = working.settings.publications_folder / "frozen" / BRVT / "2026-10-15-dien-tap"
    assert Path(first["folder"]) == folder
    assert sorted(first["files"]) == [
        f"{BRVT}.{level}.2026-10-15.{kind}" for level in ("department", "district") for kind in ("csv", "xlsx")
    ]
    bodies = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name: hashlib.sha256(body).hexdigest() for name, body in bodies.items()} == first["files"]
    (record,) = records(working)
    assert (record.assessment, record.night, record.is_rehearsal, record.frozen_by) == (BRVT, "2026-10-15", True, BY)
    assert json.loads(record.files) == first["files"]

    again = dti("publish", "freeze", "brvt-2022", "--by", BY, "--rehearsal", "--json").data
    assert again == first | {"is_new": False}
    assert len(records(working)) == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == bodies


def test_an_official_annex_without_open_cells_is_frozen_as_the_result(official: Workspace, dti: Dti) -> None:
    answer = dti("publish", "freeze", NINH_THUAN, "--by", BY)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("Đã chốt 2 tệp vào ")
    assert f"đổi status thành frozen trong assessments/{NINH_THUAN}.yaml" in answer.out
    folder = official.settings.publications_folder / "frozen" / NINH_THUAN / "2026-10-15-chinh-thuc"
    assert sorted(path.suffix for path in folder.iterdir()) == [".csv", ".xlsx"]
    assert not any("Phụ lục tạm" in path.read_text(encoding="utf-8-sig") for path in folder.glob("*.csv"))
    (record,) = records(official)
    assert (record.is_rehearsal, record.frozen_by) == (False, BY)

    # By whomever: the same tables are one result.
    assert not freeze(official, NINH_THUAN, NIGHT, by="Người khác (hư cấu)").is_new
    assert len(records(official)) == 1
    # A rehearsal beside it is another record in another folder.
    assert freeze(official, NINH_THUAN, NIGHT, by=BY, rehearsal=True).folder != folder
    assert sorted(item.is_rehearsal for item in records(official)) == [False, True]


def test_a_year_that_is_not_over_is_not_frozen(official: Workspace) -> None:
    edit(official.settings.assessments_folder / f"{NINH_THUAN}.yaml", lambda data: data.update(year=2026))
    with pytest.raises(NotReady, match="kỳ báo cáo đến hết 31/12/2026 chưa kết thúc"):
        freeze(fresh(official), NINH_THUAN, NIGHT, by=BY)
    assert_nothing_written(official)


def test_a_result_is_not_replaced_by_another_one(official: Workspace) -> None:
    frozen = freeze(official, NINH_THUAN, NIGHT, by=BY)
    bodies = {path.name: path.read_bytes() for path in frozen.folder.iterdir()}
    hand_in_again(
        official,
        NINH_THUAN,
        "self-report.csv",
        lambda text: text.replace(",1.1.2,documents,8,reported", ",1.1.2,documents,7,reported"),
    )
    run_small(fresh(official))
    with pytest.raises(NotReady) as told:
        freeze(fresh(official), NINH_THUAN, NIGHT, by=BY)
    (_, reason) = str(told.value).splitlines()
    assert f"{NINH_THUAN} đã được chốt theo đêm 2026-10-15 ({BY}) với nội dung khác" in reason
    assert len(records(official)) == 1
    assert {path.name: path.read_bytes() for path in frozen.folder.iterdir()} == bodies


# --- tables to take along ---


def test_tables_of_every_level_in_both_formats(working: Workspace, dti: Dti, tmp_path: Path) -> None:
    out = tmp_path / "out"
    listed = dti("publish", "table", BRVT, "--out", out, "--json").data
    names = [f"{BRVT}.{level}.2026-10-15.{kind}" for level in ("department", "district") for kind in ("csv", "xlsx")]
    assert [Path(item["file"]).name for item in listed] == names
    assert sorted(path.name for path in out.iterdir()) == names
    for item in listed:
        assert hashlib.sha256(Path(item["file"]).read_bytes()).hexdigest() == item["sha256"]
    lines = list(csv.reader(io.StringIO((out / names[2]).read_text(encoding="utf-8-sig"))))
    with_rank = steps_table(working, "district")
    assert [(line[0], line[1]) for line in lines[1:4]] == with_rank
    assert [WORKING] in lines
    assert records(working) == []


def steps_table(work: Workspace, level: str) -> list[tuple[str, str]]:
    result = steps.result_of(work, BRVT, level, NIGHT)
    return [(str(line.rank), line.unit.code) for line in result.units]


def test_one_level_in_one_format(working: Workspace, dti: Dti, tmp_path: Path) -> None:
    out = tmp_path / "out"
    answer = dti("publish", "table", "brvt-2022", "--level", "district", "--format", "xlsx", "--out", out)
    name = f"{BRVT}.district.2026-10-15.xlsx"
    assert (answer.code, answer.out) == (0, f"{out / name}\n")
    assert [path.name for path in out.iterdir()] == [name]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((BRVT, "--format", "pdf"), "--format is csv, xlsx or both, not «pdf»"),
        ((BRVT, "--level", "commune"), f"{BRVT} has no level «commune»; it has department, district"),
        ((BRVT, "--night", "2026-10-14"), f"that night has no ranked table of {BRVT}; run it with: dti night"),
        ((BRVT, "--night", "14/10/2026"), "«14/10/2026» is not a date"),
        (("hue-2024",), f"no assessment «hue-2024»; known: {BRVT}"),
    ],
)
def test_a_table_that_there_is_not_is_refused_and_nothing_written(
    working: Workspace, dti: Dti, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    out = tmp_path / "out"
    assert refused(dti("publish", "table", *arguments, "--out", out)).startswith(says)
    assert not out.exists()
