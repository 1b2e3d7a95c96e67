"""A table saved as text, a paragraph per cell: a made-up one, and Annex IV straight from the seed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from annex_kit import codes, read

from dti_pipeline.frameworks.annex import read_annex
from dti_pipeline.frameworks.loader import load_framework

BLANK = "\xa0"
CELLS = (
    "PHỤ LỤC", "BỘ CHỈ SỐ",
    "STT", "Chỉ số", "Tiêu chí", "Cách tính điểm", "Điểm tối đa", "Ghi chú",
    "1", "Nhận thức số", BLANK, BLANK, BLANK,
    "1.1", "Lãnh đạo, chỉ đạo", BLANK, "4,5", BLANK,
    "1.1.1", BLANK, "Có Ban chỉ đạo", "- Có: Điểm tối đa", "- Không có: 0 điểm", "2", BLANK,
    "1.1.2", BLANK, "Số cuộc họp", "Mỗi cuộc họp tính = 0,5 điểm,\ncho đến điểm tối đa", "2,5", BLANK,
    "1.2", "Tuyên truyền", "5,5", BLANK,
    "1.2.1", BLANK, "Tỷ lệ xã có chuyên mục", "Điểm = Tỷ lệ * Điểm tối đa", "5,5",
    "- Tổng số xã (gọi là a);", "- Số xã có chuyên mục (gọi là b);", "- Tỷ lệ = b/a", BLANK,
    "Văn bản liên quan", "Đăng nhập",
)  # fmt: skip


def _text(*cells: str) -> bytes:
    return "\n\n".join(cells).encode()


def test_a_table_saved_as_paragraphs() -> None:
    report = read(_text(*CELLS), "a.txt")
    assert report.errors == ()
    assert report.level is not None
    assert [(item.code, item.max_points) for item in report.level.criteria] == [
        ("1.1.1", Decimal(2)),
        ("1.1.2", Decimal("2.5")),
        ("1.2.1", Decimal("5.5")),
    ]
    assert [node.max_points for node in report.level.all_nodes()] == [None, Decimal("4.5"), Decimal("5.5")]
    assert report.level.criterion("1.2.1").formula == "b / a * max"
    assert report.level.criterion("1.1.1").rule == "- Có: Điểm tối đa\n- Không có: 0 điểm"
    left = [problem for problem in report.problems if problem.code == "text-outside"]
    assert len(left) == 1
    assert "2 đoạn" in left[0].message
    assert "Văn bản liên quan" in left[0].message


def test_a_sum_off_by_a_half_names_the_line() -> None:
    cells = list(CELLS)
    cells[cells.index("4,5")] = "5"
    report = read(_text(*cells), "a.txt")
    # The 17th paragraph; paragraphs are two lines apart.
    assert [(problem.where, problem.code) for problem in report.errors] == [("dòng 33", "group-sum")]


def test_text_without_the_table() -> None:
    assert codes(read(_text("Một", "Hai", "Ba"), "a.txt"))[0] == "no-header"


def test_annex_iv_straight_from_the_seed(shared_dir: Path) -> None:
    framework = load_framework("ninh-thuan-2021")
    level = framework.level("province")
    (seed,) = (shared_dir / "seeds").glob("002_*.txt")
    report = read_annex(seed.read_bytes(), seed.name, framework, level)
    assert report.errors == ()
    assert report.level is not None
    # The printed outermost row «I. CHÍNH QUYỀN SỐ», which the framework file leaves out.
    (pillar,) = report.level.nodes
    assert (pillar.code, pillar.kind, pillar.name) == ("I", "pillar", "CHÍNH QUYỀN SỐ")
    assert [(node.code, node.kind, node.name, node.max_points) for top in pillar.nodes for node in top.walk()] == [
        (node.code, node.kind, node.name, node.max_points) for node in level.all_nodes()
    ]
    different = []
    for found, expected in zip(report.level.criteria, level.criteria, strict=True):
        for field in ("code", "printed_code", "name", "max_points", "lines", "remark", "rule"):
            if getattr(found, field) != getattr(expected, field):
                different.append((expected.code, field))
    # Two lines that the printed text breaks in mid-sentence; the framework file mends them and says so.
    assert different == [("1.2.3", "rule"), ("5.14.4", "rule")]
    assert report.as_dict()["counts"]["manual"] == 23
