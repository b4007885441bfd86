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

    from wan_notebook.audit import verify
    from wan_notebook.cells import agenerate, generate, jobs, submit
    from wan_notebook.crate import CrateReport, export_crate
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
    from wan_notebook.explanations import Explanation, explain
    from wan_notebook.forms import form
    from wan_notebook.job import Job
    from wan_notebook.manuscript import Methods, methods
    from wan_notebook.nesting import run
    from wan_notebook.preview import DryRun
    from wan_notebook.rehearsal import dry_run
    from wan_notebook.replays import replay
    from wan_notebook.request import I2VRequest
    from wan_notebook.sidefiles import load_record
    from wan_notebook.taskcalls import attach, cancel, fetch, list_tasks
    from wan_notebook.tasks import Task, TaskStatus, Usage, VideoResult

_HOMES = {
    "CrateReport": "crate",
    "export_crate": "crate",
    "Methods": "manuscript",
    "methods": "manuscript",
    "replay": "replays",
    "verify": "audit",
    "attach": "taskcalls",
    "cancel": "taskcalls",
    "fetch": "taskcalls",
    "list_tasks": "taskcalls",
    "agenerate": "cells",
    "generate": "cells",
    "jobs": "cells",
    "submit": "cells",
    "Explanation": "explanations",
    "explain": "explanations",
    "DryRun": "preview",
    "dry_run": "rehearsal",
    "form": "forms",
    "load_record": "sidefiles",
    "run": "nesting",
    "I2VRequest": "request",
    "Job": "job",
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
    "ConfigurationError",
    "CrateReport",
    "DownloadError",
    "DryRun",
    "Explanation",
    "I2VRequest",
    "InvalidRequestError",
    "Job",
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
    "dry_run",
    "explain",
    "export_crate",
    "fetch",
    "form",
    "generate",
    "jobs",
    "list_tasks",
    "load_ipython_extension",
    "load_record",
    "methods",
    "replay",
    "run",
    "submit",
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
