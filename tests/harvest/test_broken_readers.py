"""A reader that stumbles costs one answer, never the night: the answer is on record as failed, everything else goes on.

Not here: what connectors refuse by name (`tests/connectors`), faults that a source throws (`tests/night`).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from harvest_kit import Practice, Stored

from dti_pipeline.harvest.model import (
    FailureKind,
    Plan,
    Quarantined,
    Reading,
    Redacted,
    Request,
    Site,
    Snapshot,
    SourceFailure,
)
from dti_pipeline.scoring.periods import Period

SITE = Site(name="practice", connector="practice", base_url="https://practice.example", province="H00")
QUESTIONS = (Request("GET", "/one"), Request("GET", "/two"), Request("GET", "/three"))
SECOND = "/two"


class Answers:
    """Every question gets the number 7."""

    def fetch(self, request: Request) -> Snapshot:
        return Snapshot(request, 200, {}, b"7", f"https://practice.example{request.path}")


class Stumbling(Practice):
    def __init__(self, error: Exception) -> None:
        super().__init__(*QUESTIONS)
        self._error = error

    def read(self, snapshot: Snapshot) -> Reading:
        if snapshot.request.path == SECOND:
            raise self._error
        return super().read(snapshot)


class Garbled(Practice):
    """Takes over text from the answer that no database can hold."""

    def __init__(self, change: dict[str, Any]) -> None:
        super().__init__(*QUESTIONS)
        self._change = change

    def read(self, snapshot: Snapshot) -> Reading:
        reading = super().read(snapshot)
        if snapshot.request.path != SECOND:
            return reading
        if "quarantined" in self._change or "warnings" in self._change:
            return replace(reading, **self._change)
        return replace(reading, observations=(replace(reading.observations[0], **self._change),))


class Unredacted(Practice):
    def redact(self, snapshot: Snapshot) -> Redacted:
        if snapshot.request.path == SECOND:
            raise KeyError("NguyenVanA-0912345678")
        return Redacted(snapshot.body, ())


class Lost(Practice):
    """Cannot go on from its second answer."""

    def __init__(self, error: Exception) -> None:
        super().__init__(*QUESTIONS)
        self._error = error

    def plan(self, _site: Site, _window: Period) -> Plan:
        yield QUESTIONS[0]
        yield QUESTIONS[1]
        raise self._error


class Unsendable(Answers):
    def fetch(self, request: Request) -> Snapshot:
        if request.path == SECOND:
            raise ValueError("a request's path holds no space")
        return super().fetch(request)


@pytest.mark.parametrize("error", [TypeError("unhashable"), KeyError("x"), ValueError("y"), RecursionError()])
def test_a_reader_that_stumbles_loses_that_answer_alone(error: Exception, tmp_path: Path) -> None:
    stored = Stored(tmp_path)
    report = stored.harvest(Stumbling(error), SITE, Answers())
    assert [(path, failure.kind, failure.retryable) for path, failure in report.failures] == [
        (SECOND, FailureKind.READER_DEFECT, False)
    ]
    assert type(error).__name__ in report.failures[0][1].message
    assert "test_broken_readers.py:" in report.failures[0][1].message
    assert (report.fetched, report.observations) == (3, 2)
    kept = {json.loads(row.request)["path"]: row for row in stored.snapshots()}
    # The bytes stay, so that the corrected reader can read them again.
    assert stored.store.get(kept[SECOND].body_sha256 or "") == b"7"
    assert (kept[SECOND].failure_kind, kept["/three"].failure_kind) == ("reader_defect", None)


@pytest.mark.parametrize(
    "change",
    [
        {"unit_name": "Sở \ud800"},
        {"locator": "/\0"},
        {"reason": "\udfff"},
        {"flag": "\ud800"},
        {"warnings": ("\ud800",)},
        {"quarantined": (Quarantined("/0", "lạ", "\ud800"),)},
    ],
)
def test_text_that_no_database_holds_is_refused_before_it_is_recorded(change: dict[str, Any], tmp_path: Path) -> None:
    report = Stored(tmp_path).harvest(Garbled(change), SITE, Answers())
    assert [(path, failure.kind) for path, failure in report.failures] == [(SECOND, FailureKind.UNREADABLE)]
    assert report.observations == 2


def test_an_answer_that_cannot_be_redacted_is_not_kept_and_not_quoted(tmp_path: Path) -> None:
    stored = Stored(tmp_path)
    report = stored.harvest(Unredacted(*QUESTIONS), SITE, Answers())
    assert [(path, failure.kind) for path, failure in report.failures] == [(SECOND, FailureKind.READER_DEFECT)]
    (failed,) = (row for row in stored.snapshots() if row.failure_kind)
    assert failed.body_sha256 is None
    assert b"NguyenVanA" not in stored.everything()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (KeyError("files"), FailureKind.READER_DEFECT),
        (SourceFailure(FailureKind.WRONG_SHAPE, "không có trang sau"), FailureKind.WRONG_SHAPE),
    ],
)
def test_a_plan_that_cannot_go_on_is_told_and_the_rest_stays(
    error: Exception, kind: FailureKind, tmp_path: Path
) -> None:
    report = Stored(tmp_path).harvest(Lost(error), SITE, Answers())
    assert [(path, failure.kind) for path, failure in report.failures] == [(SECOND, kind)]
    assert report.observations == 2


def test_a_request_that_cannot_be_sent_costs_itself_alone(tmp_path: Path) -> None:
    report = Stored(tmp_path).harvest(Practice(*QUESTIONS), SITE, Unsendable())
    assert [(path, failure.kind) for path, failure in report.failures] == [(SECOND, FailureKind.READER_DEFECT)]
    assert report.observations == 2


class Refusing(Practice):
    """Refuses the options, or stumbles over them, where the second window begins."""

    def __init__(self, error: Exception) -> None:
        super().__init__(*QUESTIONS)
        self._error = error

    def plan(self, site: Site, window: Period) -> Plan:
        if (window.end - window.start).days < 100:
            raise self._error
        yield from super().plan(site, window)


@pytest.mark.parametrize(
    ("error", "words"),
    [(ValueError("option x is unknown"), "option x is unknown"), (KeyError("x"), "bộ đọc hỏng khi lập yêu cầu đầu")],
)
def test_options_that_the_connector_refuses_cost_the_site_and_ask_nothing(
    error: Exception, words: str, tmp_path: Path
) -> None:
    two_windows = SITE.model_copy(update={"windows": ("year", "last_closed_quarter")})
    stored, asked = Stored(tmp_path), Answers()
    for _ in range(2):
        report = stored.harvest(Refusing(error), two_windows, asked)
        ((path, failure),) = report.failures
        assert (path, failure.kind, report.fetched) == ("sites.yaml", FailureKind.MISCONFIGURED, 0)
        assert failure.message.startswith(f"sites.yaml, điểm thu «{SITE.name}» của bộ đọc practice: {words}")
    (row,) = stored.snapshots()
    assert (row.failure_kind, row.failure_message, row.url) == ("misconfigured", failure.message, SITE.base_url)


def test_an_interruption_is_no_defect(tmp_path: Path) -> None:
    class Interrupted(Answers):
        def fetch(self, request: Request) -> Snapshot:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Stored(tmp_path).harvest(Practice(*QUESTIONS), SITE, Interrupted())


def test_a_failures_words_can_always_be_stored_and_are_bounded() -> None:
    failure = SourceFailure(FailureKind.NOT_JSON, "a\ud800b\0c" + "x" * 9000)
    assert failure.message.startswith("a?b\ufffdc")
    assert len(failure.message) == 2000
    assert str(failure) == failure.message
