"""GoAccess: which reports are read, what they say, what is kept of them; with the real program where installed."""

from __future__ import annotations

import copy
import datetime as dt
import json
import shutil
import subprocess
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from connectors.goaccess.connector import CONNECTOR
from dti_pipeline.harvest.discovery import load_manifest
from dti_pipeline.harvest.model import FailureKind, Reading, Redacts, Request, Site, Snapshot, SourceFailure
from dti_pipeline.sandbox.twins.goaccess import LOST, TWIN, counts_on, portals
from dti_pipeline.scoring.periods import month, quarter, year
from dti_pipeline.scoring.states import InputState

RECORDED = Path(__file__).parents[2] / "connectors" / "goaccess" / "recorded"
NIGHT = dt.date(2026, 10, 15)
NAME = "H00.21_2026-10.json"
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"
ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


# --- helpers ---


def site(**options: Any) -> Site:
    return Site(name="thu", connector="goaccess", base_url="file:///bao-cao", province="H00", options=options)


def recorded() -> dict[str, Any]:
    report: dict[str, Any] = json.loads((RECORDED / "month" / "body.json").read_text())
    return report


def report(name: str, body: Any, night: dt.date | None = NIGHT) -> Snapshot:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Snapshot(Request("GET", name, kind="file"), 200, {}, raw, night=night)


def read(body: Any, name: str = NAME, night: dt.date | None = NIGHT) -> Reading:
    return CONNECTOR.read(report(name, body, night))


def failure(body: Any, name: str = NAME) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        read(body, name)
    return caught.value


def listing(*names: str) -> bytes:
    return json.dumps({"files": [{"name": name, "bytes": 1, "sha256": "0"} for name in names]}).encode()


def values(reading: Reading, metric: str) -> dict[int, Decimal | None]:
    return {item.period.start.day: item.value for item in reading.observations if item.metric == metric}


# --- recorded answers ---


@pytest.mark.parametrize("case", sorted(path.name for path in RECORDED.iterdir()))
def test_a_recorded_answer_reads_as_worked_out_by_hand(case: str) -> None:
    request = json.loads((RECORDED / case / "request.json").read_text())
    body = (RECORDED / case / "body.json").read_bytes()
    snapshot = report(request["path"], body, dt.date.fromisoformat(request["night"]))
    reading = CONNECTOR.read(replace(snapshot, body=CONNECTOR.redact(snapshot).body))
    found = [
        {
            "metric": item.metric,
            "unit": item.unit,
            "state": item.state.value,
            "value": None if item.value is None else f"{item.value:f}",
            "numerator": None,
            "denominator": None,
            "locator": item.locator,
        }
        for item in reading.observations
    ]
    assert found == json.loads((RECORDED / case / "expected.json").read_text())


def test_what_the_recorded_report_lacks_is_told() -> None:
    reading = read(recorded())
    assert reading.warnings == (
        "2 dòng nhật ký không đọc được, không tính vào số liệu (tại /general/failed_requests)",
        "1 ngày không có dòng nhật ký nào (02/10/2026): coi là thiếu, không phải 0",
        "bỏ 1 ngày ngoài kỳ ghi ở tên tệp (30/09/2026–30/09/2026): nhật ký của chúng có thể không đủ",
    )
    assert {item.metric for item in reading.observations} == set(load_manifest("goaccess").metrics)


def test_unread_fields_are_told_once() -> None:
    made = recorded()
    for row in made["visitors"]["data"]:
        row["sessions"] = {"count": 1}
        row["hits"]["rate"] = "1"
    assert read(made).warnings[1:3] == (
        "trường mới «sessions» (tại /visitors/data/0)",
        "trường mới «hits.rate» (tại /visitors/data/0/hits)",
    )
    assert read(made).observations == read(recorded()).observations


# --- files ---


