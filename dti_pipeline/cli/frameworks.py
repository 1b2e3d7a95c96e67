"""`dti frameworks …`: decisions as data."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dti_pipeline.cli.common import (
    JsonFlag,
    LevelOption,
    UsageProblem,
    emit,
    framework_and_level,
    print_table,
    read_file,
    read_settings,
)

if TYPE_CHECKING:
    from dti_pipeline.frameworks.lint import LintFinding

BASIS_WORDS = {"decision": "theo quyết định", "working": "phụ lục tạm"}

app = typer.Typer(help="Decisions as data.", no_args_is_help=True)


@app.command("list")
def frameworks_list(as_json: JsonFlag = False) -> None:
    """All frameworks with their levels, counts and basis."""
    from dti_pipeline.frameworks.loader import load_all
    from dti_pipeline.scoring.report import framework_summary

    summaries = [framework_summary(framework) for framework in load_all()]
    if as_json:
        emit(summaries)
        return
    rows = [
        (
            item["id"],
            item["decision"],
            item["province"],
            level["level"],
            level["main_indicators"],
            level["components"],
            level["printed_rows"],
            level["max_points"],
            BASIS_WORDS[level["basis"]],
        )
        for item in summaries
        for level in item["levels"]
    ]
    header = ("bộ chỉ số", "quyết định", "tỉnh", "cấp", "chỉ số chính", "thành phần", "dòng in", "điểm tối đa", "nguồn")
    print_table("Bộ chỉ số", header, rows, right=(4, 5, 6, 7))


@app.command("show")
def frameworks_show(framework_id: str, level: LevelOption = None, as_json: JsonFlag = False) -> None:
    """One level of a framework: its nodes and criteria."""
    from dti_pipeline.scoring.report import framework_level

    framework, chosen = framework_and_level(framework_id, level)
    data = framework_level(framework, chosen)
    if as_json:
        emit(data)
        return
    rows: list[tuple[object, ...]] = []
    for node in chosen.all_nodes():
        rows.append((node.code, node.name, node.sum_points, ""))
        rows += [(f"  {c.printed_code}", c.name, c.max_points, c.formula) for c in node.criteria]
    print_table(
        f"{framework.decision.number} – {chosen.name}", ("mã", "tên", "điểm tối đa", "công thức"), rows, right=(2,)
    )
    if chosen.basis == "working":
        print(framework.working_words)
    for note in (*framework.notes, *chosen.notes):
        print(f"Ghi chú: {note}")


@app.command("library")
def frameworks_library(
    theme: Annotated[str | None, typer.Option("--theme", help="Only one theme.")] = None,
    level: LevelOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Canonical criteria that working annexes pick from."""
    from dti_pipeline.frameworks.library import load_library

    chosen = [
        item
        for item in load_library().values()
        if (theme is None or item.theme == theme) and (level is None or level in item.levels)
    ]
    if as_json:
        emit([item.model_dump(mode="json") for item in chosen])
        return
    rows = [(item.theme, item.id, item.name, ", ".join(item.levels), item.formula) for item in chosen]
    print_table(f"{len(rows)} tiêu chí trong thư viện", ("chủ đề", "mã", "tên", "cấp", "công thức"), rows)


