"""From a rule that is broken to a decision: what is held, what a night knows of it, and reading stored answers again.

A connector of the scaffold in a folder of its own, a database in memory's place, answers written by hand.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from dti_pipeline.harvest import discovery, quarantine
from dti_pipeline.harvest.model import FailureKind, Request, Site, Snapshot, SourceFailure
from dti_pipeline.harvest.quarantine import QuarantineError, Waiting, list_held
from dti_pipeline.harvest.reread import RereadReport, reread
from dti_pipeline.harvest.runner import Night, SiteReport, harvest_site
from dti_pipeline.harvest.scaffold import new_connector
from dti_pipeline.metrics.catalogue import Metric
from dti_pipeline.store import facts
from dti_pipeline.store.engine import open_engine
from dti_pipeline.store.snapshots import SnapshotStore
from dti_pipeline.store.tables import ObservationRow, QuarantineDecisionRow, SnapshotRow
from dti_pipeline.units.registry import Registry, Unit

NAME = "tap_duot"
NIGHT = dt.date(2026, 10, 15)
NEXT = NIGHT + dt.timedelta(days=1)
DUE, DONE = f"{NAME}_due", f"{NAME}_done"
SITE = Site(name="thuc-hanh", connector=NAME, base_url="https://nguon.example", province="H00")


def hour(night: dt.date, minutes: int = 30) -> dt.datetime:
    """So many minutes after the night's opening at midnight in Hà Nội."""
    start = dt.datetime.combine(night + dt.timedelta(days=1), dt.time(0), dt.timezone(dt.timedelta(hours=7)))
    return start + dt.timedelta(minutes=minutes)


def row(code: str, due: Any, done: Any) -> dict[str, Any]:
    return {"code": code, "name": f"Đơn vị {code}", "due": due, "done": done}


GOOD, BROKEN = row("H00.01", 12, 9), row("H00.02", 5, 8)