def test_reports_with_days_in_the_window_are_read() -> None:
    names = [
        "H00.21_2025-12.json",
        NAME,
        "H00.21_2026-12-31.json",
        "H00.22_2026.json",
        "2026/so-y-te_2026-02.json",
        "x.json",
    ]
    plan = CONNECTOR.plan(site(), year(2026))
    first = next(plan)
    assert (first.kind, first.path) == ("file", "")
    asked = []
    reply = Snapshot(first, 200, {}, listing(*names))
    while True:
        try:
            asked.append(plan.send(reply))
        except StopIteration:
            break
    assert [request.path for request in asked] == [
        NAME,
        "H00.21_2026-12-31.json",
        "H00.22_2026.json",
        "2026/so-y-te_2026-02.json",
    ]
    assert {request.kind for request in asked} == {"file"}


def test_a_folder_that_cannot_be_listed_ends_the_plan() -> None:
    plan = CONNECTOR.plan(site(), quarter(2026, 3))
    next(plan)
    with pytest.raises(StopIteration):
        plan.send(None)


def test_a_name_that_nobody_reads_does_not_go_unnoticed() -> None:
    reading = read(listing(NAME, "bao cao.json", "H00.21_2026-13.json"), name="")
    assert reading.warnings == (
        "bỏ qua 2 tệp tên không có dạng <đơn vị>_<tháng>.json (H00.11_2026-09.json): bao cao.json, H00.21_2026-13.json",
    )
    assert read(listing(), name="").warnings == ("thư mục chưa có báo cáo nào",)
    assert failure({"files": "x"}, name="").kind is FailureKind.WRONG_SHAPE


def test_there_are_no_options() -> None:
    with pytest.raises(ValueError, match="site thu: this connector has no options; remove units"):
        next(CONNECTOR.plan(site(units={}), year(2026)))


def test_the_unit_is_the_name_of_the_file() -> None:
    assert {(item.unit, item.unit_code) for item in read(recorded()).observations} == {("H00.21", "H00.21")}
    other = read(recorded(), "so-y-te_2026-10.json")
    assert {(item.unit, item.unit_code) for item in other.observations} == {("so-y-te", None)}


# --- days ---


def test_a_day_that_was_not_over_when_the_report_was_made_is_no_figure() -> None:
    made = recorded()
    assert sorted(values(read(made), "portal_requests")) == [1, 2, 3]
    made["general"]["date_time"] = "2026-10-04 16:59:59 +0000"  # 23:59 here
    assert sorted(values(read(made), "portal_requests")) == [1, 2, 3]
    made["general"]["date_time"] = "2026-10-04 17:00:00 +0000"
    assert values(read(made), "portal_requests") == {1: 50, 2: None, 3: 60, 4: 10}
    made["general"]["date_time"] = "2026-10-05 00:00:00"  # 1.4 and earlier: the server's own time
    assert sorted(values(read(made), "portal_requests")) == [1, 2, 3, 4]


def test_a_day_after_the_night_is_no_figure() -> None:
    made = recorded()
    made["general"]["date_time"] = "2026-10-08 00:00:00 +0700"
    assert sorted(values(read(made, night=dt.date(2026, 10, 3)), "portal_requests")) == [1, 2, 3]


def test_an_empty_log_is_missing_days_and_not_zero() -> None:
    made = recorded()
    made["general"] |= {"total_requests": 0, "valid_requests": 0, "failed_requests": 0, "unique_visitors": 0}
    made["visitors"] = {"metadata": {"data": {"total": {"value": 0}}}, "data": []}
    made["browsers"]["data"] = []
    reading = read(made)
    assert {item.state for item in reading.observations} == {InputState.MISSING}
    assert len(reading.observations) == 6


# --- reports that cannot be used ---


