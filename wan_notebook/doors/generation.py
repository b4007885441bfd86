"""``wan-notebook generate``: one clip from a terminal, with the options of the magic.

The clip's path (or JSON) goes to standard output and everything else to standard error, so that a shell can use it.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wan_notebook.config import OUTPUTS, Settings
from wan_notebook.doors import replays
from wan_notebook.doors.options import SHORT
from wan_notebook.errors import JobTimeoutError
from wan_notebook.facts.catalog import catalog
from wan_notebook.hall.restoration import film_of
from wan_notebook.hall.session import session
from wan_notebook.notebook import cells, lines
from wan_notebook.notebook.rehearsal import rehearse
from wan_notebook.request.declaration import I2VRequest, UnknownModelWarning, parameters
from wan_notebook.tasks import JobState
from wan_notebook.windows import rendering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wan_notebook.engine.job import Job
    from wan_notebook.errors import WanError
    from wan_notebook.tasks import JobUpdate

__all__ = ["as_text", "generate", "left", "options", "progress", "replay"]

LOOK_SECONDS, ANSWER_SECONDS = 0.1, 15.0
GET_IT = "Run the same command again{how} within {hours} h: it finds this task, follows it and saves its clip, 0 spent."


def options() -> Iterator[click.Parameter]:
    """The prompt and the options of a request, from its own declaration."""
    for info in parameters():
        words = info.help + (f" ({', '.join(map(str, info.choices))})" if info.choices else "")
        if info.name == "prompt":
            yield click.Argument(["prompt"], required=False)
        elif info.kind == "flag":
            long = info.name.replace("_", "-")
            yield click.Option([f"--{long}/--no-{long}", info.name], default=None, help=words)
        else:
            short = [SHORT[info.name]] if info.name in SHORT else []
            yield click.Option([*short, f"--{info.name.replace('_', '-')}", info.name], help=words)


def generate(
    *,
    name: str | None,
    region: str | None,
    output_dir: Path | None,
    yes: bool,
    force: bool,
    max_cost: str | None,
    budget: str | None,
    project_budget: str | None,
    project: Path | None,
    private: bool,
    dry_run: bool,
    as_json: bool,
    **fields: Any,
) -> int:
    """Make one clip, or only look at the request; returns the exit code.

    Raises
    ------
    WanError
        Why there is no clip.
    """
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always", UnknownModelWarning)
        request = I2VRequest(**{field: value for field, value in fields.items() if value is not None})
    for remark in remarks:
        click.echo(f"{remark.message}", err=True)
    how: dict[str, Any] = {
        "name": name,
        "output_dir": output_dir,
        "private": private,
        "max_cost": max_cost,
        "budget": budget,
        "project_budget": project_budget,
        "project": project,
    }
    if dry_run:
        dry = rehearse(request, region=region, **how)
        click.echo(as_text(dry.as_dict()) if as_json else str(dry))
        return 1 if dry.problems else 0
    settings = Settings.resolve(region=region)
    job = cells.launch(request, settings=settings, yes=yes, force=force, watch=[progress()], **how)
    _finish(job, force=force, as_json=as_json)
    return 0


def replay(
    source: Path,
    *,
    cell: str | None,
    run: str | None,
    region: str | None,
    output_dir: Path | None,
    yes: bool,
    force: bool,
    max_cost: str | None,
    budget: str | None,
    project_budget: str | None,
    project: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Repeat a run of a notebook from its record, and print the new clip's path.

    Raises
    ------
    WanError
        Why there is no clip.
    """
    record, folder = replays.find(source, cell=cell, run=run)
    job = replays.begin(
        record,
        folder,
        settings=Settings.resolve(region=region),
        given=given,
        output_dir=output_dir or (folder / OUTPUTS if source.suffix == ".ipynb" else folder),
        yes=yes,
        force=force,
        max_cost=max_cost,
        budget=budget,
        project_budget=project_budget,
        project=project,
        say=lambda text: click.echo(text, err=True),
        watch=[progress()],
    )
    _finish(job, force=force, as_json=as_json)
    film, _ = film_of(record, folder, Path.cwd())
    if film is not None:
        click.echo(rendering.bundle(job.update, beside=film)["text/plain"], err=True)


def _finish(job: Job, *, force: bool, as_json: bool) -> None:
    """Wait for the clip, and print its path or JSON."""
    try:
        result = job.result()
    except KeyboardInterrupt:
        raise left(job, force=force) from None
    click.echo(as_text({"path": str(result.path), "record": result.record}) if as_json else str(result.path))


def progress() -> Callable[[JobUpdate], None]:
    """Says how a job stands on standard error: one line told anew on a terminal, in a log a line for each new state."""
    line = lines.line_on(sys.stderr)

    def show(update: JobUpdate) -> None:
        if update.state.ended and update.state is not JobState.DOWNLOADED:
            line.clear()  # what follows says how
            return
        state = (update.state, update.task and update.task.task_status, update.notes)
        over = update.state is JobState.DOWNLOADED
        line.tell(update.run_id, rendering.bundle(update)["text/plain"], state=state, over=over)

    return show


def left(job: Job, *, force: bool = False) -> WanError:
    """Stop following; what is to be said then. A submit under way gets a moment to tell its task id."""
    if job.state is JobState.SUBMITTING:
        click.echo("Interrupted while the request is being sent: waiting for its answer.", err=True)
    end = time.monotonic() + ANSWER_SECONDS
    while job.state is JobState.SUBMITTING and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
    logging.getLogger("wan_notebook").setLevel(logging.ERROR)  # what it would warn of is said here
    session().runner.close()
    job.wait(LOOK_SECONDS)
    said = job.update.hint or ""
    if job.task_id is not None:
        how, hours = ", without --force," if force else "", catalog().service.keep_hours
        said = f"{said} {GET_IT.format(how=how, hours=hours)}"
    return JobTimeoutError("interrupted: no longer waiting.", task_id=job.task_id, hint=said.strip())


def as_text(value: dict[str, Any]) -> str:
    """JSON that any terminal can print."""
    return json.dumps(value, ensure_ascii=not (sys.stdout.encoding or "").lower().startswith("utf"), indent=2)