class Source:
    """Answers what it is told to; a fetcher without sockets."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = rows

    def fetch(self, request: Request) -> Snapshot:
        if not self.rows:
            raise SourceFailure(FailureKind.CONNECTION, "không kết nối được", retryable=True)
        body = json.dumps({"total": len(self.rows), "items": self.rows}, ensure_ascii=False).encode()
        return Snapshot(request, 200, {"content-type": "application/json"}, body, "https://nguon.example/figures")


class Installation:
    def __init__(self, home: Path) -> None:
        self.engine: Engine = open_engine(f"sqlite:///{home / 'dti.db'}")
        self.store = SnapshotStore(str(home / "snapshots"))
        self.registry = Registry(units=())
        self.manifest_file = home / "connectors" / NAME / "manifest.yaml"
        self.code_file = self.manifest_file.with_name("connector.py")

    def harvest(self, *rows: dict[str, Any], night: dt.date = NIGHT) -> SiteReport:
        return harvest_site(
            self.engine,
            self.store,
            self.registry,
            discovery.load_connector(NAME),
            discovery.load_manifest(NAME),
            SITE,
            Night(night, lambda: hour(night), True, "test"),
            Source(*rows),
        )

    def edit(self, path: Path, old: str, new: str) -> None:
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        for module in [name for name in sys.modules if name.startswith("connectors.")]:
            del sys.modules[module]
        importlib.invalidate_caches()
        shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)

    def read_again(self, now: dt.datetime) -> RereadReport:
        return reread(self.engine, self.store, self.registry, NAME, NIGHT, now)

    def held(self, *, everything: bool = False) -> list[Waiting]:
        return list_held(self.engine, everything=everything)

    def release(self, *ids: str, now: dt.datetime) -> list[Waiting]:
        return quarantine.release(
            self.engine, self.store, self.registry, ids, by="Người trực", reason="đã hỏi nguồn", now=now
        )

    def reject(self, *ids: str, now: dt.datetime) -> list[Waiting]:
        return quarantine.reject(
            self.engine, self.store, self.registry, ids, by="Người trực", reason="nguồn nhận là sai", now=now
        )

    def known(self, night: dt.date) -> dict[tuple[str, str], tuple[str | None, str]]:
        """(metric, unit) -> value and state, as a night knows them: the newest answer by its cut-off."""
        cut_off = hour(night, 24 * 60) - dt.timedelta(seconds=1)
        with Session(self.engine) as session:
            rows = [row for row in facts.known_snapshots(session, night, cut_off) if row.failure_kind is None]
            found = facts.observations_of(session, [rows[-1].reading_id or ""]) if rows else []
            return {(item.metric, item.unit): (item.value, item.state) for item in found}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    for package in ("connectors", "dti_pipeline"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    new_connector(NAME, tmp_path)
    catalogue = {
        code: Metric(code=code, name=code, description="x", behaviour="flow", unit="items", group=NAME)
        for code in (DUE, DONE)
    }
    monkeypatch.setattr(discovery, "load_metrics", lambda: catalogue)
    monkeypatch.setattr(importlib.import_module("connectors"), "__path__", [str(tmp_path / "connectors")])
    for module in [name for name in sys.modules if name.startswith("connectors.")]:
        monkeypatch.delitem(sys.modules, module)
    importlib.invalidate_caches()
    yield Installation(tmp_path)
    for module in [name for name in sys.modules if name.startswith(f"connectors.{NAME}")]:
        del sys.modules[module]


def test_a_broken_condition_is_held_and_its_place_says_so(place: Installation) -> None:
    report = place.harvest(GOOD, BROKEN)
    assert (report.is_good, report.observations, report.quarantined) == (True, 4, 2)
    assert place.known(NIGHT) == {
        (DUE, "H00.01"): ("12", "harvested"),
        (DONE, "H00.01"): ("9", "harvested"),
        (DUE, "H00.02"): (None, "unavailable"),
        (DONE, "H00.02"): (None, "unavailable"),
    }
    with Session(place.engine) as session:
        reasons = session.exec(select(ObservationRow.reason).where(ObservationRow.unit == "H00.02")).all()
    assert {f"số liệu đang cách ly: trái điều kiện «{DONE} <= {DUE}»: {DONE} = 8; {DUE} = 5"} == set(reasons)
    waiting = place.held()
    assert {(item.metric, item.unit, item.value, item.standing, item.is_figure) for item in waiting} == {
        (DUE, "H00.02", "5", "open", True),
        (DONE, "H00.02", "8", "open", True),
    }
    assert {item.nights for item in waiting} == {(str(NIGHT),)}


def test_a_released_figure_counts_from_then_on_and_earlier_nights_do_not_see_it(place: Installation) -> None:
    place.harvest(GOOD, BROKEN)
    before = place.known(NIGHT)
    later = hour(NEXT, 60)  # after the first night's cut-off
    released = place.release(*(item.id for item in place.held()), now=later)
    assert {(item.standing, item.decided_by) for item in released} == {("released", "Người trực")}
    assert place.held() == []
    assert place.known(NIGHT) == before
    known = place.known(NEXT)
    assert (known[DUE, "H00.02"], known[DONE, "H00.02"]) == (("5", "harvested"), ("8", "harvested"))
    assert len(known) == 4


def test_the_same_answer_on_a_later_night_stays_released_and_another_one_waits(place: Installation) -> None:
    place.harvest(GOOD, BROKEN)
    place.release(*(item.id for item in place.held()), now=hour(NIGHT, 60))
    assert place.known(NIGHT)[DONE, "H00.02"] == ("8", "harvested")
    report = place.harvest(GOOD, BROKEN, night=NEXT)
    assert (report.quarantined, report.new_observations, place.held()) == (0, 0, [])
    assert place.known(NEXT)[DONE, "H00.02"] == ("8", "harvested")
    place.harvest(GOOD, row("H00.02", 5, 9), night=NEXT + dt.timedelta(days=1))
    assert {item.value for item in place.held()} == {"5", "9"}


def test_one_of_two_may_be_released(place: Installation) -> None:
    place.harvest(GOOD, BROKEN)
    (due,) = [item for item in place.held() if item.metric == DUE]
    place.release(due.id[:10], now=hour(NIGHT, 60))
    known = place.known(NIGHT)
    assert (known[DUE, "H00.02"], known[DONE, "H00.02"]) == (("5", "harvested"), (None, "unavailable"))
    assert [item.metric for item in place.held()] == [DONE]


def test_a_rejected_figure_is_gone_from_the_list_and_stays_out(place: Installation) -> None:
    place.harvest(GOOD, BROKEN)
    before = place.known(NIGHT)
    place.reject(*(item.id for item in place.held()), now=hour(NIGHT, 60))
    assert place.held() == []
    assert {item.standing for item in place.held(everything=True)} == {"rejected"}
    assert place.known(NIGHT) == before
    place.harvest(GOOD, BROKEN, night=NEXT)
    assert place.held() == []


def test_a_release_can_be_taken_back_and_every_decision_stays(place: Installation) -> None:
    place.harvest(GOOD, BROKEN)
    ids = [item.id for item in place.held()]
    before = place.known(NIGHT)
    place.release(*ids, now=hour(NIGHT, 60))
    place.reject(*ids, now=hour(NIGHT, 70))
    assert place.known(NIGHT) == before
    place.release(*ids, now=hour(NIGHT, 80))
    assert place.known(NIGHT)[DONE, "H00.02"] == ("8", "harvested")
    told = quarantine.show(place.engine, ids[0])
    assert [(item["decision"], item["by"]) for item in told["decisions"]] == [
        ("released", "Người trực"),
        ("rejected", "Người trực"),
        ("released", "Người trực"),
    ]
    assert told["observation"]["unit"] == "H00.02"
    assert told["answers"][0]["night"] == str(NIGHT)


@pytest.mark.parametrize(
    ("ids", "by", "reason", "words"),
    [
        (["ffffffffff"], "A", "b", "no record"),
        (["abc"], "A", "b", "first 6 characters"),
        (["zzzzzzzz"], "A", "b", "no id"),
        (None, " ", "b", "needs its author"),
        (None, "A", "", "a reason"),
    ],
)
def test_a_decision_that_cannot_be_taken_writes_nothing(
    ids: list[str] | None, by: str, reason: str, words: str, place: Installation
) -> None:
    place.harvest(GOOD, BROKEN)
    good = [item.id for item in place.held()]
    with pytest.raises(QuarantineError, match=words):
        quarantine.release(
            place.engine, place.store, place.registry, [*good, *(ids or [])], by=by, reason=reason, now=hour(NIGHT, 60)
        )
    with Session(place.engine) as session:
        assert session.exec(select(QuarantineDecisionRow)).all() == []
    assert len(place.held()) == 2


def test_what_was_decided_once_is_not_decided_the_same_again(place: Installation) -> None:
    place.harvest(GOOD, BROKEN)
    ids = [item.id for item in place.held()]
    place.release(*ids, now=hour(NIGHT, 60))
    with pytest.raises(QuarantineError, match="đã cho dùng rồi"):
        place.release(*ids, now=hour(NIGHT, 70))


def test_a_record_that_is_no_figure_can_only_be_rejected(place: Installation) -> None:
    place.harvest(GOOD, row("H00.02", "năm", 8))
    (item,) = place.held()
    assert (item.is_figure, item.metric, item.locator) == (False, None, "/items/1")
    with pytest.raises(QuarantineError, match="không đọc được thành số liệu"):
        place.release(item.id, now=hour(NIGHT, 60))
    place.reject(item.id, now=hour(NIGHT, 60))
    assert place.held() == []


def test_a_newer_answer_makes_the_older_record_superseded(place: Installation) -> None:
    place.harvest(GOOD, BROKEN)
    (first, _) = place.held()
    place.harvest(GOOD, row("H00.02", 9, 8), night=NEXT)
    assert place.held() == []
    assert {item.standing for item in place.held(everything=True)} == {"superseded"}
    with pytest.raises(QuarantineError, match="mới hơn"):
        place.release(first.id, now=hour(NEXT, 60))


def test_a_night_without_an_answer_leaves_the_record_open(place: Installation) -> None:
    place.harvest(GOOD, BROKEN)
    place.harvest(night=NEXT)
    assert len(place.held()) == 2


def test_what_a_new_reader_reads_without_complaint_is_gone_from_the_list(place: Installation) -> None:
    place.harvest(GOOD, row("H00.02", "5", 3))
    assert len(place.held()) == 1
    place.edit(
        place.code_file, "row = as_object(item, at)", 'row = as_object(item, at) | {"due": Decimal(str(item["due"]))}'
    )
    place.edit(place.code_file, "import datetime as dt", "import datetime as dt\nfrom decimal import Decimal")
    place.edit(place.manifest_file, '"1.0.0"', '"1.1.0"')
    assert len(place.held()) == 1  # as long as nothing was read again
    report = place.read_again(hour(NEXT, 60))
    assert (report.version, report.read, report.changed, report.quarantined, report.refused) == ("1.1.0", 1, 1, 0, [])
    assert place.held() == []
    assert (DUE, "H00.02") not in place.known(NIGHT)
    assert place.known(NEXT)[DUE, "H00.02"] == ("5", "harvested")
    with Session(place.engine) as session:
        rows = session.exec(select(SnapshotRow).order_by(col(SnapshotRow.captured_at))).all()
    assert [(row.connector_version, row.reread_of) for row in rows] == [("1.0.0", None), ("1.1.0", rows[0].id)]


def test_a_release_under_an_older_reader_asks_for_reading_again_first(place: Installation) -> None:
    place.harvest(GOOD, BROKEN)
    place.edit(place.manifest_file, '"1.0.0"', '"1.1.0"')
    with pytest.raises(QuarantineError, match=r"phiên bản 1\.1\.0"):
        place.release(place.held()[0].id, now=hour(NIGHT, 60))
    place.read_again(hour(NIGHT, 60))
    assert len(place.held()) == 2
    place.release(place.held()[0].id, now=hour(NIGHT, 70))


def test_reading_again_what_says_the_same_adds_nothing(place: Installation) -> None:
    place.harvest(GOOD, BROKEN)
    before = facts.canonical_dump(place.engine)
    report = place.read_again(hour(NEXT, 60))
    assert (report.read, report.changed, report.new_observations, report.quarantined) == (1, 0, 0, 2)
    assert facts.canonical_dump(place.engine) == before


def test_a_reader_that_refuses_what_was_read_leaves_it(place: Installation) -> None:
    place.harvest(GOOD, BROKEN)
    before = facts.canonical_dump(place.engine)
    place.edit(place.code_file, 'if "error" in data:', "if data:")
    report = place.read_again(hour(NEXT, 60))
    assert [(night, path, failure.kind) for night, path, failure in report.refused] == [
        (str(NIGHT), "/figures", FailureKind.SOURCE_ERROR)
    ]
    assert facts.canonical_dump(place.engine) == before


def test_a_unit_that_became_known_is_read_from_then_on(place: Installation) -> None:
    place.edit(place.code_file, "unit_code=code", "unit_code=None")
    place.registry = Registry(units=(unit := Unit(code="H00", name="Tỉnh Thực Hành", level="province"),))
    place.registry = Registry(units=(unit.model_copy(update={"source_ids": {NAME: "nguồn-1"}}),))
    place.harvest(row("nguồn-1", 3, 2), row("nguồn-2", 4, 1))
    (item,) = place.held()
    assert "không biết mã định danh" in item.reason
    assert not item.is_figure
    other = Unit(code="H00.02", name="Sở Tập Dượt", level="department", parent="H00", source_ids={NAME: "nguồn-2"})
    place.registry = Registry(units=(*place.registry.units, other))
    place.read_again(hour(NEXT, 60))
    assert place.held() == []
    assert (DUE, "H00.02") not in place.known(NIGHT)
    assert place.known(NEXT)[DUE, "H00.02"] == ("4", "harvested")
    (cleared,) = quarantine.show(place.engine, item.id)["decisions"]
    assert (cleared["decision"], cleared["by"]) == ("cleared", f"bộ đọc {NAME} 1.0.0")


def test_figures_as_of_the_night_are_one_reading_however_many_nights_say_so(place: Installation) -> None:
    place.edit(place.manifest_file, "cadence: daily", "cadence: daily\nas_of: night")
    place.edit(
        place.code_file, "period = Period(", "period = Period(snapshot.night, snapshot.night)\n        _ = Period("
    )
    place.harvest(GOOD, BROKEN)
    report = place.harvest(GOOD, BROKEN, night=NEXT)
    assert report.new_observations == 0
    waiting = place.held()
    assert [item.nights for item in waiting] == [(str(NIGHT), str(NEXT))] * 2
    place.release(*(item.id for item in waiting), now=hour(NEXT, 60))
    assert place.held() == []
    assert place.known(NEXT)[DONE, "H00.02"] == ("8", "harvested")


def test_both_spellings_of_a_code_are_one_unit(place: Installation) -> None:
    place.harvest(GOOD, row("000.00.02.H00", 5, 4))
    assert place.known(NIGHT)[DONE, "H00.02"] == ("4", "harvested")
