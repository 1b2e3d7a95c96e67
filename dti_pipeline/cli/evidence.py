"""`dti evidence …`: workbooks for units, what they hand in, and what counts of it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dti_pipeline.cli.common import JsonFlag, UsageProblem, emit, print_table, progress_bar, workspace

if TYPE_CHECKING:
    from dti_pipeline.evidence.intake import Receipt

app = typer.Typer(help="What units hand in: reports, evidence, signatures, deadlines.", no_args_is_help=True)

AssessmentOption = Annotated[
    str, typer.Option("--assessment", metavar="A", help="An assessment, or a framework: its newest one.")
]
UnitOption = Annotated[str | None, typer.Option("--unit", help="Identifier code.")]


@app.command("template")
def evidence_template(
    assessment: AssessmentOption,
    unit: UnitOption = None,
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")] = Path("templates"),
    as_json: JsonFlag = False,
) -> None:
    """Write the workbook of every unit (or of one), filled with the harvested figures of the newest night."""
    from dti_pipeline.evidence.templates import templates

    work = workspace()
    found = work.find_assessment(assessment)
    written: list[dict[str, str]] = []
    jobs = templates(work, found, _unit(unit))
    if not jobs:
        raise UsageProblem(f"{found.id} has no unit «{unit}»; see: dti evidence status --assessment {found.id}")
    out.mkdir(parents=True, exist_ok=True)
    with progress_bar(len(jobs), f"biểu tự chấm {found.id}") as advance:
        for job in jobs:
            path = out / job.file_name
            path.write_bytes(job.write())
            written.append({"unit": job.unit, "file": str(path), "figures": str(job.figures)})
            advance(job.file_name)
    if as_json:
        emit(written)
        return
    for item in written:
        print(f"{item['file']}  ({item['figures']} số liệu tự động điền sẵn)")


@app.command("submit")
def evidence_submit(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="One bundle: reports and their evidence.")],
    assessment: AssessmentOption,
    unit: UnitOption = None,
    by: Annotated[str | None, typer.Option("--by", help="Who hands it in: stands in the record.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Take in a bundle of files as of now. Exit 1 where a file was refused or has something to put right."""
    from dti_pipeline.evidence.intake import HandedFile, take_in

    work = workspace()
    found = work.find_assessment(assessment)
    bundle = []
    for path in files:
        try:
            bundle.append(HandedFile.at(path, _unit(unit)))
        except OSError as error:
            raise UsageProblem(f"{path}: cannot be read ({error.strerror})") from None
    receipts = take_in(work, found.id, bundle, channel="cli", submitted_by=by)
    if as_json:
        emit([receipt.data() for receipt in receipts])
    else:
        for receipt in receipts:
            _print_receipt(receipt)
    if any(receipt.outcome == "refused" or _has_errors(receipt) for receipt in receipts):
        raise SystemExit(1)


def _has_errors(receipt: Receipt) -> bool:
    return any(problem.is_error for problem in receipt.problems)


def _print_receipt(receipt: Receipt) -> None:
    from dti_pipeline.evidence.model import OUTCOME_WORDS

    cells = f", {receipt.cells} tiêu chí" if receipt.cells else ""
    whose = f" ({', '.join(receipt.units)})" if receipt.units else ""
    print(f"{receipt.file}{whose}: {OUTCOME_WORDS[receipt.outcome]}{cells}")
    for problem in receipt.problems:
        kind = "LỖI" if problem.is_error else "lưu ý"
        print(f"  {kind} {problem.where}: {problem.message}")


