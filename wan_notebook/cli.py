"""The door for a terminal: ``wan-notebook``; ``wan-notebook --help`` lists what it can do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from wan_notebook.doors.notebookcommands import COMMANDS
from wan_notebook.errors import WanError

__all__ = ["main"]


REGION = click.option("--region", help="Where the task was submitted; otherwise the region that is set.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wan-notebook")
def cli() -> None:
    """Wan image-to-video in Jupyter."""


@cli.command()
@click.option("--output", "folder", type=click.Path(path_type=Path, file_okay=False), default=Path("demo-output"))
@click.option("--lab", is_flag=True, help="Open the notebook in JupyterLab instead of executing it here.")
def demo(folder: Path, lab: bool) -> None:
    """Show what it does: no key, no network, nothing to edit; takes about a minute."""
    from wan_notebook.doors import demo as show

    if lab:
        sys.exit(show.open_in_lab(folder))
    made = show.run(folder, click.echo)
    click.echo("\nMade by the simulator, not by the real Wan service; nothing was billed:")
    for path in made:
        click.echo(f"  {path}")


@cli.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 takes a free one.")
@click.option("--speed", type=click.FloatRange(min=0.001), default=1.0, help="How much faster than the real clock.")
@click.option(
    "--ready-file", type=click.Path(path_type=Path, dir_okay=False), help="Gets the base URL once it answers."
)
def simulator(port: int, speed: float, ready_file: Path | None) -> None:
    """Serve a simulated Wan service on 127.0.0.1 until interrupted."""
    try:
        from wan_notebook.simulator.server import serve
    except ImportError as error:
        raise click.ClickException(
            f'the simulator needs {error.name}: python -m pip install "wan-notebook[simulator]"'
        ) from None
    try:
        serve(port=port, speed=speed, ready_file=ready_file, announce=click.echo)
    except OSError as error:
        raise click.ClickException(f"the simulator cannot start: {error}") from None


class _OfRequest(click.Command):
    """A command that has the options of a request, too; they are made when it is used, not when this is imported."""

    _made = False

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        if not self._made:
            from wan_notebook.doors.generation import options

            self._made, self.params = True, [*options(), *self.params]
        return super().get_params(ctx)


@cli.command(cls=_OfRequest)
@click.option("--name", help="For the clip's file name.")
@click.option("--region", help="singapore (default), beijing, virginia, frankfurt or simulator.")
@click.option("-o", "--output-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder (wan_outputs).")
@click.option("-y", "--yes", is_flag=True, help="Submit even where the price is unknown or the ledger is of no use.")
@click.option("--force", is_flag=True, help="Pay for a new clip even where this very request was paid for already.")
@click.option("--max-cost", help="The most this clip may cost: 0.5, or '0.5 USD'.")
@click.option("--budget", help="The most all runs of this command may cost (or WAN_NOTEBOOK_BUDGET).")
@click.option("--project-budget", help="The most the project may cost, ever (or WAN_NOTEBOOK_PROJECT_BUDGET).")
@click.option(
    "--project", type=click.Path(path_type=Path, file_okay=False), help="Its folder, with all below; this one."
)
@click.option("--private", is_flag=True, help="Keep the prompts out of record and ledger; their digests stay.")
@click.option("-n", "--dry-run", is_flag=True, help="Send nothing: show the request, its curl and SDK, the price.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the clip's path and its record, or the dry run.")
def generate(**said: Any) -> None:
    """Make a clip that follows PROMPT, wait for it, and print its path.

    Progress goes to standard error. Ctrl-C stops the waiting, not the task: it says how to get the clip later.
    """
    from wan_notebook.doors.generation import generate as make

    sys.exit(make(**said))


@cli.command()
@click.argument("code", required=False, default="")
def errors(code: str) -> None:
    """Say what an error CODE (or message) of the service means: cause, cure, billed or not, worth repeating or not."""
    from wan_notebook.facts.explanations import listing

    click.echo(listing(code))


@cli.command()
@click.option("--region", help="The region to look at; otherwise the one that is set.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
def doctor(region: str | None, as_json: bool) -> None:
    """Find out why it does not work here: key, region, network, folders, plugin, codecs. Costs nothing.

    Exit code 1 when something would stop a submit.
    """

    from wan_notebook.hall.doctor import examine
    from wan_notebook.notebook import arguments

    report = examine(region=region, outputs=arguments.outputs(None), front_end="terminal")
    click.echo(json.dumps(report.as_dict(), indent=2) if as_json else str(report))
    sys.exit(0 if report.ok else 1)


@cli.command()
@click.option("--state", help="Only these: downloaded, following, ambiguous, failed, ...")
@click.option("--model", help="Only of this model.")
@click.option("--notebook", help="Only of this notebook, or of the notebooks in this folder and below.")
@click.option("--since", help="Only begun since this date or time, e.g. 2026-11-24.")
@click.option("--simulated/--real", default=None, help="Only simulated, or only real ones.")
@click.option("--open", "unfinished", is_flag=True, help="Only those whose clip may still come.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with request and record.")
@click.option("--forget", multiple=True, metavar="RUN", help="Forget this run (may be repeated); deletes no clip.")
@click.option("--yes", is_flag=True, help="Forget also a run whose paid clip is not saved yet.")
@click.option("--unbilled", is_flag=True, help="The console shows no task of what is forgotten: count it nowhere.")
def runs(as_json: bool, forget: tuple[str, ...], yes: bool, unbilled: bool, limit: int, **filters: Any) -> None:
    """List the runs in the ledger, newest first; or forget some."""

    from wan_notebook.config import home
    from wan_notebook.doors import bookkeeping
    from wan_notebook.ledger.store import Ledger

    ledger = Ledger(home())
    if forget:
        said = bookkeeping.forget(ledger, forget, yes=yes, unbilled=unbilled)
    else:
        found = bookkeeping.runs(ledger, limit=limit, **filters)
        said = json.dumps(found.data, indent=2, ensure_ascii=False) if as_json else str(found)
    click.echo(said)
    if ledger.trouble:
        raise click.ClickException(ledger.complaint)


@cli.command()
@click.option("--by", type=click.Choice(["day", "model", "notebook", "project"]), default="day", show_default=True)
@click.option("--since", help="Only begun since this date or time, e.g. 2026-11-24.")
@AS_JSON
def costs(by: str, since: str | None, as_json: bool) -> None:
    """Say what was spent: each currency for itself, simulated runs apart, and what the budgets leave."""
    from wan_notebook.config import home
    from wan_notebook.doors import bookkeeping
    from wan_notebook.ledger.store import Ledger

    found = bookkeeping.costs_by(Ledger(home()), by, since=since)
    click.echo(json.dumps(found.data, indent=2, ensure_ascii=False) if as_json else str(found))


@cli.command()
@click.option("--wait", is_flag=True, help="Follow also those that are still under way, to their end.")
def collect(wait: bool) -> None:
    """Save the clip of every open run that is finished at the service, in whichever notebook it was begun.

    Safe in a cron job: runs that a living process follows are left to it, and two at once share the work. The service
    keeps clips for 24 hours. Exit code 1 when a clip could not be had, or the ledger cannot be used.
    """
    from wan_notebook.doors.collection import collect as fetch_clips

    missing = fetch_clips(click.echo, wait=wait)
    sys.exit(1 if missing else 0)


@cli.command()
@click.option("--status", help="PENDING, RUNNING, SUCCEEDED, FAILED, CANCELED or UNKNOWN.")
@click.option("--model", help="Only of this model.")
@click.option("--since", help="Submitted since then, e.g. 2026-11-24T10:00 (this machine's time) or …Z.")
@click.option("--until", help="Submitted until then; at most a day after --since.")
@click.option("--hours", help="Submitted in the last so many hours (24).")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@REGION
@AS_JSON
def tasks(**said: Any) -> None:
    """List the account's tasks of at most 24 h, with whichever key and by whomever they were submitted."""
    from wan_notebook.doors.taskcommands import listed

    sys.exit(listed(**said))


