"""The conformance suite: what a connector does when its source errs. Needs no network, no database and no clock.

Here: `check` and its report. The rules are in `rules.py`; faults that never reach a connector, because the kit meets
them first, are listed with the test that holds the kit to it. Not here: whether a source is reachable.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dti_pipeline.harvest.conformance.cases import load_cases, load_site
from dti_pipeline.harvest.conformance.rules import RULES, Status, Subject, Verdict
from dti_pipeline.harvest.discovery import PACKAGE, load_connector, load_manifest
from dti_pipeline.harvest.model import Site

STATUS_WORDS: dict[Status, str] = {
    "held": "đạt",
    "failed": "KHÔNG ĐẠT",
    "not_applicable": "không áp dụng",
    "kit": "bộ thu giữ",
}
HEADER = ("quy tắc", "lỗi đặt ra", "kết quả", "người trực thấy gì")

_FETCH = "tests/harvest/test_http_fetch.py"
KIT: tuple[tuple[str, str, str, str], ...] = (
    ("gzip_bomb", "bom nén", "too_large", f"{_FETCH}::test_a_gzip_bomb_is_noticed_before_it_fills_the_memory"),
    ("endless_body", "nội dung không dứt", "too_large", f"{_FETCH}::test_an_endless_body_is_too_large"),
    ("trickle", "trả lời nhỏ giọt mãi", "too_slow", f"{_FETCH}::test_an_answer_that_trickles_for_ever_is_too_slow"),
    (
        "redirect",
        "chuyển hướng sang địa chỉ nội bộ",
        "redirected",
        f"{_FETCH}::test_a_redirect_out_of_the_site_is_refused",
    ),
    (
        "bad_tls",
        "chứng thư TLS không tin được",
        "connection",
        f"{_FETCH}::test_an_unknown_authority_is_refused_with_advice_to_pin_it",
    ),
    (
        "counter_reset",
        "bộ đếm bị đặt lại",
        "unavailable",
        "tests/scoring/test_windows.py::test_a_counter_that_was_reset_is_nothing_and_says_when",
    ),
    (
        "future_period",
        "số liệu của kỳ ở tương lai",
        "quarantine",
        "tests/harvest/test_invariants.py::test_a_broken_rule_holds_the_figure_alone",
    ),
)
"""(rule, fault, what comes of it, the test that proves it): met before or after a connector, so never by one."""


@dataclass(frozen=True, slots=True)
class Report:
    """Every rule about one connector, in a fixed order."""

    connector: str
    version: str
    verdicts: tuple[Verdict, ...]

    @property
    def is_good(self) -> bool:
        return not self.failed

    @property
    def failed(self) -> tuple[Verdict, ...]:
        return tuple(item for item in self.verdicts if item.status == "failed")

    def table(self) -> list[tuple[str, str, str, str]]:
        """Rows for the terminal, under HEADER."""
        return [(item.rule, item.fault, STATUS_WORDS[item.status], item.sees) for item in self.verdicts]

    def as_dict(self) -> dict[str, Any]:
        return {
            "connector": self.connector,
            "version": self.version,
            "is_good": self.is_good,
            "verdicts": [asdict(item) for item in self.verdicts],
        }


def check(name: str) -> Report:
    """Check one connector over its recorded cases and the plans of its sites.

    Sites are `recorded/site.json` or else those of its practice twin. Raises DataFileError where the connector, its
    manifest or a recorded case cannot be loaded: then there is nothing to check yet.
    """
    manifest, connector = load_manifest(name), load_connector(name)
    module = importlib.import_module(f"{PACKAGE}.{name}.connector")
    recorded = Path(str(module.__file__)).parent / "recorded"
    site = load_site(recorded, name)
    sites = (site,) if site is not None else _twin_sites(name)
    return check_subject(Subject(connector, manifest, load_cases(recorded), tuple(sites)))


def check_subject(subject: Subject) -> Report:
    """The same for parts that were put together otherwise."""
    verdicts = [rule(subject) for rule in RULES]
    verdicts += [Verdict(rule, fault, "kit", f"{comes}; {test}") for rule, fault, comes, test in KIT]
    return Report(subject.manifest.name, subject.manifest.version, tuple(verdicts))


def _twin_sites(name: str) -> Sequence[Site]:
    from dti_pipeline.sandbox.twins import load_twin, twin_names

    if name not in twin_names():
        return ()
    with tempfile.TemporaryDirectory() as folder:
        entries = load_twin(name).sites(f"http://127.0.0.1:1/{name}", Path(folder))
    return tuple(Site.model_validate(entry) for entry in entries if entry.get("connector") == name)