@app.command("list")
def evidence_list(
    assessment: AssessmentOption,
    unit: UnitOption = None,
    state: Annotated[
        str | None,
        typer.Option("--state", help="accepted, accepted_with_problems or refused; or in_time, supplement or late."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Every submission: when, in time or late, what became of it."""
    from dti_pipeline.evidence.model import OUTCOME_WORDS
    from dti_pipeline.evidence.report import TIMELINESS_WORDS, submissions

    known = ("accepted", "accepted_with_problems", "refused", *TIMELINESS_WORDS)
    if state is not None and state not in known:
        raise UsageProblem(f"--state is one of {', '.join(known)}, not «{state}»")
    work = workspace()
    found = work.find_assessment(assessment)
    rows = [row for row in submissions(work, found, _unit(unit)) if state in (None, row["outcome"], row["timeliness"])]
    if as_json:
        emit(rows)
        return
    header = ("mã", "đơn vị", "lần", "tệp", "nhận lúc", "so với hạn", "kết quả", "lỗi, lưu ý")
    cells = [
        (
            row["id"][:10],
            f"{row['unit']} {row['unit_name'] or ''}" if row["unit"] else "?",
            row["sequence"],
            row["file"],
            _local(row["received_at"]),
            TIMELINESS_WORDS[row["timeliness"]] if row["timeliness"] else "",
            OUTCOME_WORDS[row["outcome"]],
            row["problems"] or "",
        )
        for row in rows
    ]
    print_table(f"{found.id}: {len(rows)} lần nộp", header, cells, right=(2, 7))


@app.command("show")
def evidence_show(
    what: Annotated[str, typer.Argument(metavar="SUBMISSION|UNIT", help="Start of a submission's id, or a unit.")],
    assessment: AssessmentOption,
    as_json: JsonFlag = False,
) -> None:
    """What one submission says, or what counts of a unit's words: cells, evidence, grades, signatures, and why."""
    from dti_pipeline.evidence import report
    from dti_pipeline.units.registry import normalise_code

    work = workspace()
    found = work.find_assessment(assessment)
    code = normalise_code(what)
    is_unit = code in work.registry
    data = report.show_unit(work, found, code) if is_unit else report.show_submission(work, found, what)
    if as_json:
        emit(data)
        return
    for line in _unit_lines(data) if is_unit else _submission_lines(data):
        print(line)


def _unit_lines(data: dict[str, Any]) -> list[str]:
    due = f"hạn nộp {_local(data['deadline'])}" if data["deadline"] else "không có hạn nộp"
    lines = [f"{data['unit_name']} ({data['unit']}), {due}"]
    if data["extension"]:
        lines.append(f"  gia hạn: {data['extension']}")
    lines += [f"  được yêu cầu bổ sung {code} đến {_local(until)}" for code, until in data["asked"].items()]
    if not data["cells"]:
        lines.append("Chưa có tiêu chí nào được báo cáo.")
    for cell in data["cells"]:
        values = ", ".join(f"{name} = {item['value'] or item['state']}" for name, item in cell["inputs"].items())
        late = ", sau hạn" if cell["is_late"] else ""
        lines.append(f"{cell['criterion']}: {values or '–'}  [hạng {cell['grade']}: {cell['grade_words']}]")
        if cell["file"]:
            lines.append(f"    {cell['file']}, lần nộp {cell['sequence']}, {_local(cell['received_at'])}{late}")
        for paper in cell["evidence"]:
            told = (
                "không có tệp đến trong hạn" if paper["sha256"] is None else paper["reason"] or "chưa kiểm tra chữ ký"
            )
            lines.append(f"    «{paper['name']}»: {told}")
            if paper["is_page_beyond"]:
                lines.append(f"      nêu trang {paper['pages']}, mà tệp có {paper['page_count']} trang")
        if cell["standing"]:
            lines.append(f"    → {cell['standing']['state']}: {cell['standing']['reason']}")
        if cell["newest_error"]:
            lines.append(f"    báo cáo mới nhất có lỗi ở tiêu chí này, nên số liệu cũ được giữ: {cell['newest_error']}")
    return lines


def _submission_lines(data: dict[str, Any]) -> list[str]:
    from dti_pipeline.evidence.model import OUTCOME_WORDS

    lines = [
        f"{data['file']}: {OUTCOME_WORDS[data['outcome']]}",
        f"  {data['unit'] or '?'} {data['unit_name'] or ''}, lần nộp {data['sequence']}, {_local(data['received_at'])}",
        f"  mã {data['id']}",
    ]
    lines += [
        f"  {'LỖI' if item['is_error'] else 'lưu ý'} {item['where']}: {item['message']}" for item in data["problems"]
    ]
    for cell in data["cells"]:
        values = ", ".join(f"{item['name']} = {item['value'] or item['state']}" for item in cell["inputs"])
        papers = "".join(f" «{name}»" for name, _ in cell["evidence"])
        lines.append(f"  {cell['criterion']}: {values} ({cell['locator']}){papers}")
    return lines + [f"  tài liệu «{file['name']}», {file['media_type']}, {file['sha256']}" for file in data["files"]]


@app.command("status")
def evidence_status(assessment: AssessmentOption, as_json: JsonFlag = False) -> None:
    """Who has reported, in time, late, with problems or not at all, and how many days are left."""
    from dti_pipeline.evidence.intake import left_in_inbox
    from dti_pipeline.evidence.report import UNIT_STATES, days_words, unit_states

    work = workspace()
    found = work.find_assessment(assessment)
    rows = unit_states(work, found, work.now())
    left = left_in_inbox(work.settings.inbox_folder / found.id)
    if as_json:
        emit({"assessment": found.id, "units": rows, "left_in_inbox": left})
        return
    for level in dict.fromkeys(row["level"] for row in rows):
        own = [row for row in rows if row["level"] == level]
        counts = Counter(row["state"] for row in own)
        told = ", ".join(f"{counts[state]} {words}" for state, words in UNIT_STATES.items() if counts[state])
        print(f"{found.id}, {level}: {told}")
        header = ("đơn vị", "tình trạng", "hạn", "báo cáo", "tài liệu", "không nhận", "lần cuối")
        print_table(
            "",
            header,
            [
                (
                    f"{row['unit']} {row['unit_name']}",
                    UNIT_STATES[row["state"]],
                    days_words(row["days_left"]),
                    row["reports"],
                    row["files"],
                    row["refused"],
                    _local(row["last_at"]) if row["last_at"] else "",
                )
                for row in own
            ],
            right=(3, 4, 5),
        )
    for name in left:
        print(f"Còn trong hộp thư đến, chưa nhận (đang ghi dở hoặc đặt sai chỗ): {name}")


def _unit(code: str | None) -> str | None:
    """A unit's code as it is registered, in either spelling."""
    if code is None:
        return None
    from dti_pipeline.units.registry import normalise_code

    return normalise_code(code)


def _local(moment: str) -> str:
    from dti_pipeline.evidence.standing import shown

    return shown(dt.datetime.fromisoformat(moment))
