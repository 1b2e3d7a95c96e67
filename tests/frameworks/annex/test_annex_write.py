"""Writing a level into a framework file: only its nodes and basis change, or nothing at all."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from annex_kit import as_csv, framework, framework_text, read

from dti_pipeline.datafiles import DataFileError
from dti_pipeline.frameworks.annex import AnnexNotWritten, write_level
from dti_pipeline.frameworks.loader import DATA, read_framework
from dti_pipeline.frameworks.model import Level


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "thuc-hanh-2024.yaml"
    place.write_text(framework_text(), encoding="utf-8")
    return place


def _imported() -> Level:
    level = read(as_csv(), "a.csv").level
    assert level is not None
    return level


def test_the_level_is_replaced_and_the_rest_of_the_file_kept(path: Path) -> None:
    before = framework()
    assert write_level(path, _imported()) is True
    after = read_framework(path)
    assert after.level("district") == _imported()
    assert after.level("commune") == before.level("commune")
    text = path.read_text(encoding="utf-8")
    head = framework_text().split("    basis: working\n", 1)[0]
    assert text.startswith(head + "    basis: decision\n")
    for kept in ("# Bộ chỉ số thử", "# quyết định in các số này", "# Cấp xã: không đổi.", "Ghi chú của cấp huyện"):
        assert kept in text
    # The picks that the other level borrowed stay picks.
    assert text.count("- use: ") == 2
    # A person reads rules line by line, and no word is escaped.
    assert "rule: |-\n" in text
    assert "- Có: Điểm tối đa\n" in text
    assert "\\u" not in text
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_writing_the_same_again_changes_nothing(path: Path) -> None:
    write_level(path, _imported())
    first, inode = path.read_bytes(), path.stat().st_ino
    assert write_level(path, _imported()) is False
    assert (path.read_bytes(), path.stat().st_ino) == (first, inode)


def test_another_target_leaves_the_file_alone(path: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / path.name
    before = path.read_bytes()
    write_level(path, _imported(), target)
    assert path.read_bytes() == before
    assert read_framework(target).level("district") == _imported()


def test_nothing_is_written_where_it_does_not_fit(path: Path) -> None:
    before = path.read_bytes()
    other = _imported().model_copy(update={"level": "province"})
    with pytest.raises(AnnexNotWritten, match="không có cấp «province»"):
        write_level(path, other)
    renamed = _imported().model_copy(update={"name": "Tên khác"})
    with pytest.raises(AnnexNotWritten, match="phần đầu của cấp"):
        write_level(path, renamed)
    path.write_bytes(before.replace(b"window: year", b"window: weekly"))
    with pytest.raises(DataFileError, match="window"):
        write_level(path, _imported())
    assert b"basis: decision" not in path.read_bytes()
    assert [item.name for item in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("level_name", ["province", "department", "commune"])
def test_a_file_whose_levels_share_text_by_aliases(level_name: str, tmp_path: Path) -> None:
    path = tmp_path / "qd766-2022.yaml"
    path.write_bytes((DATA / path.name).read_bytes())
    before = read_framework(path)
    level = before.level(level_name)
    node = level.nodes[0]
    changed = level.model_copy(update={"nodes": (node.model_copy(update={"name": "Tên sửa"}), *level.nodes[1:])})
    assert write_level(path, changed) is True
    after = read_framework(path)
    assert after.level(level_name).nodes[0].name == "Tên sửa"
    for other in before.levels:
        if other.level != level_name:
            assert after.level(other.level) == other
    assert path.read_text(encoding="utf-8").startswith((DATA / path.name).read_text(encoding="utf-8")[:1500])


def test_ninh_thuan_written_out_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "ninh-thuan-2021.yaml"
    path.write_bytes((DATA / path.name).read_bytes())
    level = read_framework(path).level("province")
    assert write_level(path, level) is False
    first, *others = level.nodes
    changed = level.model_copy(update={"nodes": (first.model_copy(update={"name": "Nhận thức"}), *others)})
    assert write_level(path, changed) is True
    again = read_framework(path).level("province")
    assert again.nodes[1:] == level.nodes[1:]
    assert again.nodes[0].criteria == first.criteria
    assert sum((criterion.max_points for criterion in again.criteria), Decimal(0)) == 228
