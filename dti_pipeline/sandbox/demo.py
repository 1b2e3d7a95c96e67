"""The practice installation: one fixed night over the practice portal, for `dti demo` and `dti dev`.

Here: writing its folder (sites, assessments, units, signers) and telling what came of it. Not here: running a night
(given by the command line), what units hand in (`handed_in.py`) and what is decided (`decided.py`) before it, and the
portal itself (`server.py`).
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Collection
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import yaml
from sqlmodel import Session, select

from dti_pipeline.datafiles import read_model
from dti_pipeline.evidence.model import Verdict
from dti_pipeline.evidence.worth import points_by_origin_of
from dti_pipeline.frameworks.loader import load_all
from dti_pipeline.night import Workspace
from dti_pipeline.publish.freeze import tables_of
from dti_pipeline.sandbox.decided import decide
from dti_pipeline.sandbox.handed_in import deliver, load_plan
from dti_pipeline.sandbox.practice_ca import install_trust
from dti_pipeline.sandbox.server import Sandbox
from dti_pipeline.sandbox.sites import practice_secrets, write_sites
from dti_pipeline.scoring.discrepancy import KIND_WORDS, Kind
from dti_pipeline.scoring.engine import decimal_text
from dti_pipeline.scoring.origins import ORIGIN_WORDS
from dti_pipeline.settings import Settings
from dti_pipeline.store import facts
from dti_pipeline.store.tables import DiscrepancyRow, EvidenceFileRow, SignatureCheckRow
from dti_pipeline.tables import Column, Section, Value
from dti_pipeline.units.registry import UnitFile

DATA = Path(__file__).parent / "data"
NIGHT = dt.date(2026, 10, 15)
CLOCK = "2026-10-16T00:30:00+07:00"
"""The demo's night is fixed, so that the second run finds everything as the first one left it."""

ROWS_SHOWN = 8
POINT_DECIMALS = 2
NINH_THUAN = "ninh-thuan-2021"
"""Its self-report is kept beside the code, because tests hold its figures."""
QD766 = "qd766-2022"
"""Measured wholly from the platform: nothing is self-reported."""

Say = Callable[[str], None]


def practice_settings(folder: Path = Path(".dti/demo")) -> Settings:
    """Settings of the practice installation, on its fixed night."""
    return Settings(home=folder, clock=CLOCK)


def write_installation(
    settings: Settings, base_url: str, frameworks: Collection[str] | None = None, *, every_source: bool = False
) -> None:
    """Write the practice installation's files; the same every time but for the portal's port.

    `frameworks`: only the assessments under these. `every_source`: harvest all practice systems, not the portal alone.
    """
    home = settings.home
    for folder in (home / "units", settings.assessments_folder):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(DATA / "units.yaml", home / "units" / "thuc-hanh.yaml")
    write_sites(settings.sites_file, base_url, home / "sources" if every_source else None)
    chosen = [framework for framework in load_all() if frameworks is None or framework.id in frameworks]
    for framework in chosen:
        for path in sorted((DATA / "assessments").glob(f"{framework.id}-*.yaml")):
            shutil.copyfile(path, settings.assessments_folder / path.name)
        if framework.id == QD766:
            (settings.assessments_folder / f"{QD766}-2026.yaml").write_text(
                yaml.safe_dump(_published_units(), allow_unicode=True, sort_keys=False), encoding="utf-8"
            )
        elif framework.id == NINH_THUAN:
            inbox = settings.inbox_folder / f"{framework.id}-h00-{NIGHT.year}"
            inbox.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(DATA / "self-report.csv", inbox / "self-report.csv")
    if {way.framework for way in load_plan().ways} & {framework.id for framework in chosen}:
        install_trust(home)


def _published_units() -> dict[str, Any]:
    """The assessment of QĐ 766: the practice province and those units of Phú Thọ whose six groups are all published."""
    practice = [unit.code for unit in read_model(DATA / "units.yaml", UnitFile).units]
    published = json.loads((DATA / "phu-tho-2026-q3" / "dossier-digitized.json").read_text(encoding="utf-8"))["data"]
    phu_tho = [row["departmentCode"] for row in (published["overview"], *published["evaluation"])]
    return {
        "framework": QD766,
        "year": NIGHT.year,
        "provinces": ["H44", "H00"],
        "units": [*phu_tho, *practice],
    }


