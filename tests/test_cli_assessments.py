"""`dti assessments …` and `dti rankings …` in a small installation: what they print, and what wrong arguments are told.

Not here: every rule of an assessment's file (`tests/frameworks/test_assessments.py`) and the ranks themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_installation import Dti, command_line, edit, fresh, refused, run_small, write_small

HUE = "hue-2024-h00-2026"
LAST_YEAR = "hue-2024-h00-2025"
UNITS = ["H00.21.01", "H00.21.02", "H00.22.01", "H00.22.02"]
"""Two communes of either of two districts; H00.21.02 has nothing to perform in two criteria of its report."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Huế's decision over four communes: 2026 after one night, 2025 frozen and never run. Not to be changed."""
    home = tmp_path_factory.mktemp("cli")
    work = write_small(home, HUE, ["commune"], UNITS)
    run_small(work)
    folder = work.settings.assessments_folder
    (folder / f"{LAST_YEAR}.yaml").write_bytes((folder / f"{HUE}.yaml").read_bytes())

    def last_year(data: dict[str, Any]) -> None:
        data.update(year=2025, status="frozen")
        del data["calendar"]

    edit(folder / f"{LAST_YEAR}.yaml", last_year)
    assert set(fresh(work).assessments) == {HUE, LAST_YEAR}
    return home


