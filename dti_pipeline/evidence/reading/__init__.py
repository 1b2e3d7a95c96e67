"""Reading what units hand in, safely: pure functions over bytes.

`sniff` tells what a file is, `read_report` reads a report (workbook, CSV, JSON), `check_evidence_file` looks at
evidence, `safe_name` at a file's name, `neutral` makes a text safe to write into CSV or XLSX. Whatever the bytes are,
they give a result or raise Refused with advice in Vietnamese. Not here: storing (`intake.py`), signatures
(`signatures/`), the template (`workbook/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dti_pipeline.evidence.model import Refused, Report
from dti_pipeline.evidence.reading.documents import read_json
from dti_pipeline.evidence.reading.files import EvidenceFileInfo, check_evidence_file
from dti_pipeline.evidence.reading.limits import limits
from dti_pipeline.evidence.reading.sniffing import check_size, content_of
from dti_pipeline.evidence.reading.tables import read_csv
from dti_pipeline.evidence.reading.texts import neutral, safe_name
from dti_pipeline.evidence.reading.workbook import is_report, read_workbook
from dti_pipeline.frameworks.assessment import Assessment
from dti_pipeline.frameworks.model import Framework, LevelName
from dti_pipeline.scoring.engine import UnitRef

__all__ = [
    "EvidenceFileInfo",
    "Typed",
    "check_evidence_file",
    "check_size",
    "neutral",
    "read_report",
    "safe_name",
    "sniff",
]


@dataclass(frozen=True, slots=True)
class Typed:
    """What a file is by its content."""

    media_type: str
    extension: str
    """Without a dot; the first of the type's endings."""
    is_report_candidate: bool
    """A CSV or JSON file, or a workbook with our hidden sheet or our headings; other workbooks are evidence."""


def sniff(body: bytes, file_name: str) -> Typed:
    """What a file is. Raises Refused for what is dangerous, damaged, not accepted, or other than its name says."""
    content = content_of(body, file_name)
    is_candidate = not content.type.evidence or (
        content.type.name == "xlsx" and content.archive is not None and is_report(content.archive)
    )
    return Typed(content.type.media_type, content.type.extensions[0], is_candidate)


def read_report(
    body: bytes,
    file_name: str,
    assessment: Assessment,
    framework: Framework,
    units: Mapping[str, tuple[UnitRef, LevelName]],
) -> Report:
    """What a report says per unit, and what is wrong with it. `units`: identifier code -> unit and level.

    Raises Refused for a file that is no report, of another assessment, or not readable as a whole; what is wrong with
    single rows is a problem of the report, and their criteria are left out.
    """
    content = content_of(body, file_name)
    most = limits().report.max_bytes.get(content.type.name)
    if most is None:
        raise Refused(f"Tệp {content.type.words} không phải biểu tự chấm; nộp biểu XLSX theo mẫu, CSV hoặc JSON.")
    if len(body) > most:
        raise Refused(f"Biểu có {len(body)} byte, quá giới hạn {most} byte; bỏ ảnh và trang không cần rồi nộp lại.")
    if content.archive is not None:
        return read_workbook(content.archive, assessment, framework, units)
    read = read_json if content.type.name == "json" else read_csv
    return read(body, assessment.id, framework, units)
