"""Signature checks of what was handed in: which file under which rules, each done once and kept.

Here: rows and the rules of an assessment. Not here: cryptography (`signatures/`), what a verdict costs (`standing.py`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmodel import Session, col, select

from dti_pipeline.appraisal.chain import events_of
from dti_pipeline.appraisal.decisions import decisions_at
from dti_pipeline.evidence.deadlines import Due
from dti_pipeline.evidence.known import with_asked
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Framework, Level, SignerRole
from dti_pipeline.scoring.periods import cut_off
from dti_pipeline.store import facts
from dti_pipeline.store.tables import EvidenceFileRow, SignatureCheckRow

if TYPE_CHECKING:
    from dti_pipeline.evidence.signatures.registry import SignerRegistry
    from dti_pipeline.evidence.signatures.trust import Trust
    from dti_pipeline.frameworks.assessment import Assessment
    from dti_pipeline.night import Workspace
    from dti_pipeline.settings import Settings
    from dti_pipeline.units.registry import Registry


@dataclass(frozen=True, slots=True)
class Signing:
    """What an installation checks signatures against."""

    signers: SignerRegistry
    trust: Trust
    context_sha256: str
    """Over both, and the rules of checking."""


def load_signing(settings: Settings, registry: Registry) -> Signing:
    """The installed roots, revocation lists and registered signers. Raises DataFileError."""
    from dti_pipeline.evidence.signatures.check import context_sha256
    from dti_pipeline.evidence.signatures.registry import load_signers
    from dti_pipeline.evidence.signatures.trust import load_trust

    signers = load_signers(settings.signers_file, {unit.code for unit in registry})
    trust = load_trust(settings.home)
    return Signing(signers, trust, context_sha256(signers, trust))


def required_roles(framework: Framework, level: Level) -> tuple[SignerRole, ...]:
    """Who has to sign evidence at a level; nobody in particular where the decision does not say."""
    signatures = framework.policies_of(level).signatures
    return () if signatures == "unstated" else signatures


def signing_deadline(assessment: Assessment, framework: Framework, level: Level, due: Due) -> dt.datetime | None:
    """The last second to sign evidence; None where there is none or the operator accepts what is late."""
    is_late_accepted = framework.policies_of(level).late == "unstated" and assessment.choices.late == "accept"
    return None if is_late_accepted else due.latest


def context_of(work: Workspace, assessment: Assessment, framework: Framework, level: Level, unit: str, due: Due) -> str:
    """sha256 over everything that a verdict depends on besides the file and its arrival."""
    deadline = signing_deadline(assessment, framework, level, due)
    text = json.dumps(
        [
            work.signing.context_sha256,
            unit,
            list(required_roles(framework, level)),
            deadline.isoformat() if deadline else None,
        ]
    )
    return hashlib.sha256(text.encode()).hexdigest()


def check_files(work: Workspace, assessment: Assessment, night: dt.date) -> int:
    """Check every evidence file known to a night that was not checked under these rules; gives how many."""
    from dti_pipeline.night import units_of

    framework = load_framework(assessment.framework)
    with Session(work.engine) as session:
        decisions = decisions_at(events_of(session, assessment.id), cut_off(night))
        levels = {
            unit.code: (level, with_asked(assessment.due(framework, level, unit), unit.code, decisions))
            for level in assessment.scored_levels(framework)
            for unit in units_of(work, assessment, level, night)
        }
        known = facts.handed_in(session, EvidenceFileRow, assessment.id, cut_off(night))
        files = [row for row in known if row.unit in levels]
        checked = _already(session, files)
        session.expunge_all()
    if not files:
        return 0
    from dti_pipeline.evidence.signatures.check import check_signatures

    rows: list[SignatureCheckRow] = []
    for file in files:
        level, due = levels[file.unit]
        context = context_of(work, assessment, framework, level, file.unit, due)
        if (file.id, context) in checked:
            continue
        report = check_signatures(
            work.snapshots.get(file.sha256),
            unit=file.unit,
            required=required_roles(framework, level),
            signers=work.signing.signers,
            trust=work.signing.trust,
            arrived_at=dt.datetime.fromisoformat(file.recorded_at),
            deadline=signing_deadline(assessment, framework, level, due),
        )
        rows.append(
            facts.with_id(
                SignatureCheckRow(
                    id="",
                    file=file.id,
                    context_sha256=context,
                    verdict=report.verdict.value,
                    reason=report.reason,
                    signatures=json.dumps(report.as_dict()["signatures"], ensure_ascii=False),
                    recorded_at=facts.utc_text(work.now()),
                )
            )
        )
    with Session(work.engine) as session, session.begin():
        return facts.append(session, rows)


def _already(session: Session, files: list[EvidenceFileRow]) -> set[tuple[str, str]]:
    """(file, context) that has a verdict."""
    found: set[tuple[str, str]] = set()
    ids = [row.id for row in files]
    for start in range(0, len(ids), 500):
        chunk = ids[start : start + 500]
        statement = select(SignatureCheckRow).where(col(SignatureCheckRow.file).in_(chunk))
        found |= {(row.file, row.context_sha256) for row in session.exec(statement).all()}
    return found
