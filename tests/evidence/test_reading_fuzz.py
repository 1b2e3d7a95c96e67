"""A seeded sample of the mutated files: every one gives a result or a refusal with words, and none takes long."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import evidence_fuzz


def test_a_sample_of_the_mutated_files() -> None:
    outcomes, findings, _ = evidence_fuzz.run(150, seed=7)
    assert findings == []
    # The sample is worth something only while it reaches every kind of outcome.
    seen = set(outcomes)
    assert {"sniff: report", "sniff: refused", "read_report: clean", "read_report: problems", "read_report: refused",
            "check_evidence_file: pdf", "check_evidence_file: refused",
            "check_signatures: damaged"} <= seen  # fmt: skip
    assert not any("without words" in outcome for outcome in seen)


def test_the_cases_are_the_same_every_time() -> None:
    # PDFs are signed anew by a key of their own in each process, so they differ.
    first, second = (
        [body for name, body in evidence_fuzz.cases(30, seed=7) if not name.endswith(".pdf")] for _ in range(2)
    )
    assert first == second
    assert len(set(first)) >= 18