def changed(path: str, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(recorded())
    place: Any = made
    *way, last = path.split("/")
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    if value is None:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return made


@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        (changed("browsers/data/0/data", "Crawlers"), FailureKind.SOURCE_ERROR, "--ignore-crawlers"),
        (changed("browsers", None), FailureKind.SOURCE_ERROR, "không biết có tính cả robot"),
        (changed("general/valid_requests", 0), FailureKind.SOURCE_ERROR, "--log-format"),
        (changed("general/total_requests", "160"), FailureKind.UNSUPPORTED_PLATFORM, "đời cũ"),
        (changed("visitors/metadata/data/total/value", 400), FailureKind.TRUNCATED, "4 trong 400 ngày"),
        (changed("visitors/metadata", None), FailureKind.WRONG_SHAPE, "metadata"),
        (changed("visitors", [1]), FailureKind.WRONG_SHAPE, "/visitors"),
        (changed("visitors/data/0/data", "20261003"), FailureKind.WRONG_SHAPE, "hai lần"),
        (changed("visitors/data/0/data", "04/Oct/2026"), FailureKind.WRONG_SHAPE, "YYYYMMDD"),
        (changed("visitors/data/0/data", "20261332"), FailureKind.WRONG_SHAPE, "YYYYMMDD"),
        (changed("visitors/data/0/hits/count", "10"), FailureKind.WRONG_SHAPE, "số đếm"),
        (changed("visitors/data/0/hits/count", -10), FailureKind.WRONG_SHAPE, "số đếm"),
        (changed("visitors/data/0/hits/count", 11), FailureKind.WRONG_SHAPE, "khác valid_requests"),
        (changed("visitors/data/0/visitors/count", 11), FailureKind.WRONG_SHAPE, "nhiều khách hơn"),
        (changed("general/date_time", "hôm qua"), FailureKind.WRONG_SHAPE, "date_time"),
        (b'{"general": {"total_req', FailureKind.TRUNCATED, "cắt ngang"),
        (b"<html></html>", FailureKind.NOT_JSON, "không phải JSON"),
        (b"[]", FailureKind.WRONG_SHAPE, "đối tượng"),
        (b'{"general": {}, "general": {}}', FailureKind.WRONG_SHAPE, "hai lần"),
    ],
)
def test_a_report_made_the_wrong_way_is_a_failure(body: Any, kind: FailureKind, told: str) -> None:
    caught = failure(body)
    assert caught.kind is kind
    assert told in caught.message


def test_a_half_copied_report_can_be_asked_for_again() -> None:
    assert failure(b'{"general": {').retryable
    assert not failure(changed("visitors/metadata/data/total/value", 400)).retryable


def test_a_file_of_another_name_is_not_read() -> None:
    assert failure(recorded(), "report.json").kind is FailureKind.WRONG_SHAPE


# --- what is kept ---


def test_addresses_pages_and_paths_are_not_kept() -> None:
    made = recorded()
    made["hosts"] = {"data": [{"data": "192.0.2.10"}]}
    made["requests"] = {"data": [{"data": "/tra-cuu?cccd=001"}]}
    made["general"]["log_path"] = ["/var/log/nginx/access.log"]
    assert isinstance(CONNECTOR, Redacts)
    redacted = CONNECTOR.redact(report(NAME, made))
    assert redacted.removed == ("general.log_path", "hosts", "requests")
    assert not any(secret in redacted.body for secret in (b"192.0.2.10", b"cccd", b"access.log"))
    assert read(redacted.body) == read(made)
    with pytest.raises(SourceFailure):
        CONNECTOR.redact(report(NAME, b"{"))


# --- the practice reports ---


def test_the_practice_reports_are_read_from_end_to_end(tmp_path: Path) -> None:
    practice = Site.model_validate(TWIN.sites("", tmp_path)[0])
    root = Path(urlsplit(practice.base_url).path)
    plan = CONNECTOR.plan(practice, year(2026))
    request = next(plan)
    reply = Snapshot(request, 200, {}, listing(*sorted(path.name for path in root.iterdir())), night=NIGHT)
    found = {}
    while True:
        try:
            request = plan.send(reply)
        except StopIteration:
            break
        raw = Snapshot(request, 200, {}, (root / request.path).read_bytes(), night=NIGHT)
        reply = replace(raw, body=CONNECTOR.redact(raw).body)
        for item in CONNECTOR.read(reply).observations:
            found[item.metric, item.unit_code, item.period.start] = item
    days = [dt.date(2026, 1, 1) + dt.timedelta(days=number) for number in range((NIGHT - dt.date(2025, 12, 31)).days)]
    assert len(found) == 2 * len(portals()) * len(days)
    for code in portals():
        for day in days:
            item = found["portal_daily_visitors", code, day]
            assert item.value == (None if (code, day) == LOST else counts_on(code, day)[0])


