"""Wan image-to-video in Jupyter: a cell magic, a form, an inline video, and a record that lets a stranger repeat it.

In a notebook::

    %load_ext wan_notebook

    %%wan_i2v cat --image images/chelsea.png --duration 5 --no-audio
    The cat slowly turns its head towards the window.

From Python, in a notebook or in a plain script::

    import wan_notebook as wan

    job = wan.submit(prompt="The cat turns its head.", image="images/chelsea.png")   # returns at once
    result = wan.generate(prompt="The cat turns its head.", image="images/chelsea.png")  # waits
    result = await wan.agenerate(prompt="The cat turns its head.", image="images/chelsea.png")

Nothing is imported before it is used: ``%load_ext`` and ``import wan_notebook`` cost next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from wan_notebook.doors.looking import clip, compare, gallery
    from wan_notebook.doors.nesting import run
    from wan_notebook.doors.replays import replay
    from wan_notebook.doors.taskcalls import attach, cancel, fetch, list_tasks
    from wan_notebook.engine.job import Job
    from wan_notebook.engine.jobset import JobSet
    from wan_notebook.errors import (
        AmbiguousSubmitError,
        AuthenticationError,
        BudgetError,
        ConfigurationError,
        DownloadError,
        InvalidRequestError,
        JobTimeoutError,
        RateLimitError,
        ServiceError,
        TaskCanceledError,
        TaskError,
        TaskExpiredError,
        TaskFailedError,
        TransportError,
        WanError,
    )
    from wan_notebook.facts.explanations import Explanation, explain
    from wan_notebook.forms.panel import form
    from wan_notebook.hall.verification import verify
    from wan_notebook.notebook.boards import sweeps
    from wan_notebook.notebook.cells import agenerate, generate, jobs, submit
    from wan_notebook.notebook.rehearsal import dry_run
    from wan_notebook.notebook.sweeps import dry_sweep, sweep
    from wan_notebook.record.crate import CrateReport, export_crate
    from wan_notebook.record.manuscript import Methods, methods
    from wan_notebook.record.sidefiles import load_record
    from wan_notebook.request.declaration import I2VRequest
    from wan_notebook.tasks import Task, TaskStatus, Usage, VideoResult
    from wan_notebook.windows.comparison import Comparison
    from wan_notebook.windows.preview import DryRun

_HOMES = {
    "Comparison": "windows.comparison",
    "clip": "doors.looking",
    "compare": "doors.looking",
    "gallery": "doors.looking",
    "CrateReport": "record.crate",
    "export_crate": "record.crate",
    "Methods": "record.manuscript",
    "methods": "record.manuscript",
    "replay": "doors.replays",
    "verify": "hall.verification",
    "attach": "doors.taskcalls",
    "cancel": "doors.taskcalls",
    "fetch": "doors.taskcalls",
    "list_tasks": "doors.taskcalls",
    "agenerate": "notebook.cells",
    "generate": "notebook.cells",
    "jobs": "notebook.cells",
    "submit": "notebook.cells",
    "Explanation": "facts.explanations",
    "explain": "facts.explanations",
    "DryRun": "windows.preview",
    "dry_sweep": "notebook.sweeps",
    "sweep": "notebook.sweeps",
    "sweeps": "notebook.boards",
    "dry_run": "notebook.rehearsal",
    "form": "forms.panel",
    "load_record": "record.sidefiles",
    "run": "doors.nesting",
    "I2VRequest": "request.declaration",
    "JobSet": "engine.jobset",
    "Job": "engine.job",
    "Task": "tasks",
    "TaskStatus": "tasks",
    "Usage": "tasks",
    "VideoResult": "tasks",
    "AmbiguousSubmitError": "errors",
    "AuthenticationError": "errors",
    "BudgetError": "errors",
    "ConfigurationError": "errors",
    "DownloadError": "errors",
    "InvalidRequestError": "errors",
    "JobTimeoutError": "errors",
    "RateLimitError": "errors",
    "ServiceError": "errors",
    "TaskCanceledError": "errors",
    "TaskError": "errors",
    "TaskExpiredError": "errors",
    "TaskFailedError": "errors",
    "TransportError": "errors",
    "WanError": "errors",
}

__all__ = [
    "AmbiguousSubmitError",
    "AuthenticationError",
    "BudgetError",
    "Comparison",
    "ConfigurationError",
    "CrateReport",
    "DownloadError",
    "DryRun",
    "Explanation",
    "I2VRequest",
    "InvalidRequestError",
    "Job",
    "JobSet",
    "JobTimeoutError",
    "Methods",
    "RateLimitError",
    "ServiceError",
    "Task",
    "TaskCanceledError",
    "TaskError",
    "TaskExpiredError",
    "TaskFailedError",
    "TaskStatus",
    "TransportError",
    "Usage",
    "VideoResult",
    "WanError",
    "__version__",
    "agenerate",
    "attach",
    "cancel",
    "clip",
    "compare",
    "dry_run",
    "dry_sweep",
    "explain",
    "export_crate",
    "fetch",
    "form",
    "gallery",
    "generate",
    "jobs",
    "list_tasks",
    "load_ipython_extension",
    "load_record",
    "methods",
    "replay",
    "run",
    "submit",
    "sweep",
    "sweeps",
    "unload_ipython_extension",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("wan-notebook")
    if name in _HOMES:
        return getattr(import_module(f"wan_notebook.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'wan_notebook' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(ip: InteractiveShell) -> None:
    """``%load_ext wan_notebook``: registers ``%%wan_i2v``, ``%wan_form`` and the rest.

    It opens no socket and prints nothing, unless jobs of this notebook are left open in the ledger: those are followed
    again in the background, and one line says so. Nothing is ever submitted.
    """
    from wan_notebook.magics import register

    register(ip)


def unload_ipython_extension(ip: InteractiveShell) -> None:
    """``%unload_ext wan_notebook``: takes the magics away again; running jobs go on."""
    from wan_notebook.magics import unregister

    unregister(ip)