@pytest.fixture
def dti(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dti:
    return command_line(home, monkeypatch, capsys)


def assessment(folder: Path, name: str = "phu-tho-2018-h00-2026", **changes: Any) -> Path:
    """A good assessment file, as changed."""
    path = folder / f"{name}.yaml"
    path.write_text("framework: phu-tho-2018\nyear: 2026\nprovinces: [H00]\n", encoding="utf-8")
    edit(path, lambda data: data.update(changes))
    return path


# --- list ---


def test_all_assessments_with_their_status(dti: Dti) -> None:
    first = {"framework": "hue-2024", "provinces": ["H00"], "levels": ["commune"]}
    assert dti("assessments", "list", "--json").data == [
        {"id": LAST_YEAR, "year": 2025, "status": "frozen", "is_live": False} | first,
        {"id": HUE, "year": 2026, "status": "open", "is_live": True} | first,
    ]


def test_the_list_for_people_has_one_line_each(dti: Dti) -> None:
    answer = dti("assessments", "list")
    lines = [line.split() for line in answer.out.splitlines() if line.strip().startswith("hue")]
    assert [(line[0], line[2]) for line in lines] == [(LAST_YEAR, "2025"), (HUE, "2026")]
    assert "đã chốt" in answer.out
    assert "đang mở" in answer.out


def test_an_installation_without_assessments_has_an_empty_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line(tmp_path, monkeypatch, capsys)("assessments", "list", "--json").data == []


# --- show ---


@pytest.mark.parametrize("name", [HUE, "hue-2024"])
def test_one_assessment_by_its_id_or_the_newest_of_a_framework(dti: Dti, name: str) -> None:
    data = dti("assessments", "show", name, "--json").data
    assert (data["id"], data["lead_unit"], data["year"]) == (HUE, "H00.11", 2026)
    calendar = {(row["level"], row["district"], row["event"]): row["last_second"] for row in data["calendar"]}
    day_end = "T23:59:59+07:00"
    # The level's own date, a district's dates instead of it, and the assessment's.
    assert calendar == {
        ("commune", None, "submission"): f"2026-11-20{day_end}",
        ("commune", "H00.21", "submission"): f"2026-11-10{day_end}",
        ("commune", "H00.21", "appraisal"): f"2026-11-25{day_end}",
        ("commune", "H00.24", "submission"): f"2026-11-25{day_end}",
        ("commune", "H00.24", "appraisal"): f"2026-12-10{day_end}",
        (None, None, "publication"): f"2026-12-31{day_end}",
    }
    assert data["choices"] == {"missing": "zero", "document": "Biên bản diễn tập số 02 (hư cấu)"}
    # Chosen is no longer open; what the decision rules never was.
    assert set(data["unstated"]) == {"late", "excluded", "not_appraised", "signatures"}
    assert data["stages"]
    assert all({"name", "levels", "by", "may"} <= set(stage) for stage in data["stages"])
    assert (data["exempt"], data["not_appraised"]) == ([], [])
    assert {ruling["state"] for ruling in data["rulings"]} == {"not_applicable"}


def test_an_assessment_for_people(dti: Dti) -> None:
    out = dti("assessments", "show", HUE).out
    assert out.splitlines()[0] == f"{HUE}: hue-2024, năm 2026, H00, open"
    assert "2026-11-10T23:59:59+07:00" in out
    assert "Lựa chọn: missing = zero" in out
    assert "Quyết định không nói và chưa chọn: late" in out


def test_an_unknown_assessment_is_refused_with_those_there_are(dti: Dti) -> None:
    told = f"no assessment «brvt-2022»; known: {LAST_YEAR}, {HUE}\n"
    assert refused(dti("assessments", "show", "brvt-2022")) == told
    assert refused(dti("assessments", "show", "brvt-2022", "--json")) == told


# --- check ---


def test_a_good_file_is_checked_and_not_used(dti: Dti, home: Path, tmp_path: Path) -> None:
    reason = "không thực hiện đánh giá do tính chất đặc thù"
    file = assessment(tmp_path, exempt=[{"unit": "H00.20", "reason": reason}], status="appraised")
    answer = dti("assessments", "check", file)
    assert (answer.code, answer.out) == (0, "phu-tho-2018-h00-2026.yaml: dùng được\n")
    data = dti("assessments", "check", file, "--json").data
    assert (data["id"], data["status"], data["is_live"]) == ("phu-tho-2018-h00-2026", "appraised", True)
    assert data["exempt"] == [{"unit": "H00.20", "reason": reason, "document": None}]
    assert data["levels"] == ["department", "district", "commune"]
    assert not (home / "assessments" / file.name).exists()


@pytest.mark.parametrize("more", [(), ("--json",)])
@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["luc: 1"], "dot.yaml:4: field luc: Extra inputs are not permitted\n"),
        (
            ["calendar:", "  levels:", "    commune: {submission: 2026-11-10, appraisal: 2026-11-09}"],
            (
                "dot.yaml:4: field calendar: commune: appraisal (09/11/2026 23:59:59) is before submission "
                "(10/11/2026 23:59:59); the order is guidance, submission, supplement, appraisal, publication\n"
            ),
        ),
        (
            ["exempt:", "  - {unit: H00.99, reason: không có}", "lead_unit: H00.98"],
            "dot.yaml: not in the registry of units: exempt: H00.99; lead_unit: H00.98\n",
        ),
        (["levels: [province]"], "phu-tho-2018 has no level province; it has department, district, commune"),
        (["provinces: [H00]"], "dot.yaml: not valid YAML: key «provinces» stands twice (line 4)\n"),
    ],
    ids=["wrong key", "deadlines out of order", "unknown unit", "unknown level", "key twice"],
)
def test_a_wrong_file_is_one_message_and_exit_2(
    dti: Dti, tmp_path: Path, lines: list[str], told: str, more: tuple[str, ...]
) -> None:
    file = assessment(tmp_path, "dot")
    file.write_text(file.read_text(encoding="utf-8") + "\n".join(lines) + "\n", encoding="utf-8")
    # YAML safe_dump writes provinces as a block, in two lines: put it back on one.
    text = file.read_text(encoding="utf-8").replace("provinces:\n- H00\n", "provinces: [H00]\n")
    file.write_text(text, encoding="utf-8")
    message = refused(dti("assessments", "check", file, *more))
    assert message == told if told.endswith("\n") else told in message
    assert message.count("\n") == 1


def test_a_file_that_cannot_be_read_or_has_another_id(dti: Dti, tmp_path: Path) -> None:
    assert "khong-co.yaml: cannot be read" in refused(dti("assessments", "check", tmp_path / "khong-co.yaml"))
    file = assessment(tmp_path, "ten-khac", id="ten-nay")
    told = refused(dti("assessments", "check", file))
    assert told == "ten-khac.yaml: field id: «ten-nay» is not the name of the file\n"


def test_a_broken_file_among_the_assessments_stops_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "assessments").mkdir()
    (tmp_path / "assessments" / "hong.yaml").write_text("framework: khong-co\nyear: 2026\n", encoding="utf-8")
    told = refused(command_line(tmp_path, monkeypatch, capsys)("assessments", "list", "--json"))
    assert told == "hong.yaml:1: field provinces: Field required\n"


# --- rankings ---


