"""A practice installation for the tests of the intake: BRVT's departments, two of them by default, an empty inbox.

Here: writing it, files that units hand in, looking at what was stored. Not here: tests.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import struct
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from sqlmodel import Session, SQLModel, select

from dti_pipeline.evidence.intake import HandedFile, Receipt, take_in
from dti_pipeline.night import Workspace
from dti_pipeline.sandbox.demo import DATA
from dti_pipeline.settings import Settings
from dti_pipeline.store.tables import SubmissionRow

BRVT = "brvt-thu"
ONE, TWO = "H00.05", "H00.06"
NAMES = {"H00.05": "Sở Tài chính (hư cấu)", "H00.06": "Sở Công Thương (hư cấu)"}
IN_TIME, LATE = "2026-10-15T23:59:59+07:00", "2026-10-16T00:00:00+07:00"
"""The last second of the assessment's deadline, and the next one; night 2026-10-15 knows both."""
CALENDAR = {"levels": {"department": {"submission": "2026-10-15", "supplement": "2026-10-20"}}}

Cells = Mapping[str, tuple[Mapping[str, str], Sequence[str]]]
"""Criterion -> (input -> value, evidence files)."""
Row = TypeVar("Row", bound=SQLModel)


def installation(home: Path, units: Collection[str] = (ONE, TWO), clock: str = IN_TIME, **more: Any) -> Workspace:
    """An installation without sources whose one assessment is of BRVT's departments."""
    settings = Settings(home=home, clock=clock)
    for folder in (home / "units", settings.assessments_folder, settings.inbox_folder / BRVT):
        folder.mkdir(parents=True)
    shutil.copyfile(DATA / "units.yaml", home / "units" / "thuc-hanh.yaml")
    data: dict[str, Any] = {
        "framework": "brvt-2022", "year": 2026, "provinces": ["H00"], "levels": ["department"], "units": list(units),
        "calendar": CALENDAR,
    }  # fmt: skip
    file = settings.assessments_folder / f"{BRVT}.yaml"
    file.write_text(yaml.safe_dump(data | more, allow_unicode=True), encoding="utf-8")
    return Workspace(settings)


def at(work: Workspace, clock: str) -> Workspace:
    """The same installation at another moment, its files read anew."""
    return Workspace(work.settings.model_copy(update={"clock": clock}))


def table(cells: Cells, *units: str) -> bytes:
    """A CSV report that says the same of every unit (of ONE by default)."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["unit", "unit_name", "criterion", "input", "value", "state", "evidence"])
    for unit in units or (ONE,):
        for criterion, (inputs, evidence) in cells.items():
            for name, value in inputs.items():
                state = "reported" if value else "missing"
                writer.writerow([unit, NAMES.get(unit, ""), criterion, name, value, state, "; ".join(evidence)])
    return out.getvalue().encode()


def png(shade: int) -> bytes:
    """A picture of one pixel: an evidence file that costs nothing. `shade`: 0 to 255, another file each."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixel = zlib.compress(bytes([0, shade]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


def hand_in(work: Workspace, *files: tuple[str, bytes], unit: str | None = None) -> list[Receipt]:
    """One bundle from the command line."""
    return take_in(work, BRVT, [HandedFile(name, body, unit) for name, body in files], channel="cli")


def outcomes(receipts: Sequence[Receipt]) -> list[tuple[str, str]]:
    return [(receipt.file, receipt.outcome) for receipt in receipts]


def stored(work: Workspace, table: type[Row]) -> list[Row]:
    with Session(work.engine) as session:
        rows = list(session.exec(select(table)).all())
        session.expunge_all()
    return rows


def submissions(work: Workspace) -> list[tuple[str | None, int, str, str]]:
    """(unit, sequence, kind, outcome), in that order."""
    return sorted(
        ((row.unit, row.sequence, row.kind, row.outcome) for row in stored(work, SubmissionRow)),
        key=lambda item: (item[0] or "", item[1]),
    )


def problems(work: Workspace, unit: str | None) -> list[str]:
    """Every problem that was kept about a unit's files, in the order of arrival."""
    rows = sorted((row for row in stored(work, SubmissionRow) if row.unit == unit), key=lambda row: row.sequence)
    return [item["message"] for row in rows for item in json.loads(row.problems)]


def kept_bytes(work: Workspace) -> int:
    """How many raw files are kept."""
    folder = work.settings.data_dir / "snapshots"
    return sum(path.is_file() for path in folder.rglob("*"))