@cli.command()
@click.argument("task_id")
@REGION
@AS_JSON
def fetch(task_id: str, **said: Any) -> None:
    """Show the task TASK_ID as the service sees it now; exit code 1 if it does not know it."""
    from wan_notebook.doors.taskcommands import fetched

    sys.exit(fetched(task_id, **said))


@cli.command()
@click.argument("task_id")
@REGION
@AS_JSON
def cancel(task_id: str, **said: Any) -> None:
    """Cancel the task TASK_ID while it is PENDING; exit code 1 if it is not canceled.

    A RUNNING task cannot be stopped and will be billed.
    """
    from wan_notebook.doors.taskcommands import stopped

    sys.exit(stopped(task_id, **said))


@cli.command()
@click.argument("task_id")
@click.option("--name", help="For the clip's file name.")
@click.option("-o", "--output-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder (wan_outputs).")
@REGION
@AS_JSON
def attach(task_id: str, **said: Any) -> None:
    """Follow the task TASK_ID, wherever it was made, save its clip and print its path; nothing is submitted.

    Progress goes to standard error. Ctrl-C stops the waiting, not the task.
    """
    from wan_notebook.doors.taskcommands import attach as follow

    sys.exit(follow(task_id, **said))


for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Console script ``wan-notebook``; exit code 1 for what went wrong, 2 for wrong usage."""
    try:
        cli()
    except WanError as error:
        click.echo("\n".join(error.lines()), err=True)
        sys.exit(1)
