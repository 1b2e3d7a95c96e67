"""`dti assessments …`: which framework is applied to which year and province, and until when."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dti_pipeline.cli.common import JsonFlag, emit, print_table, workspace

if TYPE_CHECKING:
    from dti_pipeline.frameworks.assessment import Assessment
    from dti_pipeline.night import Workspace

app = typer.Typer(help="Frameworks applied to a year and a province.", no_args_is_help=True)


@app.command("list")
def assessments_list(as_json: JsonFlag = False) -> None:
    """All assessments of the installation, with their status."""
    from dti_pipeline.frameworks.assessment import STATUS_WORDS

    work = workspace()
    data = [_summary(item) for item in work.assessments.values()]
    if as_json:
        emit(data)
        return
    rows = [
        (
            item["id"],
            item["framework"],
            item["year"],
            ", ".join(item["provinces"]),
            STATUS_WORDS[item["status"]],
            ", ".join(item["levels"]),
        )
        for item in data
    ]
    print_table("Đợt đánh giá", ("đợt", "bộ chỉ số", "năm", "tỉnh", "trạng thái", "cấp"), rows, right=(2,))


@app.command("show")
def assessments_show(
    name: Annotated[str, typer.Argument(metavar="ASSESSMENT", help="An assessment, or a framework: its newest one.")],
    as_json: JsonFlag = False,
) -> None:
    """One assessment: calendar, stages, choices, exempt units."""
    work = workspace()
    data = _details(work, work.find_assessment(name))
    if as_json:
        emit(data)
        return
    print(f"{data['id']}: {data['framework']}, năm {data['year']}, {', '.join(data['provinces'])}, {data['status']}")
    rows = [(row["level"], row["district"] or "", row["event"], row["last_second"]) for row in data["calendar"]]
    print_table("Lịch (giây cuối còn đúng hạn)", ("cấp", "huyện", "việc", "hạn"), rows)
    rows = [(row["name"], ", ".join(row["levels"]), row["by"], ", ".join(row["may"])) for row in data["stages"]]
    print_table("Các bước thẩm định", ("bước", "cấp được đánh giá", "do", "được"), rows)
    for policy, value in data["choices"].items():
        print(f"Lựa chọn: {policy} = {value}")
    for policy in data["unstated"]:
        print(f"Quyết định không nói và chưa chọn: {policy}")
    for key, words in (("exempt", "Không đánh giá"), ("not_appraised", "Chưa được thẩm định")):
        for note in data[key]:
            print(f"{words}: {note['unit']} – {note['reason']}")
    for ruling in data["rulings"]:
        print(
            f"Ô {ruling['unit']}, {ruling['criterion']}: {ruling['state']} – {ruling['reason']} ({ruling['document']})"
        )


@app.command("check")
def assessments_check(file: Path, as_json: JsonFlag = False) -> None:
    """Check one assessment file without using it. Exit 2 where it is wrong."""
    from dti_pipeline.frameworks.assessment import read_assessment

    work = workspace()
    assessment = read_assessment(file)
    assessment.check_units(work.registry)
    if as_json:
        emit(_details(work, assessment))
    else:
        print(f"{file.name}: dùng được")


def _summary(assessment: Assessment) -> dict[str, Any]:
    from dti_pipeline.frameworks.loader import load_framework

    return {
        "id": assessment.id,
        "framework": assessment.framework,
        "year": assessment.year,
        "provinces": list(assessment.provinces),
        "status": assessment.status,
        "is_live": assessment.is_live,
        "levels": [level.level for level in assessment.scored_levels(load_framework(assessment.framework))],
    }


def _details(work: Workspace, assessment: Assessment) -> dict[str, Any]:
    from dti_pipeline.frameworks.loader import load_framework
    from dti_pipeline.frameworks.model import MAY_BE_UNSTATED

    framework = load_framework(assessment.framework)
    calendar = [
        {"level": level, "district": code, "event": event, "last_second": moment.isoformat()}
        for level, deadlines in assessment.calendar.levels.items()
        for code in (None, *deadlines.districts)
        for event, moment in deadlines.of(code).in_order()
    ]
    for event, moment in (
        ("guidance", assessment.calendar.guidance),
        ("publication", assessment.calendar.publication),
    ):
        if moment is not None:
            calendar.append({"level": None, "district": None, "event": event, "last_second": moment.isoformat()})
    choices = assessment.choices.model_dump(mode="json", exclude_none=True)
    open_policies = [
        name
        for name in MAY_BE_UNSTATED
        if any(getattr(framework.policies_of(level), name) == "unstated" for level in framework.levels)
    ]
    if framework.ratings == "unstated":
        open_policies.append("ratings")
    return _summary(assessment) | {
        "lead_unit": assessment.lead_unit,
        "calendar": calendar,
        "stages": [stage.model_dump(mode="json") for stage in assessment.stages or framework.stages],
        "choices": choices,
        "unstated": [name for name in open_policies if name not in choices],
        "exempt": [note.model_dump() for note in assessment.exempt],
        "not_appraised": [note.model_dump() for note in assessment.not_appraised],
        "rulings": [ruling.model_dump() for ruling in assessment.rulings],
    }
