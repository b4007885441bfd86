"""One line per job of a form: where it stands, and the button that cancels it while that costs nothing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ipywidgets import HTML, Button, HBox, Layout

from wan_notebook.tasks import UNSENT, JobState, TaskStatus
from wan_notebook.words import phrases
from wan_notebook.words.markup import WRAP, tag

if TYPE_CHECKING:
    from wan_notebook.engine.job import Job
    from wan_notebook.tasks import JobUpdate

__all__ = ["JobRow"]


class JobRow(HBox):  # type: ignore[misc]  # ipywidgets comes without types
    """Where a job stands. It reaches a reloaded page and a moved cell, which a new card does not.

    Parameters
    ----------
    name : str
        What the job is called here.

    Attributes
    ----------
    job : Job or None
        Given once it was started.
    text : ipywidgets.HTML
    cancel : ipywidgets.Button
    """

    def __init__(self, name: str) -> None:
        self.job: Job | None = None
        self.name = name
        self.text = HTML(layout=Layout(margin="0", flex="1 1 auto", min_width="0"))
        self.cancel = Button(
            description="Cancel", tooltip=f"Cancel {name}", layout=Layout(width="auto", flex="0 0 auto")
        )
        self.cancel.on_click(self._cancel)
        super().__init__([self.text, self.cancel], layout=Layout(align_items="center", width="100%"))

    def show(self, update: JobUpdate) -> None:
        """Observe the job; called on the runner's thread."""
        words, still = _words(update)
        if not still:
            self.cancel.disabled, self.cancel.description = True, "Cancel"
        if update.state.ended:
            self.cancel.layout.display = "none"
        self.text.value = str(tag("div", f"{self.name}: {words}", role="status", style=f"line-height:1.4;{WRAP}"))

    def _cancel(self, _: object) -> None:
        if self.job is not None:
            self.cancel.disabled, self.cancel.description = True, "Canceling…"
            # Waiting for the service's answer must not hold up the thread that serves the front end.
            threading.Thread(target=self.job.cancel, name="wan_notebook cancel", daemon=True).start()


def _words(update: JobUpdate) -> tuple[str, bool]:
    """Where a job stands, and whether it can still be cancelled for nothing."""
    if update.clip is not None and update.state is JobState.DOWNLOADED:
        path, folder = update.clip.path, update.folder
        return f"saved as {path.relative_to(folder) if folder and path.is_relative_to(folder) else path}", False
    if update.state.ended:
        return " ".join(filter(None, (update.error or update.state.value, update.hint))), False
    if update.task is None:
        return "preparing" if update.state in UNSENT else "sending", True
    if update.task.status is TaskStatus.PENDING:
        return "PENDING at the service; canceling it now costs nothing", True
    billed = "a real one would be billed" if update.simulated else "it will be billed"
    return f"{phrases.clean(update.task.task_status)} at the service; too late to cancel, {billed}", False
