"""`dti appraise …` and `dti verify`: what waits for appraisers, deciding on cells, and whether the record still holds.

Every action tells what it moves before it is written; with `--dry-run` nothing is written at all. Not here: the rules
(`dti_pipeline.appraisal`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dti_pipeline.cli.common import JsonFlag, UsageProblem, emit, last_night, print_table, read_file, workspace

if TYPE_CHECKING:
    from dti_pipeline.appraisal.effects import Effect, UnitChange
    from dti_pipeline.appraisal.model import Action, Actor, Event, Wanted

app = typer.Typer(help="Appraisal: what waits, deciding on cells, the record of it.", no_args_is_help=True)

Assessment = Annotated[
    str, typer.Option("--assessment", help="The assessment, or a framework: its newest one.", show_default=False)
]
UnitArg = Annotated[str, typer.Argument(metavar="UNIT", help="Identifier code of the unit that is dealt with.")]
CriterionArg = Annotated[str, typer.Argument(metavar="CRITERION", help="Code of the criterion.")]
MaybeCriterion = Annotated[
    str | None, typer.Argument(metavar="[CRITERION]", help="Code of the criterion; default: the unit as a whole.")
]
ThreadArg = Annotated[
    str, typer.Argument(metavar="THREAD", help="Id of the request or appeal, or its first characters.")
]
AsUnit = Annotated[str, typer.Option("--as-unit", help="Identifier code of the unit that acts.")]
OnlyUnit = Annotated[str | None, typer.Option("--as-unit", help="Only what this unit deals with.")]
By = Annotated[str, typer.Option("--by", help="Who acts: stands in the record.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, or what is asked or answered.")]
MaybeReason = Annotated[
    str | None, typer.Option("--reason", help="Why; needed where the decision changes points.", show_default=False)
]
Document = Annotated[str, typer.Option("--document", help="The paper behind it: number and date, or an evidence file.")]
MaybeDocument = Annotated[
    str | None, typer.Option("--document", help="The paper behind it: number and date, or an evidence file.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would change and write nothing.")]
Level = Annotated[str | None, typer.Option("--level", help="Only this level.")]


@app.command("queue")
def queue_command(
    assessment: Assessment, as_unit: OnlyUnit = None, level: Level = None, as_json: JsonFlag = False
) -> None:
    """What waits: discrepancies by the places they move, then appeals, requests, papers, answers."""
    from dti_pipeline.appraisal.views import queue

    work = workspace()
    name = work.find_assessment(assessment).id
    items = [item.data(work.now()) for item in queue(work, name, last_night(work, None), as_unit=as_unit, level=level)]
    if as_json:
        emit(items)
        return
    rows = [
        (
            item["kind_words"],
            f"{item['unit']} {item['unit_name']}",
            item["criterion"],
            item["what"],
            item["rank_impact"],
            _days(item["days_left"]),
            (item["thread"] or "")[:12],
        )
        for item in items
    ]
    header = ("việc", "đơn vị", "tiêu chí", "nội dung", "số bậc", "còn", "mã trao đổi")
    print_table(f"{len(rows)} việc chờ thẩm định", header, rows, right=(4,))


@app.command("show")
def show_command(unit: UnitArg, criterion: CriterionArg, assessment: Assessment, as_json: JsonFlag = False) -> None:
    """One cell: three values side by side, evidence, decisions and threads."""
    from dti_pipeline.appraisal.views import cell_view

    work = workspace()
    data = cell_view(work, work.find_assessment(assessment).id, unit, criterion, last_night(work, None))
    if as_json:
        emit(data)
        return
    print(f"{data['unit_name']} ({data['unit']}) · {data['criterion']} {data['name']} (tối đa {data['max_points']})")
    print(f"→ {data['points'] or 'chưa có điểm'} – {data['state_words']}" + _in_brackets(data["reason"]))
    rows = [
        (
            item["name"],
            item["claimed"] or item["claim_state"],
            item["grade"],
            item["automatic"] or item["automatic_state"],
            item["appraised"],
            item["used"],
            item["label"],
        )
        for item in data["inputs"]
    ]
    header = ("số liệu", "đơn vị báo cáo", "mức tin cậy", "tự động", "đã thẩm định", "đang dùng", "nội dung")
    print_table("Số liệu", header, rows)
    if (report := data["report"]) is not None:
        late = ", muộn" if report["is_late"] else ""
        print(f"Báo cáo nhận lúc {report['received_at']}{late}; {report['grade_words']}")
        for label, key in (("Giải trình", "explanation"), ("Đề nghị không đánh giá", "not_applicable")):
            if report[key]:
                print(f"{label}: {report[key]}")
        for file in report["files"]:
            print(f"    {file['file']}, nhận lúc {file['received_at']}: {file['verdict_reason'] or 'chưa kiểm tra'}")
        for name in report["not_found"]:
            print(f"    {name}: chưa nộp")
    for entry in data["history"]:
        print(_entry(entry))
    for thread in data["threads"]:
        _print_thread(thread)


@app.command("threads")
def threads_command(
    assessment: Assessment,
    as_unit: OnlyUnit = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is closed.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Requests for explanation or supplements, and appeals, with everything said in them."""
    from dti_pipeline.appraisal.views import threads

    work = workspace()
    found = threads(work, work.find_assessment(assessment).id, as_unit=as_unit, everything=everything)
    if as_json:
        emit(found)
        return
    for thread in found:
        _print_thread(thread)
    if not found:
        print("Không có trao đổi nào đang mở.")


