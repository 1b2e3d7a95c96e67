"""The sites of the practice portal, as a `sites.yaml` that the harvest reads like any other.

Here: which questions the practice sites ask. Not here: answering them (`server.py`), harvesting (`harvest/`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from dti_pipeline.sandbox import portal
from dti_pipeline.sandbox.twins import load_twin, twin_names

SIX_GROUPS = (
    "transparency",
    "handling-satisfaction",
    "dossier-digitized",
    "dvc-progress-tree",
    "provide-online-tree",
    "formality-online-payment-tree",
)
CONNECTOR = "dvcqg766"
UNHURRIED = {"min_interval_s": 0, "jitter_s": 0, "backoff_s": 0}
"""Nobody needs sparing on one's own machine."""


def sites(base_url: str) -> list[dict[str, Any]]:
    """The practice sites at `base_url`: published figures of Phú Thọ, the fictional province, the national list."""

    def site(name: str, province: str, windows: list[str], options: dict[str, Any]) -> dict[str, Any]:
        return {
            "name": name,
            "connector": CONNECTOR,
            "base_url": base_url,
            "province": province,
            "windows": windows,
            "politeness": dict(UNHURRIED),
            "options": options,
        }

    return [
        site(
            "phu-tho",
            "H44",
            ["last_closed_quarter"],
            {"root_department_id": portal.PHU_THO, "root_code": "H44", "endpoints": [*SIX_GROUPS]},
        ),
        site(
            "thuc-hanh",
            "H00",
            ["last_closed_quarter", "year"],
            {
                "root_department_id": portal.PRACTICE_ROOT,
                "root_code": "H00",
                "endpoints": ["service-results", *SIX_GROUPS, "formalities"],
            },
        ),
        site("toan-quoc", "VN", ["year"], {"endpoints": ["service-results-national"]}),
    ]


def twin_sites(base_url: str, folder: Path) -> list[dict[str, Any]]:
    """The sites of every other practice source system; those of folders are written beneath `folder`."""
    found = []
    for name in twin_names():
        own = folder / name
        own.mkdir(parents=True, exist_ok=True)
        found += load_twin(name).sites(f"{base_url}/{name}", own.resolve())
    return found


def practice_secrets() -> dict[str, str]:
    """The made-up secrets that the twins' sites name; worth nothing anywhere else."""
    return {key: value for name in twin_names() for key, value in load_twin(name).environment.items()}


def write_sites(path: Path, base_url: str, folder: Path | None = None) -> None:
    """Write the practice sites to `path`: the portal's, and with a folder those of all other practice systems too. The
    same address and folder give the same bytes. Raises OSError."""
    entries = sites(base_url) + ([] if folder is None else twin_sites(base_url, folder))
    text = yaml.safe_dump({"sites": entries}, allow_unicode=True, sort_keys=False, width=120)
    path.write_text(
        f"# Practice systems on this machine only; written by dti_pipeline.sandbox.\n{text}", encoding="utf-8"
    )
