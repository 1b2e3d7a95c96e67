"""`dti sandbox …`, `dti demo` and `dti dev`: the practice source systems."""

from __future__ import annotations

from typing import Annotated

import typer

from dti_pipeline.cli.common import print_section, progress_bar

sandbox = typer.Typer(help="Practice source systems on loopback.", no_args_is_help=True)


@sandbox.command("serve")
def sandbox_serve(
    port: Annotated[int, typer.Option("--port", help="Loopback port; 0 takes a free one.")] = 8766,
) -> None:
    """Serve the practice source systems until interrupted."""
    from dti_pipeline.sandbox.server import serve

    serve(port)


def demo_command() -> None:
    """One night over the practice source systems, then the ranked tables. Stops by itself."""
    from assets.launch import run_night
    from dti_pipeline.sandbox.demo import run_demo

    raise SystemExit(run_demo(run_night, progress_bar, print_section, _say))


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
