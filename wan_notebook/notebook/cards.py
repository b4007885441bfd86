"""The card of a job in the output of its cell, and over the plugin's line wherever else its cell is shown."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wan_notebook.engine import pricing
from wan_notebook.engine.job import Job
from wan_notebook.engine.revival import revived
from wan_notebook.hall.session import session
from wan_notebook.notebook import frontend
from wan_notebook.notebook.surroundings import namespace
from wan_notebook.windows import rendering
from wan_notebook.words import phrases

if TYPE_CHECKING:
    from collections.abc import Callable

    from wan_notebook.tasks import JobUpdate
    from wan_notebook.windows.player import Film

__all__ = ["card", "ended", "executions", "keep", "listen", "shown_again", "shown_now"]

EMBED_BYTES = 5 * 1024 * 1024
AAC_REMARK = "VS Code plays no AAC sound: the clip has its sound track all the same; open the file to hear it."

executions: dict[str, str] = {}  # run id -> the execution of the cell it was started by
_shown: dict[str, Callable[[], dict[str, Any]]] = {}  # run id -> what its output holds now, for the plugin


def card(
    job: Job, *, embed: bool = False, show: bool = True, beside: Film | None = None
) -> list[Callable[[JobUpdate], None]]:
    """The observers that tell a job's card anew.

    Parameters
    ----------
    job : Job
    embed : bool
        Put the clip into the notebook instead of linking it.
    show : bool
        Show it in the running cell; otherwise only the plugin does, in the cell the job belongs to.
    beside : Film, optional
        An earlier clip that is shown side by side with this job's.
    """
    hall = session()
    saving = pricing.saving_of_silence(job.request, job.update.cost.region) if job.update.cost else None

    def bundle(update: JobUpdate) -> dict[str, Any]:
        remarks = []
        if saving is not None and update.cost is not None and not update.state.ended:
            remarks.append(phrases.silence(update.cost, saving))
        if update.clip is not None and update.clip.audio and hall.front_end == "vscode":
            remarks.append(AAC_REMARK)
        if frontend.plugin_missing():
            remarks.append(frontend.PLUGIN_REMARK)
        return hall.bundle(update, embed_limit=EMBED_BYTES if embed else 0, remarks=remarks, beside=beside)

    keep(job.run_id, lambda: bundle(job.update))
    display = frontend.Display.open(bundle(job.update), job.run_id) if show else None

    place, bound = hall.jobs.index(job), False

    def tell(update: JobUpdate) -> None:
        nonlocal bound
        held = namespace().get(update.handle)
        newer = isinstance(held, Job) and held in hall.jobs[place + 1 :]
        if held is job:
            bound = True
        elif bound or newer:  # the variable is another job's now
            handle = f"wan_notebook.jobs()[{place}]"
            job.advance(replace(job.update, handle=handle))
            update, bound = replace(update, handle=handle), False
        shown = bundle(update)
        if display is not None:
            display.update(shown)
        frontend.push(update.run_id, shown)

    return [tell]


def keep(run_id: str, bundle: Callable[[], dict[str, Any]]) -> None:
    """Let the plugin ask for a run, or a sweep, of this process."""
    _shown[run_id] = bundle
    listen()


def shown_now(run_id: str) -> dict[str, Any] | None:
    """What the output of a run of this process holds now."""
    return _shown[run_id]() if run_id in _shown else None


def listen() -> None:
    """Answer the plugin when it asks for runs: those of this process, and those of earlier ones from the ledger."""
    frontend.listen(lambda run_id: shown_now(run_id) or ended(run_id))


def shown_again(update: JobUpdate) -> dict[str, Any]:
    """What a job shows of itself: its card as it stands, or one line in the very cell that shows it live."""
    execution = executions.get(update.run_id)
    if execution and execution == frontend.execution():
        return {"text/plain": f"<Job {update.handle}: its card is above>"}
    return rendering.bundle(update)


def ended(run_id: str) -> dict[str, Any] | None:
    """What the output of a run holds that an earlier process brought to its end; None for any other."""
    run = session().ledger.run(run_id)
    update = revived(run, now=time.time()) if run is not None else None
    if update is None or not update.state.ended or run is None or session().ledger.driven(run):
        return None
    return session().bundle(update)