def run_demo(
    run_night: Callable[..., Any], progress: Callable[..., Any], show: Callable[[Section, int], None], say: Say
) -> int:
    """Run the fixed night over the practice portal and print every ranked table; gives the exit code."""
    settings = practice_settings()
    with Sandbox() as sandbox:
        write_installation(settings, sandbox.base_url, every_source=True)
        taken = deliver(Workspace(settings))
        say(f"Các đơn vị thực hành nộp hồ sơ trước đêm {NIGHT:%d/%m/%Y}: {taken or 'không có'} lượt mới.")
        decided = decide(Workspace(settings), NIGHT)
        say(f"Thẩm định thực hành trước đêm đó: {decided or 'không có'} mục mới.")
        os.environ.update(practice_secrets())
        outcome = run_night(NIGHT, progress=progress, settings=settings)
        requests = len(sandbox.requests)
    work = Workspace(settings)
    tables = [table for assessment in work.assessments for table in tables_of(work, assessment, NIGHT)]
    for table in tables:
        show(table.level_section(), ROWS_SHOWN)
        if table.working_words:
            say(f"{table.working_words}.")
    for section in (reports_by_state(work), papers_by_verdict(work), heaviest(work), points_by_rest(work)):
        show(section, len(section.rows))
    for line in outcome.lines():
        say(line)
    say(f"Đã gửi {requests} yêu cầu tới hệ thống nguồn thực hành (loopback).")
    if outcome.new_rows == 0 and taken == 0 and decided == 0:
        say("Không có gì thay đổi so với lần chạy trước: không ghi thêm dòng nào.")
    say("")
    say(f"{len(tables)} bảng xếp hạng, mỗi bảng in {ROWS_SHOWN} dòng đầu.")
    say(f"Kết quả:      {settings.home}  (cơ sở dữ liệu {settings.resolved_database_url})")
    say(f"Tệp mang đi:  {settings.publications_folder / NIGHT.isoformat()}")
    say("Cả bảng:      DTI_HOME=.dti/demo .venv/bin/dti rankings show brvt-2022 --level commune")
    say("Vì sao:       DTI_HOME=.dti/demo .venv/bin/dti explain --framework ninh-thuan-2021 --unit H00 --criterion 5.8")
    say("Ai đã nộp gì:  DTI_HOME=.dti/demo .venv/bin/dti evidence status --assessment brvt-2022")
    say("Việc chờ:      DTI_HOME=.dti/demo .venv/bin/dti appraise queue --assessment brvt-2022")
    say("Giao diện:    make dev")
    say("«tỉnh Thực Hành» và số liệu của nó là hư cấu; số liệu Phú Thọ là số đã công bố, quý 3 năm 2026.")
    return 0 if outcome.success else 1


def reports_by_state(work: Workspace) -> Section:
    """How many units of every assessment have reported, by state; exempt units are not asked."""
    from dti_pipeline.evidence.report import UNIT_STATES, unit_states

    rows = []
    for assessment in work.assessments.values():
        exempt = {note.unit for note in assessment.exempt}
        asked = [row for row in unit_states(work, assessment, work.now()) if row["unit"] not in exempt]
        if any(row["last_at"] for row in asked):
            states = Counter(row["state"] for row in asked)
            refused = sum(row["refused"] for row in asked)
            rows.append((assessment.id, len(asked), *(states[state] for state in UNIT_STATES), refused))
    words = ("đợt đánh giá", "đơn vị", *UNIT_STATES.values(), "tệp không nhận")
    columns = tuple(Column(word, word, "text" if place == 0 else "number", 0) for place, word in enumerate(words))
    return Section("Hồ sơ đã nộp, theo tình trạng", columns, tuple(rows))


def papers_by_verdict(work: Workspace) -> Section:
    """How many evidence files of every assessment came to which verdict."""
    from dti_pipeline.evidence.signatures.check import words

    with Session(work.engine) as session:
        whose = {row.id: row.assessment for row in session.exec(select(EvidenceFileRow)).all()}
        # A file that was checked again counts as it was checked last.
        checks = session.exec(select(SignatureCheckRow).order_by(SignatureCheckRow.recorded_at)).all()
        verdicts = {row.file: row.verdict for row in checks}
    counts = Counter((whose[file], verdict) for file, verdict in verdicts.items())
    columns = (
        Column("assessment", "đợt đánh giá", "text"),
        Column("verdict", "chữ ký số", "text"),
        Column("files", "tài liệu", "number", 0),
    )
    rows = [(key, words().of(Verdict(verdict)).word, count) for (key, verdict), count in sorted(counts.items())]
    return Section("Tài liệu minh chứng, theo kết quả kiểm tra chữ ký số", columns, tuple(rows))


