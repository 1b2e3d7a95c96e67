"""The alert of a failed night: plain words in a file, the same to a webhook, and nothing secret anywhere."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from dti_pipeline.alerts import alert_text, send_alert
from dti_pipeline.settings import Settings

NOW = dt.datetime.fromisoformat("2026-10-16T01:00:00+07:00")
TEXT = alert_text("2026-10-15", "run-1", [("scores__hue_2024__commune", "thiếu lựa chọn\nTraceback …"), ("x", "")])


def test_the_words_say_what_failed_and_what_to_do() -> None:
    assert TEXT.splitlines()[:3] == [
        "Đêm 2026-10-15 CHƯA XONG (lượt chạy run-1).",
        "- Bước scores__hue_2024__commune: thiếu lựa chọn",
        "- Bước x: ?",
    ]
    assert "dti night --date 2026-10-15" in TEXT
    assert "Traceback" not in TEXT


def test_a_second_alert_of_a_night_is_added_to_its_file(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    path, problem = send_alert(settings, "2026-10-15", TEXT, NOW)
    assert (path, problem) == (tmp_path.resolve() / ".dti" / "alerts" / "2026-10-15.txt", None)
    send_alert(settings, "2026-10-15", "lần hai\n", NOW)
    assert (
        path.read_text(encoding="utf-8")
        == f"[2026-10-16T01:00:00+07:00]\n{TEXT}\n[2026-10-16T01:00:00+07:00]\nlần hai\n\n"
    )


def test_the_webhook_gets_the_same_words(tmp_path: Path, httpserver: HTTPServer) -> None:
    httpserver.expect_ordered_request("/hook/s3cret", method="POST", json={"text": TEXT}).respond_with_data("ok")
    settings = Settings(home=tmp_path, alert_webhook=httpserver.url_for("/hook/s3cret"))
    assert send_alert(settings, "2026-10-15", TEXT, NOW)[1] is None
    httpserver.check()
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/hook/s3cret", None])
def test_a_webhook_that_fails_is_told_without_its_address(
    tmp_path: Path, httpserver: HTTPServer, address: str | None
) -> None:
    httpserver.expect_request("/hook/s3cret").respond_with_data("no", status=500)
    settings = Settings(home=tmp_path, alert_webhook=address or httpserver.url_for("/hook/s3cret"))
    path, problem = send_alert(settings, "2026-10-15", TEXT, NOW)
    assert problem is not None
    assert "s3cret" not in problem
    assert path.exists()
