"""What makes a request the same request, its body as text, and answers that hold for good."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from harvest_kit import MANIFEST, NIGHT, Clock, Practice, Stored, polite
from pydantic import ValidationError
from pytest_httpserver import HTTPServer
from werkzeug import Request as Asked
from werkzeug import Response

from dti_pipeline.harvest.fetching import open_fetcher
from dti_pipeline.harvest.model import Manifest, Request, Site
from dti_pipeline.harvest.offline import snapshot_of
from dti_pipeline.harvest.reread import request_of
from dti_pipeline.harvest.runner import SiteReport

NEXT = NIGHT + dt.timedelta(days=1)
SOAP = '<?xml version="1.0"?><s:Envelope>Thực Hành</s:Envelope>'
XML = "text/xml; charset=UTF-8"


def test_a_request_without_text_has_the_identity_that_it_always_had() -> None:
    asked = Request("POST", "/a", params={"y": "2026"}, headers={"X": "1"}, json={"k": [1, None]})
    written = (
        '{"data":null,"headers":{"X":"1"},"json":{"k":[1,null]},"method":"POST","params":{"y":"2026"},"path":"/a"}'
    )
    assert asked.canonical() == written
    assert asked.sha256 == "beb43a04788e7214286f970908c49951afabf0f90ae56ee54af9044411240253"


def test_text_and_its_type_are_part_of_the_identity_and_that_it_is_final_is_not() -> None:
    asked = Request("POST", "/", content=SOAP, content_type=XML)
    assert json.loads(asked.canonical())["content"] == SOAP
    others = [
        Request("POST", "/", content=SOAP + " ", content_type=XML),
        Request("POST", "/", content=SOAP, content_type="text/xml"),
        Request("POST", "/"),
    ]
    assert len({asked.sha256, *(other.sha256 for other in others)}) == 4
    final = Request("POST", "/", content=SOAP, content_type=XML, is_final=True)
    assert (final, final.canonical(), final.sha256) == (asked, asked.canonical(), asked.sha256)


@pytest.mark.parametrize(
    "body",
    [
        {"json": {}, "data": {}},
        {"json": {}, "content": "x", "content_type": XML},
        {"data": {}, "content": "x", "content_type": XML},
    ],
)
def test_a_request_has_one_body(body: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="one body"):
        Request("POST", "/", **body)


@pytest.mark.parametrize("lonely", [{"content": "x"}, {"content_type": XML}])
def test_text_has_a_type(lonely: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="belong together"):
        Request("POST", "/", **lonely)


class Source:
    """Answers 7 and keeps what it was asked; the first `failing` times it breaks."""

    def __init__(self, server: HTTPServer, failing: int = 0) -> None:
        self.asked: list[tuple[bytes, str]] = []
        self.failing = failing
        server.expect_request("/soap").respond_with_handler(self._answer)
        self.url = server.url_for("")

    def _answer(self, asked: Asked) -> Response:
        self.asked.append((asked.get_data(), asked.headers.get("Content-Type", "")))
        return Response("7", status=503 if len(self.asked) <= self.failing else 200)


def harvest(stored: Stored, url: str, night: dt.date, *requests: Request, retries: int = 0, **site: Any) -> SiteReport:
    where = Site.model_validate({"name": "soap", "connector": "practice", "base_url": url, "province": "H00"} | site)
    clock = Clock()
    with open_fetcher(
        where,
        polite(retries=retries),
        sleep=clock.sleep,
        monotonic=clock.monotonic,
        jitter=lambda: 0.0,
        environ={"DTI_SITE_TOKEN": "t0ken-of-the-site"},
    ) as fetcher:
        return stored.harvest(Practice(*requests), where, fetcher, night=night)


ASK = Request("POST", "/soap", content=SOAP, content_type=XML)


def test_text_is_sent_as_it_is_also_when_it_is_sent_again(httpserver: HTTPServer, tmp_path: Path) -> None:
    source, stored = Source(httpserver, failing=1), Stored(tmp_path)
    assert harvest(stored, source.url, NIGHT, ASK, retries=1).failures == []
    assert source.asked == [(SOAP.encode(), XML)] * 2
    (row,) = stored.snapshots()
    assert (row.request_sha256, request_of(row)) == (ASK.sha256, ASK)
    told = json.loads(row.request)
    assert (told["content"], told["content_type"]) == (SOAP, XML)


def test_a_login_goes_into_a_header_beside_text_and_never_into_the_text(httpserver: HTTPServer, tmp_path: Path) -> None:
    source, stored = Source(httpserver), Stored(tmp_path)
    harvest(stored, source.url, NIGHT, ASK, auth={"kind": "bearer", "token": "DTI_SITE_TOKEN"})
    assert source.asked == [(SOAP.encode(), XML)]
    assert b"t0ken-of-the-site" not in stored.everything()
    in_form = {"kind": "form_field", "name": "token", "token": "DTI_SITE_TOKEN"}
    ((_, failure),) = harvest(stored, source.url, NEXT, ASK, auth=in_form).failures
    assert "body is a form" in failure.message
    assert source.asked == [(SOAP.encode(), XML)]


def test_a_stored_answer_is_read_by_hand_with_its_text() -> None:
    given = {"method": "POST", "path": "/soap", "content": SOAP, "content_type": XML}
    assert snapshot_of(b"<a/>", given, "request.json").request == ASK
    with pytest.raises(ValueError, match=r"request\.json: a request has one body"):
        snapshot_of(b"<a/>", given | {"json": {}}, "request.json")


# --- answers that hold for good ---


def final(number: int) -> Request:
    return Request("POST", "/soap", params={"day": str(number)}, content=SOAP, content_type=XML, is_final=True)


def test_an_answer_that_holds_for_good_is_not_asked_for_again(httpserver: HTTPServer, tmp_path: Path) -> None:
    source, stored = Source(httpserver), Stored(tmp_path)
    harvest(stored, source.url, NIGHT, final(1))
    report = harvest(stored, source.url, NEXT, final(1), final(2))
    assert (report.fetched, report.reused, report.failures, len(source.asked)) == (1, 1, [], 2)
    assert [(row.night, request_of(row).params["day"]) for row in stored.snapshots()] == [
        (NIGHT.isoformat(), "1"),
        (NEXT.isoformat(), "2"),
    ]
    usual = Request("POST", "/soap", params={"day": "1"}, content=SOAP, content_type=XML)
    assert harvest(stored, source.url, NEXT, usual).fetched == 1, "the same question, not said to be final"


def test_the_plan_is_given_the_answer_with_the_night_it_was_taken_on(httpserver: HTTPServer, tmp_path: Path) -> None:
    source, stored = Source(httpserver), Stored(tmp_path)
    harvest(stored, source.url, NIGHT, final(1))
    connector = Practice(final(1))
    where = Site(name="soap", connector="practice", base_url=source.url, province="H00")
    with open_fetcher(where, polite(), sleep=Clock().sleep, monotonic=Clock().monotonic, jitter=lambda: 0.0) as fetcher:
        stored.harvest(connector, where, fetcher, night=NEXT)
    (given,) = connector.given
    assert given is not None
    assert (given.night, given.body, given.status, given.request) == (NIGHT, b"7", 200, final(1))


def test_only_a_good_and_undamaged_answer_of_this_site_holds(httpserver: HTTPServer, tmp_path: Path) -> None:
    source, stored = Source(httpserver, failing=1), Stored(tmp_path)
    assert harvest(stored, source.url, NIGHT, final(1)).failures
    assert harvest(stored, source.url, NEXT, final(1)).fetched == 1, "what failed is asked again"
    later = NEXT + dt.timedelta(days=1)
    assert harvest(stored, source.url, later, final(1)).reused == 1
    assert harvest(stored, source.url, later, final(1), name="khac").fetched == 1
    later += dt.timedelta(days=1)
    for row in stored.snapshots():
        Path(stored.store.path(row.body_sha256 or "")).write_bytes(b"8") if row.failure_kind is None else None
    assert harvest(stored, source.url, later, final(1)).fetched == 1


# --- what a manifest says of its figures ---


def manifest(**changes: Any) -> Manifest:
    return Manifest.model_validate(MANIFEST.model_dump() | changes)


def test_some_or_all_metrics_are_as_of_the_night() -> None:
    two = {"metrics": ["dossiers_received", "dossiers_on_time"]}
    of = {
        key: [manifest(**two, as_of=value).is_as_of_night(metric) for metric in two["metrics"]]
        for key, value in (("period", "period"), ("night", "night"), ("one", ["dossiers_on_time"]))
    }
    assert of == {"period": [False, False], "night": [True, True], "one": [False, True]}
    with pytest.raises(ValidationError, match="as_of names dossiers_gone"):
        manifest(as_of=["dossiers_gone"])


def test_a_source_that_forgets_knows_whole_days_only_from_some_day_on() -> None:
    assert manifest().kept_from(NIGHT) is None
    # Run late on the 16th, what is seven days back lies in the 9th: the 10th is the first day that is whole.
    assert manifest(retention_days=7).kept_from(NIGHT) == dt.date(2026, 10, 10)
    with pytest.raises(ValidationError):
        manifest(retention_days=0)
