"""`dti quarantine …`: records that were read and not trusted, and what a person decides on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dti_pipeline.cli.common import JsonFlag, emit, print_table, workspace

if TYPE_CHECKING:
    from dti_pipeline.harvest.quarantine import Waiting

app = typer.Typer(help="Records that were read and not trusted.", no_args_is_help=True)

IdsArgument = Annotated[list[str], typer.Argument(metavar="ID…", help="Ids, or their first characters.")]
ByOption = Annotated[str, typer.Option("--by", help="Who decides: stands in the record.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why.")]


@app.command("list")
def quarantine_list(
    connector: Annotated[str | None, typer.Option("--connector", help="Only of one connector.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is decided or superseded.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """What waits for a decision."""
    from dti_pipeline.harvest.quarantine import list_held

    _print(list_held(workspace().engine, connector=connector, everything=everything), as_json)


@app.command("show")
def quarantine_show(quarantine_id: Annotated[str, typer.Argument(metavar="ID")], as_json: JsonFlag = False) -> None:
    """One record whole: the figure, the reason, the decisions and the answers that it stands in."""
    import json

    from dti_pipeline.harvest.quarantine import show

    data = show(workspace().engine, quarantine_id)
    if as_json:
        emit(data)
        return
    print(f"{data['connector']}/{data['site']}, {data['locator']}: {data['reason']} [{data['standing_words']}]")
    print(json.dumps(data["observation"] or data["record"], ensure_ascii=False, indent=2))
    for answer in data["answers"]:
        print(f"đêm {answer['night']}: {answer['request']['path']}, sha256 {answer['sha256']}")
    for decision in data["decisions"]:
        print(f"{decision['at']}: {decision['decision']} – {decision['by']}: {decision['reason']}")


@app.command("release")
def quarantine_release(ids: IdsArgument, by: ByOption, reason: ReasonOption, as_json: JsonFlag = False) -> None:
    """Let held figures count from now on; nights that are closed do not see it."""
    from dti_pipeline.harvest.quarantine import release

    work = workspace()
    decided = release(work.engine, work.snapshots, work.registry, ids, by=by, reason=reason, now=work.now())
    _print(decided, as_json)


@app.command("reject")
def quarantine_reject(ids: IdsArgument, by: ByOption, reason: ReasonOption, as_json: JsonFlag = False) -> None:
    """Leave records out for good."""
    from dti_pipeline.harvest.quarantine import reject

    work = workspace()
    decided = reject(work.engine, work.snapshots, work.registry, ids, by=by, reason=reason, now=work.now())
    _print(decided, as_json)


def _print(items: list[Waiting], as_json: bool) -> None:
    data = [item.as_dict() for item in items]
    if as_json:
        emit(data)
        return
    rows = [
        (
            item["id"][:12],
            f"{item['connector']}/{item['site']}",
            item["locator"],
            item["metric"] or "",
            item["unit"] or "",
            item["value"] or "",
            item["reason"],
            item["standing_words"],
        )
        for item in data
    ]
    header = ("id", "nguồn", "vị trí", "số liệu", "đơn vị", "giá trị", "lý do", "tình trạng")
    print_table(f"{len(rows)} bản ghi cách ly", header, rows)