@pytest.mark.parametrize("name", [HUE, "hue-2024"])
def test_a_ranked_table_by_assessment_and_by_framework(dti: Dti, name: str) -> None:
    data = dti("rankings", "show", name, "--json").data
    assert (data["assessment"], data["level"], data["night"], data["year"]) == (HUE, "commune", "2026-10-15", 2026)
    assert data["working_annex"] == "Phụ lục tạm – không phải phụ lục chính thức của Quyết định 931/QĐ-UBND"
    rows = {row["unit"]: row for row in data["units"]}
    assert sorted(rows) == UNITS
    # One unit has nothing to perform in two criteria, so its district is on percent and the other one on points.
    assert {code: row["basis"] for code, row in rows.items()} == {
        "H00.21.01": "percent", "H00.21.02": "percent", "H00.22.01": "points", "H00.22.02": "points",
    }  # fmt: skip
    assert {row["unit"] for row in data["units"] if row["max_points"] != "645"} == {"H00.21.02"}
    for pool in ("H00.21", "H00.22"):
        inside = [row for row in data["units"] if row["pool"] == pool]
        assert [row["rank_in_pool"] for row in inside] == [1, 2]
    assert [row["rank"] for row in data["units"]] == [1, 2, 3, 4]
    order = [float(row["percent"]) for row in data["units"]]
    assert order == sorted(order, reverse=True)
    assert data["notes"][0] == f"{data['working_annex']}."


def titles(out: str) -> list[str]:
    return [line.strip() for line in out.splitlines() if line.startswith("931/QĐ-UBND")]


def test_one_table_per_pool_or_one_over_the_level(dti: Dti) -> None:
    head = "931/QĐ-UBND · Cấp xã · năm 2026 · đêm 15/10/2026"
    by_pool = dti("rankings", "show", HUE, "--level", "commune").out
    assert titles(by_pool) == [f"{head} · Thành phố Thực Hành (hư cấu)", f"{head} · Thị xã Minh Họa (hư cấu)"]
    whole = dti("rankings", "show", HUE, "--whole-level").out
    assert titles(whole) == [head]
    first = [line.split()[:2] for line in whole.splitlines() if "H00.2" in line]
    ranked = dti("rankings", "show", HUE, "--json").data["units"]
    assert first == [[str(row["rank"]), row["unit"]] for row in ranked]
    # Over the level one basis orders all, so its score has a column of its own.
    assert "điểm để so" in whole
    assert "điểm để so" not in by_pool
    for out in (by_pool, whole):
        assert "Ghi chú: Phụ lục tạm – không phải phụ lục chính thức của Quyết định 931/QĐ-UBND." in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("brvt-2022",), f"no assessment «brvt-2022»; known: {LAST_YEAR}, {HUE}\n"),
        ((HUE, "--level", "province"), f"{HUE} has no level «province»; give --level: commune"),
        ((HUE, "--night", "15/10/2026"), "«15/10/2026» is not a date"),
    ],
)
def test_a_table_that_cannot_be_is_refused(dti: Dti, arguments: tuple[str, ...], says: str) -> None:
    assert refused(dti("rankings", "show", *arguments, "--json")).startswith(says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((HUE, "--level", "district"), f"{HUE} has no level «district»; give --level: commune"),
        ((HUE, "--night", "2026-10-14"), f"night 2026-10-14 has no ranked table of {HUE}, commune"),
        ((LAST_YEAR,), f"night 2026-10-15 has no ranked table of {LAST_YEAR}, commune"),
    ],
)
def test_a_table_that_no_night_has_is_not_an_empty_table(dti: Dti, arguments: tuple[str, ...], says: str) -> None:
    assert refused(dti("rankings", "show", *arguments)).startswith(says)


def test_an_installation_that_never_ran_a_night_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_small(tmp_path, HUE, ["commune"], UNITS[:1])
    told = refused(command_line(tmp_path, monkeypatch, capsys)("rankings", "show", HUE))
    assert told == "no night has been run yet; run one with: dti night\n"


def test_the_chain_of_a_cell_through_the_command_line(dti: Dti) -> None:
    data = dti("explain", "--assessment", "hue-2024", "--unit", "H00.21.02", "--criterion", "1.5", "--json").data
    assert (data["assessment"], data["state"], data["points"]) == (HUE, "not_applicable", None)
    told = refused(dti("explain", "--framework", HUE, "--unit", "H00.23.01", "--criterion", "1.5"))
    assert f"không có đơn vị «H00.23.01» trong {HUE}" in told
    told = refused(dti("explain", "--framework", HUE, "--unit", "H00.21.02", "--criterion", "0.0"))
    assert "không có tiêu chí «0.0»" in told
