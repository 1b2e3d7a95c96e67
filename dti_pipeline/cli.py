"""`dti …`: the command line. Thin: it reads arguments, calls the engine and prints.

Exit codes: 0 done, 1 the work itself failed (a source is down, a check failed), 2 bad input or usage. With `--json`
only JSON goes to stdout; words go to stderr. Heavy libraries are imported by the commands that need them.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from dti_pipeline.frameworks.model import Framework, Level
    from dti_pipeline.night import Workspace
    from dti_pipeline.scoring.engine import Choices, UnitRef

app = typer.Typer(
    help="Scores digital government from evidence that anybody can check.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
frameworks_app = typer.Typer(help="Decisions as data.", no_args_is_help=True)
connectors_app = typer.Typer(help="Source systems.", no_args_is_help=True)
rankings_app = typer.Typer(help="Ranked tables of a night.", no_args_is_help=True)
sandbox_app = typer.Typer(help="Practice source systems on loopback.", no_args_is_help=True)
app.add_typer(frameworks_app, name="frameworks")
app.add_typer(connectors_app, name="connectors")
app.add_typer(rankings_app, name="rankings")
app.add_typer(sandbox_app, name="sandbox")

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]
LevelOption = Annotated[str | None, typer.Option("--level", help="province, department, district or commune.")]
NightOption = Annotated[str | None, typer.Option("--night", help="The night, as YYYY-MM-DD; default: the last run.")]
NotApplicableOption = Annotated[
    str | None,
    typer.Option("--not-applicable", help="Where the decision is silent: zero or rescale."),
]
ExcludedOption = Annotated[str | None, typer.Option("--excluded", help="Where the decision is silent: leave_maximum.")]


class UsageProblem(Exception):
    """Something that the person at the keyboard can put right: exit 2."""


def main() -> None:
    """Entry point: every error that a person can act on becomes one message and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        # Vietnamese output must not depend on the terminal's locale.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8")
    try:
        app()
    except KeyboardInterrupt:
        _stop("dừng theo yêu cầu", 130)
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        _stop(str(error), code)


def _exit_code(error: Exception) -> int | None:
    """2 for bad input, 1 for work that failed, None for a defect of ours (a traceback is right then)."""
    from dti_pipeline.datafiles import DataFileError
    from dti_pipeline.frameworks.loader import UnknownFramework

    bad_input: tuple[type[Exception], ...] = (UsageProblem, DataFileError, UnknownFramework)
    modules = sys.modules
    named = {
        "dti_pipeline.evidence.tables": ("TableError", 2),
        "dti_pipeline.scoring.engine": ("ChoiceNeeded", 2),
        "dti_pipeline.night": ("NightNotOpen", 2),
        "dti_pipeline.lineage.explain": ("NothingToExplain", 2),
        "dti_pipeline.store.engine": ("DatabaseUrlError", 2),
        "dti_pipeline.store.snapshots": ("SnapshotDamaged", 1),
    }
    if isinstance(error, bad_input):
        return 2
    for module, (name, code) in named.items():
        if module in modules and isinstance(error, getattr(modules[module], name)):
            return code
    return None


