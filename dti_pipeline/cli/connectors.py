"""`dti connectors …`: source systems."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from dti_pipeline.cli.common import JsonFlag, UsageProblem, emit, parse_date, print_table, read_file, stop, workspace

app = typer.Typer(help="Source systems.", no_args_is_help=True)


@app.command("list")
def connectors_list(as_json: JsonFlag = False) -> None:
    """All connectors: publisher, metrics, strength of evidence and configured sites."""
    from dti_pipeline.harvest.discovery import connector_names, load_manifest

    sites = workspace().sites
    manifests = [load_manifest(name) for name in connector_names()]
    data = [
        {
            "name": manifest.name,
            "publisher": manifest.publisher,
            "metrics": list(manifest.metrics),
            "evidence_strength": manifest.evidence_strength,
            "sites": [site.name for site in sites if site.connector == manifest.name],
        }
        for manifest in manifests
    ]
    if as_json:
        emit(data)
        return
    rows = [
        (
            item["name"],
            item["publisher"],
            len(item["metrics"]),
            item["evidence_strength"],
            ", ".join(item["sites"]) or "chưa cấu hình",
        )
        for item in data
    ]
    print_table("Hệ thống nguồn", ("tên", "cơ quan công bố", "số liệu", "độ chắc của giao diện", "điểm thu thập"), rows)


@app.command("read")
def connectors_read(
    name: str,
    file: Path,
    request: Annotated[Path, typer.Option("--request", help="JSON: {method, url, params, headers, json, data}")],
    as_json: JsonFlag = False,
) -> None:
    """Bytes in, figures out: read a stored answer with the network off. Exit 1 where the reading fails."""
    from dti_pipeline.harvest.discovery import load_connector
    from dti_pipeline.harvest.model import SourceFailure
    from dti_pipeline.harvest.offline import reading_data, snapshot_of

    snapshot = snapshot_of(read_file(file), _request_json(request), file.name)
    connector = load_connector(name)
    registry = workspace().registry
    try:
        reading = connector.read(snapshot)
    except SourceFailure as failure:
        if as_json:
            emit(reading_data(name, registry, None, failure))
        stop(f"{failure.kind.value}: {failure.message}", 1)
    data = reading_data(name, registry, reading, None)
    if as_json:
        emit(data)
        return
    header = ("số liệu", "đơn vị", "tên", "giá trị", "tử số", "mẫu số", "trạng thái", "vị trí")
    keys = ("metric", "unit", "unit_name", "value", "numerator", "denominator", "state", "locator")
    print_table(
        f"{len(data['observations'])} số liệu", header, [[o[key] for key in keys] for o in data["observations"]]
    )
    for warning in data["warnings"]:
        print(f"Cảnh báo: {warning}", file=sys.stderr)
    for record in data["quarantined"]:
        print(f"Cách ly {record['locator']}: {record['reason']}", file=sys.stderr)


def _request_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_file(path))
    except ValueError as error:
        raise UsageProblem(f"{path.name}: not JSON ({error})") from None
    if not isinstance(data, dict):
        raise UsageProblem(f"{path.name}: the request is a JSON object with method, url, params, headers, json, data")
    return data


@app.command("run")
def connectors_run(
    name: str,
    site: Annotated[str, typer.Option("--site", help="A site of sites.yaml.")],
    night: Annotated[str, typer.Option("--night", help="The night, as YYYY-MM-DD.")],
    again: Annotated[bool, typer.Option("--again", help="Ask once more even after a failure that said no.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Harvest one site for one night, without Dagster. Exit 1 where a request failed."""
    from dti_pipeline.harvest.discovery import load_manifest
    from dti_pipeline.night import harvest, record_run

    manifest = load_manifest(name)
    work = workspace()
    if not any((item.connector, item.name) == (name, site) for item in work.sites):
        known = ", ".join(item.name for item in work.sites if item.connector == name) or "none"
        raise UsageProblem(f"no site «{site}» for {name} in {work.settings.sites_file}; known: {known}")
    tonight = work.night(parse_date(night), "cli")
    record_run(work, tonight)
    (report,) = harvest(work, name, tonight, only_site=site, again=again)
    failures = [
        {
            "request": path,
            "kind": failure.kind.value,
            "message": failure.message,
            "retryable": failure.retryable,
            "what_to_do": manifest.words(failure.kind).vi,
        }
        for path, failure in report.failures
    ]
    data = {
        "connector": name,
        "site": site,
        "night": night,
        "requests_sent": report.fetched,
        "answers_reused": report.reused,
        "observations": report.observations,
        "new_observations": report.new_observations,
        "quarantined": report.quarantined,
        "warnings": report.warnings,
        "failures": failures,
    }
    if as_json:
        emit(data)
    else:
        print(
            f"{name}/{site}, đêm {night}: gửi {report.fetched} yêu cầu, dùng lại {report.reused}; "
            f"{report.observations} số liệu ({report.new_observations} mới), {report.quarantined} cách ly"
        )
        for item in failures:
            print(f"{item['request']}: {item['message']} → {item['what_to_do']}", file=sys.stderr)
    if failures:
        raise SystemExit(1)


@app.command("new")
def connectors_new(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and _, like one_stop.")],
    folder: Annotated[Path, typer.Option("--folder", help="The checkout to write into.")] = Path(),
) -> None:
    """Write a new connector that works at once: manifest, connector, recorded case, test and practice twin."""
    from dti_pipeline.harvest.scaffold import new_connector

    for path in new_connector(name, folder):
        print(path)
    print(f"Tiếp theo: sửa hai hàm plan và read trong connectors/{name}/connector.py, rồi dti connectors check {name}")


@app.command("check")
def connectors_check(name: str, as_json: JsonFlag = False) -> None:
    """Prove a connector against its recorded answers and the known faults. Exit 1 where a rule is broken."""
    from dti_pipeline.harvest.conformance import HEADER, check

    report = check(name)
    if as_json:
        emit(report.as_dict())
    else:
        print_table(f"{report.connector} {report.version}", HEADER, report.table())
    if not report.is_good:
        raise SystemExit(1)


@app.command("reread")
def connectors_reread(
    name: str,
    since: Annotated[str, typer.Option("--since", help="First night to read again, as YYYY-MM-DD.")],
    as_json: JsonFlag = False,
) -> None:
    """Read stored answers again with today's reader; nothing is fetched. Exit 1 where an answer is refused."""
    from dti_pipeline.harvest.reread import reread

    work = workspace()
    report = reread(work.engine, work.snapshots, work.registry, name, parse_date(since), work.now())
    refused = [
        {"night": night, "request": path, "kind": failure.kind.value, "message": failure.message}
        for night, path, failure in report.refused
    ]
    data = {
        "connector": report.connector,
        "version": report.version,
        "answers_read": report.read,
        "answers_changed": report.changed,
        "new_observations": report.new_observations,
        "quarantined": report.quarantined,
        "refused": refused,
    }
    if as_json:
        emit(data)
    else:
        print(
            f"{name} {report.version}: đọc lại {report.read} câu trả lời, {report.changed} nói khác trước, "
            f"{report.new_observations} số liệu mới, {report.quarantined} bản ghi còn cách ly"
        )
        for item in refused:
            print(f"đêm {item['night']}, {item['request']}: {item['message']}", file=sys.stderr)
    if refused:
        raise SystemExit(1)