@app.command("lint")
def frameworks_lint(
    name: Annotated[
        str | None, typer.Argument(metavar="[FRAMEWORK]", help="A framework, or a framework file; default: all.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Defects of the printed texts: found by the program, or recorded by a reader. Exit 1 where one is an error."""
    import dataclasses

    from dti_pipeline import clock
    from dti_pipeline.frameworks.lint import lint
    from dti_pipeline.frameworks.loader import DATA, load_all, load_framework, read_framework
    from dti_pipeline.harvest.discovery import connector_names, load_manifest
    from dti_pipeline.units.registry import load_registry

    if name is None:
        chosen = load_all()
    elif name.endswith((".yaml", ".yml")):
        chosen = (read_framework(Path(name)),)
    else:
        chosen = (load_framework(name),)
    settings = read_settings()
    today = clock.now(settings.clock).date()
    supplied = {metric for connector in connector_names() for metric in load_manifest(connector).metrics}
    units = [unit for unit in load_registry(settings.units_files) if unit.existed_on(today)]
    findings = [finding for framework in chosen for finding in lint(framework, supplied=supplied, units=units)]
    if as_json:
        emit([dataclasses.asdict(finding) | {"message": finding.what} for finding in findings])
    else:
        _print_findings(findings)
    errors = [finding for finding in findings if finding.severity == "error"]
    for finding in errors:
        path = Path(name) if name and name.endswith((".yaml", ".yml")) else DATA / f"{finding.framework}.yaml"
        line = _line_of(path, finding.level, finding.code)
        print(f"{path.name}:{line}: {finding.level}, {finding.code}: {finding.what}", file=sys.stderr)
    if errors:
        raise SystemExit(1)


def _line_of(path: Path, level: str | None, code: str | None) -> int:
    """Where a criterion stands in a framework's file: its code's line after its level's; 1 for anything else."""
    inside = level is None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        inside = inside or f"level: {level}" in line
        if inside and code is not None and f"code: {code}" in line.replace('"', ""):
            return number
    return 1


def _print_findings(findings: Sequence[LintFinding]) -> None:
    from dti_pipeline.frameworks.lint import rule_name, severity_word

    rows = [
        (
            severity_word(finding.severity),
            finding.framework,
            finding.level or "",
            finding.code or "",
            rule_name(finding.rule),
            f"{finding.what} → {finding.why}",
        )
        for finding in findings
    ]
    print_table(f"{len(findings)} phát hiện", ("mức", "bộ chỉ số", "cấp", "mã", "quy tắc", "nội dung"), rows)


@app.command("import")
def frameworks_import(
    file: Annotated[Path, typer.Argument(help="The official annex: XLSX, DOCX, HTML or CSV.")],
    framework_id: Annotated[str, typer.Option("--framework", help="The framework whose level it is.")],
    level: LevelOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the framework file here instead of over the framework's own.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only read and report; write nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Replace a level's working annex by an official one. Exit 2 and nothing written where the annex has errors."""
    from dti_pipeline.frameworks.annex import read_annex, write_level
    from dti_pipeline.frameworks.loader import DATA, load_framework

    framework, chosen = framework_and_level(framework_id, level)
    report = read_annex(read_file(file), file.name, framework, chosen)
    target = out or DATA / f"{framework_id}.yaml"
    written = False
    if report.level is not None and not check:
        written = write_level(DATA / f"{framework_id}.yaml", report.level, out) or out is not None
        load_framework.cache_clear()
    if as_json:
        emit(report.as_dict() | {"written": str(target) if written else None})
    else:
        for row in report.rows:
            if row.message:
                print(f"{row.where}: {row.printed_code or row.name} – {row.message}")
        for problem in report.problems:
            print(problem.text, file=sys.stderr)
        if report.level is None:
            print(f"{file.name}: không nhập; sửa các lỗi trên rồi nhập lại. Tệp bộ chỉ số giữ nguyên.", file=sys.stderr)
        elif written:
            print(f"Đã ghi {len(report.level.criteria)} tiêu chí vào {target}")
        else:
            print(
                f"{len(report.level.criteria)} tiêu chí đọc được; không có gì thay đổi"
                + (" (--check)" if check else "")
            )
    if report.level is None:
        raise SystemExit(2)


@app.command("export")
def frameworks_export(
    framework_id: str,
    level: LevelOption = None,
    kind: Annotated[str, typer.Option("--format", help="xlsx, csv, docx or html.")] = "xlsx",
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; default: <framework>.<level>.<format>.")
    ] = None,
    official_only: Annotated[
        bool, typer.Option("--official-only", help="Only the columns of an official annex, without machine columns.")
    ] = False,
) -> None:
    """Print a level as an annex table, as decisions have it."""
    from dti_pipeline.frameworks.annex import FORMATS, export_annex

    framework, chosen = framework_and_level(framework_id, level)
    if kind not in FORMATS:
        raise UsageProblem(f"--format is one of {', '.join(FORMATS)}, not «{kind}»")
    target = out or Path(f"{framework_id}.{chosen.level}.{kind}")
    target.write_bytes(export_annex(framework, chosen, kind, with_machine_columns=not official_only))
    print(target)
