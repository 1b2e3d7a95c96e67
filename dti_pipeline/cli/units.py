"""`dti units …`: agencies and localities, what they came out of and what they became."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from dti_pipeline.cli.common import JsonFlag, UsageProblem, emit, parse_date, print_table, workspace

app = typer.Typer(help="Agencies and localities over time.", no_args_is_help=True)

CodeArgument = Annotated[
    str, typer.Argument(metavar="CODE", help="Identifier code (H44.01, 000.00.01.H44) or statistics code (digits).")
]


@app.command("list")
def units_list(
    level: Annotated[str | None, typer.Option("--level", help="province, department, district or commune.")] = None,
    province: Annotated[str | None, typer.Option("--province", help="Identifier code of a province.")] = None,
    on: Annotated[str | None, typer.Option("--on", help="Only units that existed on this day, YYYY-MM-DD.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Registered units: those that figures can be about."""
    from typing import cast, get_args

    from dti_pipeline.units import report
    from dti_pipeline.units.registry import LevelName

    if level is not None and level not in get_args(LevelName):
        raise UsageProblem(f"--level is one of {', '.join(get_args(LevelName))}, not «{level}»")
    rows = report.list_units(
        workspace().registry,
        level=cast("LevelName | None", level),
        province=province,
        day=parse_date(on) if on else None,
    )
    _print(rows, report.list_lines(rows), as_json)


@app.command("localities")
def units_localities(
    province: Annotated[str | None, typer.Option("--province", help="Statistics code of a province.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """The real provinces since 1 July 2025, or the communes of one."""
    from dti_pipeline.units import report

    rows = report.list_localities(province)
    _print(rows, report.list_lines(rows), as_json)


@app.command("show")
def units_show(code: CodeArgument, as_json: JsonFlag = False) -> None:
    """One unit or locality."""
    from dti_pipeline.units import report

    data = report.show(workspace().registry, code)
    _print(data, report.show_lines(data), as_json)


@app.command("history")
def units_history(
    code: CodeArgument,
    years: Annotated[
        str | None, typer.Option("--compare", help="Two years, as 2024,2026: can their figures be compared?")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """What a unit came out of and what it became."""
    from dti_pipeline.units import report

    pair: tuple[int, int] | None = None
    if years is not None:
        parts = years.split(",")
        if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
            raise UsageProblem(f"--compare takes two years, such as 2024,2026, not «{years}»")
        pair = (int(parts[0]), int(parts[1]))
    data = report.history(workspace().registry, code, pair)
    _print(data, report.history_lines(data), as_json)


@app.command("match")
def units_match(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A name as a source writes it; default: all that wait.")
    ] = None,
    connector: Annotated[str | None, typer.Option("--connector", help="Only what waits of one connector.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Units that sources name and nobody knows, or what one name may mean. Only candidates: a person confirms."""
    from dti_pipeline.units import report

    work = workspace()
    if name is not None:
        if connector is not None:
            raise UsageProblem("--connector is for the list of what waits; leave it out with a name")
        data = report.match_name(work.registry, name)
        _print(data, report.match_lines(data), as_json)
        return
    from dti_pipeline.harvest.discovery import connector_names
    from dti_pipeline.harvest.matching import unmatched

    if connector is not None and connector not in connector_names():
        raise UsageProblem(f"no connector «{connector}»; known: {', '.join(connector_names())}")
    rows = [item.as_dict(work.registry) for item in unmatched(work.engine, work.registry, connector)]
    if as_json:
        emit(rows)
        return
    cells = [
        (
            f"{row['connector']}/{row['site']}",
            row["identifier"],
            row["name"],
            row["nights"][-1],
            "\n".join(_suggestion(item) for item in row["suggestions"]) or "không có gợi ý",
        )
        for row in rows
    ]
    header = ("nguồn", "mã hoặc tên ở nguồn", "tên", "đêm gần nhất", "gợi ý (điểm giống tên)")
    print_table(f"{len(rows)} đơn vị của nguồn chờ xác nhận", header, cells)
    if rows:
        print("Không tên nào được tự ghép. Xác nhận: dti units confirm TÊN MÃ-ĐƠN-VỊ --connector … --by … --reason …")


def _suggestion(item: dict[str, Any]) -> str:
    taken = f", đã là «{'», «'.join(item['known_as'])}»" if item["known_as"] else ""
    return f"{item['unit']} {item['name']} ({item['score']}{taken})"


@app.command("confirm")
def units_confirm(
    identifier: Annotated[str, typer.Argument(metavar="NAME", help="The source's own identifier, as it stands there.")],
    unit: Annotated[str, typer.Argument(metavar="UNIT", help="Identifier code of the unit that it is.")],
    connector: Annotated[str, typer.Option("--connector", help="The connector that names it.")],
    by: Annotated[str, typer.Option("--by", help="Who confirms: stands in the file.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, or the document that says so.")],
    site: Annotated[str | None, typer.Option("--site", help="The site, where several name it.")] = None,
    another_name: Annotated[
        bool, typer.Option("--another-name", help="The site knows the unit under another name as well.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write into crosswalk.yaml which unit a waiting name is, and read the stored answers that name it again.

    Exit 1 where today's reader refuses one of them.
    """
    from dti_pipeline.harvest.matching import confirm

    work = workspace()
    done = confirm(
        work.engine,
        work.snapshots,
        work.registry,
        work.settings.crosswalk_file,
        connector=connector,
        identifier=identifier,
        unit=unit,
        site=site,
        by=by,
        reason=reason,
        now=work.now(),
        another_name=another_name,
    )
    report = done.reread
    data = {
        "entry": done.entry.model_dump(mode="json"),
        "answers_read": report.read,
        "answers_changed": report.changed,
        "new_observations": report.new_observations,
        "refused": [
            {"night": night, "request": path, "kind": failure.kind.value, "message": failure.message}
            for night, path, failure in report.refused
        ],
    }
    if as_json:
        emit(data)
    else:
        print(f"«{done.entry.identifier}» ở {connector}/{done.entry.site} là {done.entry.unit}")
        print(f"Đọc lại {report.read} câu trả lời đã lưu: {report.new_observations} số liệu mới")
        for night, path, failure in report.refused:
            print(f"đêm {night}, {path}: {failure.message}", file=sys.stderr)
    if report.refused:
        raise SystemExit(1)


def _print(data: Any, lines: list[str], as_json: bool) -> None:
    if as_json:
        emit(data)
        return
    for line in lines:
        print(line)
