"""What the linter finds in the project's own frameworks: exactly `lint_golden.txt`, each line read against the text."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import pytest

from dti_pipeline.frameworks.lint import RECORDED, LintFinding, lint
from dti_pipeline.frameworks.loader import load_all, load_framework
from dti_pipeline.harvest.discovery import connector_names, load_manifest
from dti_pipeline.units.registry import Unit, load_registry

GOLDEN = Path(__file__).with_name("lint_golden.txt")
FRAMEWORKS = ("bac-giang-2022", "brvt-2022", "hue-2024", "ninh-thuan-2021", "phu-tho-2018", "qd766-2022")


def lines_of(framework: str) -> list[str]:
    lines = [line.partition("#")[0].strip() for line in GOLDEN.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and line.split()[1] == framework]


@pytest.fixture(scope="module")
def supplied() -> frozenset[str]:
    return frozenset(metric for name in connector_names() for metric in load_manifest(name).metrics)


@pytest.fixture(scope="module")
def units() -> tuple[Unit, ...]:
    return tuple(unit for unit in load_registry() if unit.existed_on(dt.date(2026, 7, 1)))


def line(finding: LintFinding) -> str:
    own = f":{finding.what.partition(':')[0]}" if finding.rule == RECORDED else ""
    parts = (finding.severity, finding.framework, finding.level or "-", finding.code or "-", finding.rule + own)
    return " ".join(parts)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_findings_are_exactly_the_golden_list(
    framework: str, supplied: frozenset[str], units: tuple[Unit, ...]
) -> None:
    findings = lint(load_framework(framework), supplied=supplied, units=units)
    assert [line(finding) for finding in findings] == lines_of(framework)


def test_the_golden_list_is_about_every_framework_and_says_why() -> None:
    assert tuple(one.id for one in load_all()) == FRAMEWORKS
    told = [row for row in GOLDEN.read_text(encoding="utf-8").splitlines() if row and not row.startswith("#")]
    assert len(told) == sum(len(lines_of(framework)) for framework in FRAMEWORKS)
    assert all(row.partition("#")[2].strip() for row in told)


def test_all_frameworks_are_linted_well_within_two_seconds(supplied: frozenset[str], units: tuple[Unit, ...]) -> None:
    """Reading the files comes on top, a third of a second; what counts is the time of this process alone."""
    frameworks = load_all()
    started = time.process_time()
    found = sum(len(lint(one, supplied=supplied, units=units)) for one in frameworks)
    assert time.process_time() - started < 1
    assert found > 100


# --- the figures that prove a finding ---


@pytest.mark.parametrize(
    ("framework", "level", "code", "words"),
    [
        ("ninh-thuan-2021", "province", "3.7.2", "a = 1, b = 2 cho 4 điểm; số liệu như vậy bị giữ lại vì trái"),
        ("ninh-thuan-2021", "province", "5.13.3", "visits = 2, population = 1 cho 2 điểm; công thức đang dùng chặn"),
        ("ninh-thuan-2021", "province", "7.1.2", "Tên tiêu chí ghi 100 %, cách tính dùng mốc 80 %"),
        ("ninh-thuan-2021", "province", "5.3.1", "Số thứ tự trong 5.3 «Chữ ký điện tử, chữ ký số» không có 5.3.1"),
        ("bac-giang-2022", None, None, "kỳ tiếp theo 15/10/2026–15/10/2027 cùng tính ngày 15/10/2026."),
        ("brvt-2022", None, "appraisal", "Hạn thẩm định 31/01/2027 sau hạn công bố 30/01/2027"),
        ("hue-2024", "district", None, "đều không tính các ngày 16/11/2026–31/12/2026."),
        ("phu-tho-2018", "commune", "submission", "Hạn nộp 14/10/2026 trước ngày cuối của kỳ số liệu"),
        ("phu-tho-2018", "department", "appraisal", "hạn nộp 30/10/2026, kết thúc không sớm hơn 22/01/2027"),
    ],
)
def test_what_proves_a_finding(framework: str, level: str | None, code: str | None, words: str) -> None:
    findings = [item for item in lint(load_framework(framework)) if (item.level, item.code) == (level, code)]
    assert [item for item in findings if item.rule != RECORDED and words in item.what]