def heaviest(work: Workspace) -> Section:
    """What appraisers have to look at first: the cells of all assessments where a unit and sources differ and nobody
    has decided, by the places that the other value would move; the first of a cell's inputs stands for it."""
    from dti_pipeline.appraisal.views import waits, weight

    with Session(work.engine) as session:
        stored = session.exec(select(DiscrepancyRow).where(DiscrepancyRow.night == NIGHT.isoformat())).all()
        rows = [row for row in facts.live(facts.newest(stored, ("assessment", *facts.DISCREPANCY_KEY))) if waits(row)]
    rows = [row for row in rows if not row.is_decided]
    rows.sort(
        key=lambda row: (weight(row.rank_impact, row.points_micro), row.assessment, row.unit, row.criterion, row.name)
    )
    cells = {(row.assessment, row.unit, row.criterion): row for row in reversed(rows)}
    first = [row for row in rows if cells[row.assessment, row.unit, row.criterion] is row][:ROWS_SHOWN]
    columns = (
        Column("assessment", "đợt đánh giá", "text"),
        Column("unit", "đơn vị", "text"),
        Column("criterion", "tiêu chí", "text"),
        Column("name", "số liệu", "text"),
        Column("claimed", "báo cáo", "text"),
        Column("automatic", "tự động", "text"),
        Column("kind", "loại", "text"),
        Column("rank_impact", "số bậc", "number", 0),
        Column("points", "điểm", "number"),
    )
    lines = tuple(
        (
            row.assessment,
            row.unit,
            row.criterion,
            row.name,
            row.claimed,
            row.automatic,
            KIND_WORDS[cast(Kind, row.kind)],
            row.rank_impact,
            None if row.points_micro is None else _points(row.points_micro),
        )
        for row in first
    )
    return Section(f"Việc thẩm định nặng nhất trong {len(cells)} ô có số liệu khác nhau", columns, lines)


def points_by_rest(work: Workspace) -> Section:
    """How many points of every assessment rest on what; a cell counts for the weakest of its inputs."""
    columns = (
        Column("assessment", "đợt đánh giá", "text"),
        *(Column(origin, words, "number") for origin, words in ORIGIN_WORDS.items()),
    )
    rows: list[tuple[Value, ...]] = []
    for assessment in work.assessments.values():
        points = points_by_origin_of(work, assessment, NIGHT)
        rows.append((assessment.id, *(_points(points.get(origin, 0)) for origin in ORIGIN_WORDS)))
    return Section("Điểm dựa trên gì, theo số liệu yếu nhất của từng ô", columns, tuple(rows))


def _points(micro_points: int) -> Decimal:
    return Decimal(decimal_text(Fraction(micro_points, 10**6), POINT_DECIMALS, POINT_DECIMALS))


def run_dev(say: Say, port: int) -> int:
    """`dg dev` with the practice portal beside it, in a process group of its own, until interrupted."""
    settings = practice_settings()
    with Sandbox() as sandbox:
        write_installation(settings, sandbox.base_url, every_source=True)
        deliver(Workspace(settings))
        decide(Workspace(settings), NIGHT)
        environment = (
            os.environ
            | practice_secrets()
            | {
                "DTI_HOME": str(settings.home.resolve()),
                "DTI_CLOCK": CLOCK,
            }
        )
        say(f"Hệ thống nguồn thực hành: {sandbox.base_url}; giao diện: http://127.0.0.1:{port} (Ctrl+C để dừng)")
        dg = Path(sys.executable).with_name("dg")
        # A group of its own: a Ctrl+C reaches `dg dev` and its children through us, once and in order.
        process = subprocess.Popen(  # noqa: S603 - our own interpreter's tool, fixed arguments
            [str(dg), "dev", "--host", "127.0.0.1", "--port", str(port)], env=environment, start_new_session=True
        )
        try:
            return process.wait()
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGINT)
            return process.wait(timeout=30)