def _stop(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(code)


def _emit(data: Any) -> None:
    print(json.dumps(data, ensure_ascii=False, indent=2))


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> None:
    """A table for people; columns in `right` are numbers."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for position, name in enumerate(header):
        table.add_column(name, justify="right" if position in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console = Console()
    # A pipe has no width of its own: cells must not be folded to somebody's default of 80 columns.
    (console if console.is_terminal else Console(width=160)).print(table)


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageProblem(f"«{text}» is not a date; write it like 2026-10-15") from None


def _workspace() -> Workspace:
    from pydantic import ValidationError

    from dti_pipeline.night import Workspace
    from dti_pipeline.settings import Settings

    try:
        settings = Settings()
        work = Workspace(settings)
        work.now()
    except (ValidationError, ValueError) as error:
        raise UsageProblem(f"DTI_* settings: {error}") from None
    return work


def _framework_and_level(framework_id: str, level_name: str | None) -> tuple[Framework, Level]:
    from dti_pipeline.frameworks.loader import load_framework

    framework = load_framework(framework_id)
    names = [level.level for level in framework.levels]
    if level_name is None and len(names) == 1:
        level_name = names[0]
    if level_name not in names:
        raise UsageProblem(f"{framework_id} has no level «{level_name or ''}»; give --level: {', '.join(names)}")
    return framework, framework.level(level_name)


# --- frameworks -----------------------------------------------------------------------------------------------------


@frameworks_app.command("list")
def frameworks_list(as_json: JsonFlag = False) -> None:
    """All frameworks with their levels, counts and basis."""
    from dti_pipeline.frameworks.loader import load_all
    from dti_pipeline.scoring.report import framework_summary

    summaries = [framework_summary(framework) for framework in load_all()]
    if as_json:
        _emit(summaries)
        return
    rows = [
        (item["id"], item["decision"], item["province"], *level.values())
        for item in summaries
        for level in item["levels"]
    ]
    header = ("bộ chỉ số", "quyết định", "tỉnh", "cấp", "chỉ số chính", "thành phần", "dòng in", "điểm tối đa", "nguồn")
    _table("Bộ chỉ số", header, rows, right=(4, 5, 6, 7))


@frameworks_app.command("show")
def frameworks_show(framework_id: str, level: LevelOption = None, as_json: JsonFlag = False) -> None:
    """One level of a framework: its nodes and criteria."""
    from dti_pipeline.scoring.report import framework_level

    framework, chosen = _framework_and_level(framework_id, level)
    data = framework_level(framework, chosen)
    if as_json:
        _emit(data)
        return
    rows: list[tuple[object, ...]] = []
    for node in chosen.all_nodes():
        rows.append((node.code, node.name, node.sum_points, ""))
        rows += [(f"  {c.printed_code}", c.name, c.max_points, c.formula) for c in node.criteria]
    _table(f"{framework.decision.number} – {chosen.name}", ("mã", "tên", "điểm tối đa", "công thức"), rows, right=(2,))
    for note in framework.notes:
        print(f"Ghi chú: {note}")


@frameworks_app.command("lint")
def frameworks_lint(
    framework_id: Annotated[str | None, typer.Argument(help="One framework; default: all.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Defects of the printed texts: found by the program, or recorded by a reader."""
    import dataclasses

    from dti_pipeline.frameworks.lint import lint
    from dti_pipeline.frameworks.loader import load_all, load_framework

    chosen = load_all() if framework_id is None else (load_framework(framework_id),)
    findings = [dataclasses.asdict(finding) for framework in chosen for finding in lint(framework)]
    if as_json:
        _emit(findings)
        return
    rows = [(f["severity"], f["framework"], f["level"], f["code"], f["rule"], f["message"]) for f in findings]
    _table(f"{len(findings)} phát hiện", ("mức", "bộ chỉ số", "cấp", "mã", "quy tắc", "nội dung"), rows)


# --- scoring files --------------------------------------------------------------------------------------------------


@app.command("score")
def score_file(
    framework_id: str,
    inputs: Annotated[Path, typer.Option("--inputs", help="CSV: unit,unit_name,criterion,input,value,state[,parent]")],
    level: LevelOption = None,
    registry: Annotated[bool, typer.Option("--registry", help="Refuse units that the registry does not know.")] = False,
    not_applicable: NotApplicableOption = None,
    excluded: ExcludedOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Score a file of inputs, without any pipeline. Cells that it does not name are pending."""
    from dti_pipeline.evidence.tables import read_inputs
    from dti_pipeline.scoring.engine import score_level

    framework, chosen = _framework_and_level(framework_id, level)
    table = read_inputs(_read(inputs), inputs.name, framework, chosen)
    _check_units(inputs, table.units, registry)
    choices = _choices(not_applicable, excluded)
    _print_result(score_level(framework, chosen, table.units, table.inputs, choices), as_json)


@app.command("rank")
def rank_file(
    framework_id: str,
    points: Annotated[Path, typer.Option("--points", help="CSV: unit,unit_name,criterion,points,state[,parent]")],
    level: LevelOption = None,
    registry: Annotated[bool, typer.Option("--registry", help="Refuse units that the registry does not know.")] = False,
    not_applicable: NotApplicableOption = None,
    excluded: ExcludedOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Total and rank given points of cells. Cells that the file does not name are pending."""
    from dti_pipeline.evidence.tables import read_points
    from dti_pipeline.scoring.engine import rank_level

    framework, chosen = _framework_and_level(framework_id, level)
    table = read_points(_read(points), points.name, framework, chosen)
    _check_units(points, table.units, registry)
    choices = _choices(not_applicable, excluded)
    _print_result(rank_level(framework, chosen, table.units, table.cells, choices), as_json)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageProblem(f"{path}: cannot be read ({error.strerror})") from None


def _check_units(path: Path, units: Sequence[UnitRef], wanted: bool) -> None:
    if not wanted:
        return
    registry = _workspace().registry
    unknown = [unit.code for unit in units if registry.get(unit.code) is None]
    if unknown:
        raise UsageProblem(f"{path.name}: not in the registry of units: {', '.join(unknown)}")


def _choices(not_applicable: str | None, excluded: str | None) -> Choices:
    from pydantic import ValidationError

    from dti_pipeline.frameworks.assessment import OperatorChoices

    try:
        return OperatorChoices.model_validate({"not_applicable": not_applicable, "excluded": excluded}).choices
    except ValidationError:
        raise UsageProblem("--not-applicable is zero or rescale; --excluded is leave_maximum") from None


def _print_result(result: Any, as_json: bool) -> None:
    from dti_pipeline.scoring.report import level_result

    data = level_result(result)
    if as_json:
        _emit(data)
        return
    rows = [
        (
            unit["rank"],
            unit["name"],
            _vi(unit["published"]),
            _vi(unit["total"]),
            _vi(unit["max_points"]),
            "tạm tính" if unit["provisional"] else "",
        )
        for unit in data["units"]
    ]
    header = ("hạng", "đơn vị", "điểm công bố", "tổng điểm", "tối đa", "")
    _table(f"{data['framework']} – {data['level']}", header, rows, right=(0, 2, 3, 4))
    for note in data["notes"]:
        print(f"Ghi chú: {note}")


def _vi(text: str) -> str:
    from decimal import Decimal

    from dti_pipeline.text import vi_decimal

    return vi_decimal(Decimal(text))


# --- connectors -----------------------------------------------------------------------------------------------------


@connectors_app.command("list")
def connectors_list(as_json: JsonFlag = False) -> None:
    """All connectors: publisher, metrics, strength of evidence and configured sites."""
    from dti_pipeline.harvest.discovery import connector_names, load_manifest

    sites = _workspace().sites
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
        _emit(data)
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
    _table("Hệ thống nguồn", ("tên", "cơ quan công bố", "số liệu", "độ chắc của giao diện", "điểm thu thập"), rows)


@connectors_app.command("read")
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

    snapshot = snapshot_of(_read(file), _request_json(request), file.name)
    connector = load_connector(name)
    registry = _workspace().registry
    try:
        reading = connector.read(snapshot)
    except SourceFailure as failure:
        if as_json:
            _emit(reading_data(name, registry, None, failure))
        _stop(f"{failure.kind.value}: {failure.message}", 1)
    data = reading_data(name, registry, reading, None)
    if as_json:
        _emit(data)
        return
    header = ("số liệu", "đơn vị", "tên", "giá trị", "tử số", "mẫu số", "trạng thái", "vị trí")
    keys = ("metric", "unit", "unit_name", "value", "numerator", "denominator", "state", "locator")
    _table(f"{len(data['observations'])} số liệu", header, [[o[key] for key in keys] for o in data["observations"]])
    for warning in data["warnings"]:
        print(f"Cảnh báo: {warning}", file=sys.stderr)
    for record in data["quarantined"]:
        print(f"Cách ly {record['locator']}: {record['reason']}", file=sys.stderr)


def _request_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(_read(path))
    except ValueError as error:
        raise UsageProblem(f"{path.name}: not JSON ({error})") from None
    if not isinstance(data, dict):
        raise UsageProblem(f"{path.name}: the request is a JSON object with method, url, params, headers, json, data")
    return data


@connectors_app.command("run")
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
    work = _workspace()
    if not any((item.connector, item.name) == (name, site) for item in work.sites):
        known = ", ".join(item.name for item in work.sites if item.connector == name) or "none"
        raise UsageProblem(f"no site «{site}» for {name} in {work.settings.sites_file}; known: {known}")
    tonight = work.night(_date(night), "cli")
    record_run(work, tonight)
    (report,) = harvest(work, name, tonight, only_site=site, again=again)
    failures = [
        {
            "request": path,
            "kind": failure.kind.value,
            "message": failure.message,
            "retryable": failure.retryable,
            "what_to_do": manifest.failures[failure.kind].vi,
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
        _emit(data)
    else:
        print(
            f"{name}/{site}, đêm {night}: gửi {report.fetched} yêu cầu, dùng lại {report.reused}; "
            f"{report.observations} số liệu ({report.new_observations} mới), {report.quarantined} cách ly"
        )
        for item in failures:
            print(f"{item['request']}: {item['message']} → {item['what_to_do']}", file=sys.stderr)
    if failures:
        raise SystemExit(1)


# --- nights ---------------------------------------------------------------------------------------------------------


@app.command("night")
def night_command(
    date: Annotated[str | None, typer.Option("--date", help="YYYY-MM-DD; default: the day that ended last.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run one night: the same Dagster job as the schedule and the UI. Exit 1 where a step or a gate failed."""
    from assets.launch import run_night

    work = _workspace()
    chosen = _date(date) if date else (work.now() - dt.timedelta(days=1)).date()
    work.night(chosen, "")
    outcome = run_night(chosen, progress=_progress)
    if as_json:
        _emit(outcome.data())
    else:
        for line in outcome.lines():
            print(line)
    if not outcome.success:
        raise SystemExit(1)


def _progress(total: int, describe: str) -> Any:
    """A progress bar on stderr; gives a context manager whose value is called with each finished step's name."""
    import contextlib

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    @contextlib.contextmanager
    def bar() -> Any:
        columns = (TextColumn("{task.description:<44.44}"), BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(describe, total=total)

            def advance(name: str) -> None:
                progress.update(task, advance=1, description=name)

            yield advance

    return bar()


def _last_night(work: Workspace, night: str | None) -> dt.date:
    """The night asked for, or the newest one that was run."""
    if night is not None:
        return _date(night)
    from sqlmodel import Session, func, select

    from dti_pipeline.store.tables import RunRow

    with Session(work.engine) as session:
        newest = session.exec(select(func.max(RunRow.night))).one()
    if newest is None:
        raise UsageProblem("no night has been run yet; run one with: dti night")
    return dt.date.fromisoformat(newest)


@rankings_app.command("show")
def rankings_show(
    framework_id: str, level: LevelOption = None, night: NightOption = None, as_json: JsonFlag = False
) -> None:
    """The ranked table of a framework and level as a night stored it."""
    from dti_pipeline.tables import ranked_table

    _, chosen = _framework_and_level(framework_id, level)
    work = _workspace()
    table = ranked_table(work, framework_id, chosen.level, _last_night(work, night))
    if as_json:
        _emit(table.data())
        return
    for title, header, rows in table.sections():
        _table(title, header, rows, right=(0, 3, 4))
    for note in table.notes:
        print(f"Ghi chú: {note}")


@app.command("explain")
def explain_command(
    framework: Annotated[str, typer.Option("--framework")],
    unit: Annotated[str, typer.Option("--unit", help="Identifier code.")],
    criterion: Annotated[str, typer.Option("--criterion", help="Code of the criterion.")],
    night: NightOption = None,
    as_json: JsonFlag = False,
) -> None:
    """The chain behind one cell: points, rule, inputs, observations, bytes."""
    from dti_pipeline.lineage.explain import explain
    from dti_pipeline.lineage.narrate import narrate

    work = _workspace()
    chain = explain(work, framework, unit, criterion, _last_night(work, night))
    if as_json:
        _emit(chain)
        return
    for line in narrate(chain):
        print(line)


# --- practice -------------------------------------------------------------------------------------------------------


@sandbox_app.command("serve")
def sandbox_serve(
    port: Annotated[int, typer.Option("--port", help="Loopback port; 0 takes a free one.")] = 8766,
) -> None:
    """Serve the practice source systems until interrupted."""
    from dti_pipeline.sandbox.server import serve

    serve(port)


@app.command("demo")
def demo_command() -> None:
    """One night over the practice source systems, then the ranked tables. Stops by itself."""
    from assets.launch import run_night
    from dti_pipeline.sandbox.demo import run_demo

    raise SystemExit(run_demo(run_night, _progress, _table, _say))


@app.command("dev")
def dev_command(port: Annotated[int, typer.Option("--port", help="Port of the UI on loopback.")] = 3000) -> None:
    """Dagster's UI with the practice source systems beside it, until interrupted."""
    from assets.launch import dagster_instance
    from dti_pipeline.sandbox.demo import run_dev

    # Creating the instance first also settles DAGSTER_HOME for the processes of the UI.
    with dagster_instance():
        pass
    raise SystemExit(run_dev(_say, port))


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
