"""``wan-notebook tasks | fetch | cancel | attach``: data on standard output, everything else on standard error."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from wan_notebook.config import Settings
from wan_notebook.doors.generation import as_text, left, progress
from wan_notebook.doors.taskcalls import cancel, fetch, join, list_tasks
from wan_notebook.doors.taskmagics import since_hours
from wan_notebook.facts.zones import TIMES, zoned
from wan_notebook.service.inquiries import not_known
from wan_notebook.tasks import TaskStatus
from wan_notebook.words.phrases import clean

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["attach", "fetched", "listed", "stopped"]


def listed(
    *,
    status: str | None,
    model: str | None,
    since: str | None,
    until: str | None,
    hours: str | None,
    limit: int,
    region: str | None,
    as_json: bool,
) -> int:
    """List the account's tasks; returns the exit code."""
    if hours is not None and since is not None:
        raise click.UsageError("--hours and --since exclude each other.")
    found = list_tasks(
        status=status, model=model, since=since or since_hours(hours), until=until, limit=limit, region=region
    )
    if as_json:
        click.echo(as_text({"region": found.region, "more": found.more, "tasks": [asdict(row) for row in found]}))
    else:
        click.echo(found.text)
    for remark in found.remarks:
        click.echo(remark, err=True)
    return 0


def fetched(task_id: str, *, region: str | None, as_json: bool) -> int:
    """Show a task as it is now; returns the exit code, 1 for one the service does not know."""
    task = fetch(task_id, region=region)
    said = {name: value for name, value in asdict(task).items() if value is not None}
    zoned_times = {name: zoned(said[name]) for name in TIMES if name in said}
    lines = (f"{name}: {clean(value)}" for name, value in {**said, **zoned_times}.items())
    click.echo(as_text(said) if as_json else "\n".join(lines))
    if task.status is TaskStatus.UNKNOWN:
        click.echo(f"The service does not know this task: {not_known()}.", err=True)
    return int(task.status is TaskStatus.UNKNOWN)


def stopped(task_id: str, *, region: str | None, as_json: bool) -> int:
    """Cancel a PENDING task; returns the exit code, 0 if it is canceled."""
    told = cancel(task_id, region=region)
    if as_json:
        click.echo(as_text(asdict(told)))
    click.echo(str(told), err=True)
    return 0 if told else 1


def attach(task_id: str, *, name: str | None, region: str | None, output_dir: Path | None, as_json: bool) -> int:
    """Follow a task to its clip; returns the exit code.

    Raises
    ------
    WanError
        Why there is no clip.
    """
    settings = Settings.resolve(region=region)
    job = join(task_id, settings, name=name, output_dir=output_dir, watch=[progress()])
    try:
        result = job.result()
    except KeyboardInterrupt:
        raise left(job) from None
    click.echo(as_text({"path": str(result.path), "record": result.record}) if as_json else str(result.path))
    return 0