@app.command("log")
def log_command(
    assessment: Assessment,
    unit: Annotated[str | None, typer.Option("--unit", help="Only entries about this unit.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """The chain: every action and refusal in order, with author, role, time and the entry before it."""
    from dti_pipeline.appraisal.views import log

    work = workspace()
    entries = log(work, work.find_assessment(assessment).id, unit)
    if as_json:
        emit(entries)
        return
    for entry in entries:
        print(_entry(entry))
        print(f"    {entry['id'][:16]} ← {entry['previous'][:16]}")


# --- actions ---


@app.command("accept")
def accept(
    unit: UnitArg,
    criterion: CriterionArg,
    assessment: Assessment,
    as_unit: AsUnit,
    by: By,
    reason: MaybeReason = None,
    document: MaybeDocument = None,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """The unit's own figures hold."""
    wanted = _wanted("accept", unit, criterion, reason, document=document)
    _act(assessment, as_unit, by, wanted, dry_run, as_json)


@app.command("adjust")
def adjust(
    unit: UnitArg,
    criterion: CriterionArg,
    assessment: Assessment,
    as_unit: AsUnit,
    by: By,
    reason: Reason,
    value: Annotated[list[str], typer.Option("--value", metavar="INPUT=VALUE", help="A figure; may be repeated.")],
    document: MaybeDocument = None,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """Other figures hold."""
    inputs: dict[str, str] = {}
    for item in value:
        name, equals, text = item.partition("=")
        if not equals or not name.strip() or name.strip() in inputs:
            raise UsageProblem(f"--value «{item}»: write every figure once, as name=12")
        inputs[name.strip()] = text.strip()
    _act(assessment, as_unit, by, _wanted("adjust", unit, criterion, reason, inputs, document), dry_run, as_json)


@app.command("reject")
def reject(
    unit: UnitArg,
    criterion: CriterionArg,
    assessment: Assessment,
    as_unit: AsUnit,
    by: By,
    reason: Reason,
    document: MaybeDocument = None,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """The evidence is not accepted: 0 points."""
    wanted = _wanted("reject", unit, criterion, reason, document=document)
    _act(assessment, as_unit, by, wanted, dry_run, as_json)


@app.command("ask")
def ask(
    unit: UnitArg,
    criterion: CriterionArg,
    assessment: Assessment,
    as_unit: AsUnit,
    by: By,
    reason: Reason,
    until: Annotated[str, typer.Option("--until", help="A day (to its end) or a moment with its offset.")],
    supplement: Annotated[
        bool, typer.Option("--supplement", help="The unit may hand in supplements until then.")
    ] = False,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """Ask the unit to explain, or for a supplement, by a deadline."""
    from dti_pipeline.appraisal.model import Wanted

    wanted = Wanted("ask", unit, criterion, reason, until=_moment(until), is_supplement=supplement)
    _act(assessment, as_unit, by, wanted, dry_run, as_json)


@app.command("answer")
def answer(
    thread: ThreadArg,
    assessment: Assessment,
    as_unit: AsUnit,
    by: By,
    reason: Reason,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """The unit answers what it was asked."""
    _act_in_thread("answer", assessment, as_unit, by, thread, reason, dry_run, as_json)


@app.command("close")
def close(
    thread: ThreadArg,
    assessment: Assessment,
    as_unit: AsUnit,
    by: By,
    reason: MaybeReason = None,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """The appraiser is done with a request or an appeal."""
    _act_in_thread("close", assessment, as_unit, by, thread, reason, dry_run, as_json)


@app.command("appeal")
def appeal(
    unit: UnitArg,
    criterion: CriterionArg,
    assessment: Assessment,
    as_unit: AsUnit,
    by: By,
    reason: Reason,
    document: MaybeDocument = None,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """The unit asks for a decision on its cell to be looked at again; it holds until then, marked as contested."""
    wanted = _wanted("appeal", unit, criterion, reason, document=document)
    _act(assessment, as_unit, by, wanted, dry_run, as_json)


@app.command("grant-na")
def grant_na(
    unit: UnitArg,
    criterion: CriterionArg,
    assessment: Assessment,
    as_unit: AsUnit,
    by: By,
    reason: Reason,
    document: Document,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """The criterion is not assessed, by a written permission."""
    wanted = _wanted("grant_na", unit, criterion, reason, document=document)
    _act(assessment, as_unit, by, wanted, dry_run, as_json)


@app.command("refuse-na")
def refuse_na(
    unit: UnitArg,
    criterion: CriterionArg,
    assessment: Assessment,
    as_unit: AsUnit,
    by: By,
    reason: Reason,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """A request not to be assessed is refused."""
    _act(assessment, as_unit, by, _wanted("refuse_na", unit, criterion, reason), dry_run, as_json)


@app.command("exclude")
def exclude(
    unit: UnitArg,
    criterion: CriterionArg,
    assessment: Assessment,
    as_unit: AsUnit,
    by: By,
    reason: Reason,
    document: Document,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """State secret: the cell is not evaluated."""
    wanted = _wanted("exclude", unit, criterion, reason, document=document)
    _act(assessment, as_unit, by, wanted, dry_run, as_json)


@app.command("not-appraised")
def not_appraised(
    unit: UnitArg,
    assessment: Assessment,
    as_unit: AsUnit,
    by: By,
    reason: Reason,
    document: MaybeDocument = None,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """State that a unit's appraiser did not appraise it."""
    wanted = _wanted("not_appraised", unit, None, reason, document=document)
    _act(assessment, as_unit, by, wanted, dry_run, as_json)


@app.command("exempt")
def exempt(
    unit: UnitArg,
    assessment: Assessment,
    as_unit: AsUnit,
    by: By,
    reason: Reason,
    document: Document,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """A unit is not assessed this year."""
    wanted = _wanted("exempt", unit, None, reason, document=document)
    _act(assessment, as_unit, by, wanted, dry_run, as_json)


@app.command("approve")
def approve(
    unit: UnitArg,
    assessment: Assessment,
    as_unit: AsUnit,
    by: By,
    reason: MaybeReason = None,
    document: MaybeDocument = None,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """The figures of a unit are approved as they stand."""
    wanted = _wanted("approve", unit, None, reason, document=document)
    _act(assessment, as_unit, by, wanted, dry_run, as_json)


@app.command("reopen")
def reopen(
    unit: UnitArg,
    assessment: Assessment,
    as_unit: AsUnit,
    by: By,
    reason: Reason,
    criterion: MaybeCriterion = None,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """What was decided on a cell, or on a unit as a whole, holds no more."""
    _act(assessment, as_unit, by, _wanted("reopen", unit, criterion, reason), dry_run, as_json)


# --- many at once ---


@app.command("export")
def export_command(
    assessment: Assessment,
    out: Annotated[Path, typer.Option("--out", help="The XLSX file to write.")],
    as_unit: OnlyUnit = None,
    level: Level = None,
    as_json: JsonFlag = False,
) -> None:
    """A worksheet with a row per cell, to decide on many at once."""
    from dti_pipeline.appraisal.worksheet import export_worksheet

    work = workspace()
    name = work.find_assessment(assessment).id
    body = export_worksheet(work, name, last_night(work, None), as_unit=as_unit, level=level)
    try:
        out.write_bytes(body)
    except OSError as error:
        raise UsageProblem(f"{out}: cannot be written ({error.strerror})") from None
    if as_json:
        emit({"file": str(out), "bytes": len(body)})
    else:
        print(f"Đã ghi {out}. Điền cột «Quyết định», rồi: dti appraise import")


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A worksheet that was filled in.")],
    assessment: Assessment,
    as_unit: AsUnit,
    by: By,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """Do what a worksheet says: all of it, or nothing and every problem by its sheet and cell."""
    from dti_pipeline.appraisal.worksheet import import_worksheet, preview_worksheet

    work = workspace()
    name, night, actor = work.find_assessment(assessment).id, last_night(work, None), _actor(as_unit, by)
    body = read_file(file)
    if dry_run:
        _print_done(preview_worksheet(work, name, actor, body, night), None, as_json)
        return
    done = import_worksheet(work, name, actor, body, night)
    _print_done(done.effects, done.events, as_json)


# --- the record ---


def verify_command(
    assessment: Annotated[
        str | None, typer.Argument(metavar="[ASSESSMENT]", help="Only of this assessment; default: all.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Recompute the record of appraisal, hash handed-in files again. Exit 1 where something was changed or is gone."""
    from dti_pipeline.appraisal.verify import verify

    work = workspace()
    found = verify(work, None if assessment is None else work.find_assessment(assessment).id)
    if as_json:
        emit(found.data())
    else:
        for item in found.breaks:
            entry = f", {item.entry}" if item.entry else ""
            print(f"{item.assessment}, mục {item.sequence}{entry}: {item.message}")
        for lost in found.lost:
            print(f"{lost.assessment}, {lost.unit or '?'}, {lost.file}: {lost.message}")
        told = "nguyên vẹn" if found.holds else "KHÔNG nguyên vẹn"
        print(f"{told}: {sum(found.entries.values())} mục của {len(found.entries)} chuỗi, {found.files} tệp đã nộp")
    if not found.holds:
        raise SystemExit(1)


# --- what they share ---


def _wanted(
    action: Action,
    unit: str,
    criterion: str | None,
    reason: str | None,
    inputs: dict[str, str] | None = None,
    document: str | None = None,
) -> Wanted:
    from dti_pipeline.appraisal.model import Wanted

    return Wanted(action, unit, criterion, reason, inputs or {}, document)


def _actor(as_unit: str, by: str) -> Actor:
    from dti_pipeline.appraisal.model import Actor

    return Actor(by, as_unit)


def _moment(text: str) -> dt.datetime:
    from dti_pipeline.frameworks.assessment import end_of_day

    try:
        found: dt.datetime = end_of_day(text)
    except ValueError as error:
        raise UsageProblem(f"--until: {error}") from None
    return found


def _act_in_thread(
    action: Action, assessment: str, as_unit: str, by: str, thread: str, reason: str | None, dry: bool, as_json: bool
) -> None:
    from dti_pipeline.appraisal.model import Wanted
    from dti_pipeline.appraisal.service import desk_of

    work = workspace()
    found = desk_of(work, work.find_assessment(assessment).id).decisions().threads
    mine = [item for item in found if item.id.startswith(thread)]
    if len(mine) != 1:
        problem = "no thread" if not mine else f"{len(mine)} threads"
        raise UsageProblem(f"{problem} with an id that starts with «{thread}»; see: dti appraise threads")
    wanted = Wanted(action, mine[0].unit, mine[0].criterion, reason, thread=mine[0].id)
    _act(assessment, as_unit, by, wanted, dry, as_json)


def _act(assessment: str, as_unit: str, by: str, wanted: Wanted, dry_run: bool, as_json: bool) -> None:
    from dti_pipeline.appraisal.service import act, preview

    work = workspace()
    name, night, actor = work.find_assessment(assessment).id, last_night(work, None), _actor(as_unit, by)
    if dry_run:
        _print_done(preview(work, name, actor, [wanted], night), None, as_json)
        return
    done = act(work, name, actor, [wanted], night)
    _print_done(done.effects, done.events, as_json)


def _print_done(effects: Sequence[Effect], events: Sequence[Event] | None, as_json: bool) -> None:
    """What was done, or would be where `events` is None."""
    from dti_pipeline.appraisal.views import event_data

    if as_json:
        emit(
            {
                "dry_run": events is None,
                "effects": [item.data() for item in effects],
                "events": [event_data(item) for item in events or ()],
            }
        )
        return
    for effect in effects:
        for cell in effect.cells:
            print(
                f"{cell.unit}, {cell.criterion}: {_number(cell.points_before)} điểm ({cell.state_before or '–'}) → "
                f"{_number(cell.points_after)} điểm ({cell.state_after or '–'})"
            )
        moved = [item for item in effect.units if item.moves]
        header = ("đơn vị", "điểm", "hạng", "xếp loại")
        if moved:
            print_table(f"Thay đổi ở {effect.level}", header, [_moved(item) for item in moved])
        else:
            print("Không đơn vị nào đổi điểm in ra, hạng hay xếp loại.")
    for event in events or ():
        print(_entry(event_data(event)))
    if events is None:
        print("Chỉ xem trước: chưa ghi gì.")


def _moved(item: UnitChange) -> tuple[str, str, str, str]:
    def both(before: object, after: object) -> str:
        return str(before or "–") if before == after else f"{before or '–'} → {after or '–'}"

    return (
        f"{item.unit} {item.name}",
        both(item.printed_before, item.printed_after),
        both(item.rank_before, item.rank_after),
        both(item.rating_before, item.rating_after),
    )


def _number(points: Fraction | None) -> str:
    from dti_pipeline.cli.common import vi
    from dti_pipeline.scoring.engine import decimal_text

    return "–" if points is None else vi(decimal_text(points, 6))


def _entry(entry: dict[str, Any]) -> str:
    said = entry["said"]
    where = f"{entry['unit']}, {entry['criterion']}" if entry["criterion"] else entry["unit"]
    figures = "; ".join(f"{name} = {value}" for name, value in said.get("inputs", {}).items())
    more = [text for text in (figures, said.get("reason"), said.get("document"), said.get("until")) if text]
    told = f": {'; '.join(more)}" if more else ""
    refused = f" – TỪ CHỐI: {entry['refusal']}" if entry["refusal"] else ""
    who = f"{entry['by']} ({entry['as_unit']}, {entry['role_words']})"
    line = f"{entry['sequence']}. {entry['at']} {who}: {entry['words']} {where}{told}{refused}"
    # A reason of several lines must not look like entries of its own.
    return " / ".join(line.splitlines())


def _print_thread(thread: dict[str, Any]) -> None:
    kind = "Kiến nghị" if thread["kind"] == "appeal" else "Yêu cầu"
    left = f", {_days(thread['days_left'])}" if thread["days_left"] is not None else ""
    until = f", hạn {thread['until']}{left}" if thread["until"] else ""
    print(f"{kind} {thread['id'][:12]} – {thread['unit']}, {thread['criterion']}: {thread['state_words']}{until}")
    for message in thread["messages"]:
        print(f"    {message['at']} {message['by']}: {message['text']}")
    difference = thread["difference"]
    if difference and difference["after"]:
        print(f"    trước: {difference['before']['words']}; nay: {difference['after']['words']}")
        for name, (before, after) in difference["inputs"].items():
            print(f"    {name}: {before or '–'} → {after or '–'}")
    elif difference and difference["is_reopened"]:
        print(f"    trước: {difference['before']['words']}; nay: đã mở lại")


def _days(left: int | None) -> str:
    if left is None:
        return ""
    return f"còn {left} ngày" if left >= 0 else f"quá {-left} ngày"


def _in_brackets(text: str | None) -> str:
    return f" ({text})" if text else ""
