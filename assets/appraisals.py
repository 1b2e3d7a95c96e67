"""Stage 1c, evidence/appraisals: what appraisers decided by the night's cut-off. Decisions are made between nights."""

import datetime as dt
import json
from collections import Counter

import dagster as dg
from sqlmodel import Session, col, select

from assets.common import CODE_VERSION, NIGHTS, OWNERS, night_date, preview
from dti_pipeline.appraisal.chain import events_of
from dti_pipeline.appraisal.decisions import decisions_at
from dti_pipeline.appraisal.model import ACTION_WORDS, Decisions
from dti_pipeline.appraisal.verify import HEADS, heads_of
from dti_pipeline.appraisal.views import days_left, unappraised
from dti_pipeline.frameworks.assessment import Assessment
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.night import Workspace, record_check, units_of
from dti_pipeline.scoring.periods import cut_off
from dti_pipeline.store import facts
from dti_pipeline.store.tables import DiscrepancyRow

APPRAISALS = dg.AssetKey(["evidence", "appraisals"])


@dg.asset(
    key=APPRAISALS,
    partitions_def=NIGHTS,
    group_name="evidence",
    kinds={"table"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    description="What appraisers decided: the chain of events by the night's cut-off, and what still waits for them.",
)
def appraisals(context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult[None]:
    night = night_date(context)
    since, until = cut_off(night - dt.timedelta(days=1)), cut_off(night)
    entries = 0
    actions: Counter[tuple[str, str, str]] = Counter()
    changed: list[tuple[object, ...]] = []
    requests: list[tuple[object, ...]] = []
    waiting: list[tuple[object, ...]] = []
    differing: list[tuple[object, ...]] = []
    for assessment in workspace.assessments.values():
        if not assessment.is_live:
            continue
        with Session(workspace.engine) as session:
            events = [event for event in events_of(session, assessment.id) if event.at <= until]
            differing += _discrepancies(session, assessment.id, night)
        entries += len(events)
        for event in events:
            if event.at > since:
                done = ACTION_WORDS[event.action] + (" (từ chối)" if event.outcome == "refused" else "")
                actions[assessment.id, done, f"{event.actor}, {event.actor_unit}"] += 1
        now = decisions_at(events, until)
        changed += [(assessment.id, *row) for row in _changed(decisions_at(events, since), now)]
        requests += [(assessment.id, *row) for row in outstanding(now, until)]
        waiting += [(assessment.id, *row) for row in not_appraised(workspace, assessment, now, night)]
    heads = heads_of(workspace, night)
    if heads != "{}":
        # What lets `dti verify` notice that the newest entries of a chain were cut off.
        record_check(workspace, night, *HEADS, "passed", heads)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": entries,
            "since_last_night": preview(
                [(*key, count) for key, count in sorted(actions.items())],
                ("assessment", "action", "who", "entries"),
                50,
            ),
            "changed_cells": preview(changed, ("assessment", "unit", "criterion", "before", "now", "who", "why"), 50),
            "outstanding": preview(
                requests, ("assessment", "unit", "criterion", "kind", "state", "days left", "text"), 50
            ),
            "discrepancies": preview(differing, ("assessment", "level", "night", "kind", "inputs", "moving ranks")),
            "not_appraised": preview(waiting, ("assessment", "level", "unit", "name", "appraised by", "days left"), 50),
        }
    )


def _changed(before: Decisions, now: Decisions) -> list[tuple[object, ...]]:
    """Cells on which something else holds than the night before."""
    found: list[tuple[object, ...]] = []
    for at in sorted(before.cells.keys() | now.cells.keys()):
        old, new = before.cells.get(at), now.cells.get(at)
        if (old.event if old else None) == (new.event if new else None):
            continue
        told = [
            "–" if item is None else f"{ACTION_WORDS[item.action]} {json.dumps(dict(item.inputs), ensure_ascii=False)}"
            for item in (old, new)
        ]
        found.append((*at, *told, new.by if new else "", new.reason if new else "mở lại"))
    return found


def outstanding(decisions: Decisions, moment: dt.datetime) -> list[tuple[object, ...]]:
    """Threads that are not closed, with the days left to answer."""
    return [
        (item.unit, item.criterion, item.kind, item.state, days_left(item.until, moment), item.messages[-1].text)
        for item in decisions.threads
        if item.state != "closed"
    ]


def not_appraised(
    work: Workspace, assessment: Assessment, decisions: Decisions, night: dt.date
) -> list[tuple[object, ...]]:
    """Units that the unit above them has decided nothing on, with the days left to do so."""
    framework = load_framework(assessment.framework)
    units = [
        (level, unit)
        for level in assessment.scored_levels(framework)
        for unit in units_of(work, assessment, level, night)
    ]
    return [
        (item.level, item.unit, item.name, ", ".join(item.appraisers), days_left(item.until, cut_off(night)))
        for item in unappraised(assessment, framework, units, decisions)
    ]


def _discrepancies(session: Session, assessment: str, night: dt.date) -> list[tuple[object, ...]]:
    """Per level and kind, of the newest night that compared them."""
    statement = (
        select(DiscrepancyRow)
        .where(DiscrepancyRow.assessment == assessment, DiscrepancyRow.night <= night.isoformat())
        .order_by(col(DiscrepancyRow.level), col(DiscrepancyRow.night).desc())
    )
    newest: dict[str, str] = {}
    rows = session.exec(statement).all()
    for row in rows:
        newest.setdefault(row.level, row.night)
    kinds: Counter[tuple[str, str, str]] = Counter()
    moving: Counter[tuple[str, str, str]] = Counter()
    for level, last in newest.items():
        own = [row for row in rows if (row.level, row.night) == (level, last)]
        for row in facts.live(facts.newest(own, facts.DISCREPANCY_KEY)):
            kinds[level, last, row.kind] += 1
            moving[level, last, row.kind] += bool(row.rank_impact)
    return [(assessment, *key, count, moving[key]) for key, count in sorted(kinds.items())]
