"""`dti …`: the command line. Thin: it reads arguments, calls the engine and prints.

Exit codes: 0 done, 1 the work itself failed (a source is down, a check failed), 2 bad input or usage. With `--json`
only JSON goes to stdout; words go to stderr. Heavy libraries are imported by the commands that need them.
"""

from __future__ import annotations

import sys

import typer

from dti_pipeline.cli import (
    appraise,
    assessments,
    connectors,
    evidence,
    frameworks,
    nights,
    practice,
    publish,
    quarantine,
    scoring,
    units,
)
from dti_pipeline.cli.common import UsageProblem, stop

app = typer.Typer(
    help="Scores digital government from evidence that anybody can check.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(frameworks.app, name="frameworks")
app.add_typer(assessments.app, name="assessments")
app.add_typer(units.app, name="units")
app.command("score")(scoring.score_file)
app.command("rank")(scoring.rank_file)
app.add_typer(connectors.app, name="connectors")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(evidence.app, name="evidence")
app.add_typer(appraise.app, name="appraise")
app.command("verify")(appraise.verify_command)
app.command("night")(nights.night_command)
app.add_typer(nights.rankings, name="rankings")
app.command("explain")(nights.explain_command)
app.add_typer(publish.app, name="publish")
app.add_typer(practice.sandbox, name="sandbox")
app.command("demo")(practice.demo_command)
app.command("dev")(practice.dev_command)


def main() -> None:
    """Entry point: every error that a person can act on becomes one message and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        # Vietnamese output must not depend on the terminal's locale.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8")
    try:
        app()
    except KeyboardInterrupt:
        stop("dừng theo yêu cầu", 130)
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        stop(str(error), code)


def _exit_code(error: Exception) -> int | None:
    """2 for bad input, 1 for work that failed, None for a defect of ours (a traceback is right then)."""
    from dti_pipeline.datafiles import DataFileError
    from dti_pipeline.frameworks.loader import UnknownFramework

    bad_input: tuple[type[Exception], ...] = (UsageProblem, DataFileError, UnknownFramework)
    modules = sys.modules
    # Of modules that a command may have loaded; the command line itself loads none of them.
    named = {
        "dti_pipeline.evidence.tables": (("TableError",), 2),
        "dti_pipeline.evidence.intake": (("IntakeClosed",), 2),
        "dti_pipeline.evidence.report": (("NothingHandedIn",), 2),
        "dti_pipeline.appraisal.service": (("ActionError",), 2),
        "dti_pipeline.appraisal.decisions": (("ChainDamaged",), 1),
        "dti_pipeline.scoring.ranking": (("ChoiceNeeded",), 2),
        "dti_pipeline.night": (("NightNotOpen", "UnknownAssessment"), 2),
        "dti_pipeline.publish.freeze": (("NotReady",), 2),
        "dti_pipeline.frameworks.annex.write": (("AnnexNotWritten",), 2),
        "dti_pipeline.harvest.matching": (("MatchError",), 2),
        "dti_pipeline.harvest.quarantine": (("QuarantineError",), 2),
        "dti_pipeline.harvest.scaffold": (("ScaffoldError",), 2),
        "dti_pipeline.units.registry": (("CodeError", "UnknownUnit"), 2),
        "dti_pipeline.units.localities": (("UnknownLocality", "FormerCommunesUnavailable"), 2),
        "dti_pipeline.lineage.explain": (("NothingToExplain",), 2),
        "dti_pipeline.store.engine": (("DatabaseUrlError",), 2),
        "dti_pipeline.store.snapshots": (("SnapshotDamaged",), 1),
    }
    if isinstance(error, bad_input):
        return 2
    for module, (names, code) in named.items():
        if module in modules and isinstance(error, tuple(getattr(modules[module], name) for name in names)):
            return code
    return None
