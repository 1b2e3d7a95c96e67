"""The practice installation: one fixed night over the practice portal, for `dti demo` and `dti dev`.

Here: writing its folder (sites, assessments, units, self-report) and telling where the results are. Not here: running
a night (handed in by the command line) and the portal itself (`server.py`).
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from dti_pipeline.datafiles import read_model
from dti_pipeline.frameworks.loader import load_all
from dti_pipeline.night import Workspace
from dti_pipeline.sandbox.server import Sandbox
from dti_pipeline.sandbox.sites import write_sites
from dti_pipeline.settings import Settings
from dti_pipeline.tables import ranked_table
from dti_pipeline.units.registry import UnitFile

DATA = Path(__file__).parent / "data"
NIGHT = dt.date(2026, 10, 15)
CLOCK = "2026-10-16T00:30:00+07:00"
"""The demo's night is fixed, so that the second run finds everything as the first one left it."""

Say = Callable[[str], None]


def practice_settings(folder: Path = Path(".dti/demo")) -> Settings:
    """Settings of the practice installation, on its fixed night."""
    return Settings(home=folder, clock=CLOCK)


def write_installation(settings: Settings, base_url: str) -> None:
    """Write the practice installation's files; the same every time but for the portal's port."""
    settings.home.mkdir(parents=True, exist_ok=True)
    (settings.home / "units").mkdir(exist_ok=True)
    shutil.copyfile(DATA / "units.yaml", settings.home / "units" / "thuc-hanh.yaml")
    shutil.copyfile(DATA / "self-report.csv", settings.home / "self-report.csv")
    write_sites(settings.sites_file, base_url)
    settings.assessments_file.write_text(
        yaml.safe_dump({"assessments": _assessments()}, allow_unicode=True, sort_keys=False), encoding="utf-8"
    )


def _assessments() -> list[dict[str, Any]]:
    practice = [unit.code for unit in read_model(DATA / "units.yaml", UnitFile).units]
    published = json.loads((DATA / "phu-tho-2026-q3" / "dossier-digitized.json").read_text(encoding="utf-8"))["data"]
    phu_tho = [row["departmentCode"] for row in (published["overview"], *published["evaluation"])]
    return [
        {
            "framework": "ninh-thuan-2021",
            "provinces": ["H00"],
            "self_reports": {"province": "self-report.csv"},
        },
        {
            "framework": "qd766-2022",
            "provinces": ["H44", "H00"],
            # Of Phú Thọ only the units whose six groups are all published are shown.
            "units": [*phu_tho, *practice],
        },
    ]


def run_demo(run_night: Callable[..., Any], progress: Callable[..., Any], show: Callable[..., None], say: Say) -> int:
    """Run the fixed night over the practice portal and print every ranked table; gives the exit code."""
    settings = practice_settings()
    with Sandbox() as sandbox:
        write_installation(settings, sandbox.base_url)
        outcome = run_night(NIGHT, progress=progress, settings=settings)
        requests = len(sandbox.requests)
    work = Workspace(settings)
    for framework in load_all():
        for level in framework.levels:
            table = ranked_table(work, framework.id, level.level, NIGHT)
            for title, header, rows in table.sections():
                show(title, header, rows, right=(0, 3, 4))
    for line in outcome.lines():
        say(line)
    say(f"Đã gửi {requests} yêu cầu tới hệ thống nguồn thực hành (loopback).")
    if outcome.new_rows == 0:
        say("Không có gì thay đổi so với lần chạy trước: không ghi thêm dòng nào.")
    say("")
    say(f"Kết quả:      {settings.home}  (cơ sở dữ liệu {settings.resolved_database_url})")
    say("Vì sao:       DTI_HOME=.dti/demo .venv/bin/dti explain --framework ninh-thuan-2021 --unit H00 --criterion 5.8")
    say("Giao diện:    make dev")
    say("«tỉnh Thực Hành» và số liệu của nó là hư cấu; số liệu Phú Thọ là số đã công bố, quý 3 năm 2026.")
    return 0 if outcome.success else 1


def run_dev(say: Say, port: int) -> int:
    """`dg dev` with the practice portal beside it, in a process group of its own, until interrupted."""
    settings = practice_settings()
    with Sandbox() as sandbox:
        write_installation(settings, sandbox.base_url)
        environment = os.environ | {
            "DTI_HOME": str(settings.home.resolve()),
            "DTI_CLOCK": CLOCK,
        }
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