# --- the real program ---


needs_goaccess = pytest.mark.skipif(shutil.which("goaccess") is None, reason="goaccess is not installed")


def goaccess(log: Path, *options: str) -> bytes:
    made = log.with_suffix(".json")
    program = shutil.which("goaccess") or "goaccess"
    command = [
        program,
        str(log),
        "--no-global-config",
        "--log-format=COMBINED",
        "--no-progress",
        *options,
        "-o",
        str(made),
    ]
    subprocess.run(command, check=True, capture_output=True, env={"TZ": "Asia/Ho_Chi_Minh", "PATH": "/usr/bin:/bin"})  # noqa: S603
    return made.read_bytes()


def line(day: dt.date, address: str, path: str, browser: str) -> str:
    return f'{address} - - [{day:%d/%b/%Y}:08:00:00 +0700] "GET {path} HTTP/1.1" 200 100 "-" "{browser}"'


def log_of(folder: Path, days: int, first: dt.date) -> Path:
    """A log with 3 visitors, 4 requests and one robot a day, and a line that is none."""
    lines = ["không phải dòng nhật ký"]
    for number in range(days):
        day = first + dt.timedelta(days=number)
        lines += [line(day, f"192.0.2.{visitor}", "/", BROWSER) for visitor in (1, 2, 3, 3)]
        lines.append(line(day, "192.0.2.9", "/", ROBOT))
    path = folder / "access.log"
    path.write_text("\n".join(lines) + "\n")
    return path


@needs_goaccess
def test_the_real_program_counts_people_and_leaves_robots_out(tmp_path: Path) -> None:
    body = goaccess(log_of(tmp_path, 3, dt.date(2025, 9, 29)), "--ignore-crawlers")
    redacted = CONNECTOR.redact(report("H00.21_2025-10.json", body))
    assert b"192.0.2" not in redacted.body
    reading = read(redacted.body, "H00.21_2025-10.json")
    assert values(reading, "portal_daily_visitors")[1] == 3
    assert values(reading, "portal_requests")[1] == 4
    assert {value for day, value in values(reading, "portal_requests").items() if day > 1} == {None}
    assert reading.warnings[0].startswith("1 dòng nhật ký không đọc được")
    assert "29/09/2025–30/09/2025" in reading.warnings[2]


@needs_goaccess
def test_a_report_of_the_real_program_with_robots_is_refused(tmp_path: Path) -> None:
    body = goaccess(log_of(tmp_path, 2, dt.date(2025, 10, 1)))
    assert failure(body, "H00.21_2025-10.json").kind is FailureKind.SOURCE_ERROR


@needs_goaccess
def test_a_long_log_makes_the_real_program_leave_days_out(tmp_path: Path) -> None:
    body = goaccess(log_of(tmp_path, 400, dt.date(2024, 8, 1)), "--ignore-crawlers")
    caught = failure(body, "H00.21_2025.json")
    assert (caught.kind, caught.message) == (
        FailureKind.TRUNCATED,
        "báo cáo chỉ có 366 trong 400 ngày của nhật ký; tạo theo tháng",
    )


@needs_goaccess
def test_an_empty_log_of_the_real_program(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text("")
    reading = read(goaccess(path, "--ignore-crawlers"), "H00.21_2025-10.json")
    assert {item.state for item in reading.observations} == {InputState.MISSING}
    assert len(reading.observations) == 2 * ((month(2025, 10).end - month(2025, 10).start).days + 1)
