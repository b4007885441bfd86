"""From a job's picture to its row in the ledger, and from a row back to its task."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wan_notebook.ledger.identity import asked_key
from wan_notebook.ledger.runs import Run, fitting, told
from wan_notebook.record.provenance import canonical_json
from wan_notebook.tasks import Task, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wan_notebook.config import Settings
    from wan_notebook.tasks import Cost, JobUpdate

__all__ = ["first_row", "known_task", "later_row", "money"]


def first_row(
    update: JobUpdate,
    settings: Settings,
    *,
    outputs: Path,
    stem: str,
    notebook: Path | None,
    project: str | None = None,
) -> Run:
    """What the ledger keeps of a run from the first."""
    values = update.request.effective()
    return Run(
        run_id=update.run_id,
        state=update.state.value,
        created_at=update.now,
        asked_key=None
        if update.task  # of a task made elsewhere too little is known to be the same as anything
        else asked_key(update.request, region=update.region, endpoint=update.endpoint),
        region=update.region,
        endpoint=update.endpoint,
        base_url=settings.base_url,
        workspace=settings.workspace,
        model=update.request.model or "",
        resolution=values["resolution"],
        duration=values["duration"],
        notebook=str(notebook) if notebook else None,
        folder=str(update.folder),
        project=project or os.path.realpath(update.folder or ""),
        outputs=str(outputs),
        stem=stem,
        cell_id=update.cell_id,
        name=update.name,
        sweep=update.sweep,
        place=update.place,
    )


def later_row(update: JobUpdate, record: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that change with an update."""
    task, clip = update.task, update.clip
    columns: dict[str, Any] = {
        "state": update.state.value,
        "rev": update.rev,
        "model": update.request.model or "",
        "endpoint": update.endpoint,
        "seed": update.seed,
        "sent_sha256": record["request"]["sent_sha256"],
        "queue_seconds": update.queue_seconds,
        "run_seconds": update.run_seconds,
        "finished_at": update.now if update.finished_at else None,
        "record": canonical_json(record),
    }
    if task is not None:
        said = {name: value for name, value in asdict(task).items() if name != "video_url"}  # it is signed
        columns |= {"task_id": task.task_id, "request_id": task.request_id, "task": canonical_json(said)}
        columns["simulated"] = update.simulated
    if clip is not None:
        columns |= {"clip_path": str(clip.path), "clip_sha256": clip.sha256, "clip_bytes": clip.bytes}
    return columns | (money(update.cost) if update.cost else {})


def money(cost: Cost) -> dict[str, Any]:
    """The columns of a cost."""
    amount = None if cost.amount is None else f"{cost.amount.normalize():f}"
    return {"amount": amount, "currency": cost.currency, "estimated": cost.estimated}


def known_task(run: Run) -> Task | None:
    """The task of a row, as last heard of."""
    said = told(run.task)
    kept, usage = fitting(Task, said), said.get("usage")
    if not {"task_id", "task_status"} <= kept.keys():
        return Task(run.task_id, "PENDING", request_id=run.request_id) if run.task_id else None
    return Task(**kept, usage=Usage(**fitting(Usage, usage)) if isinstance(usage, dict) else None)
