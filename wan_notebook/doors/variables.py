"""The notebook's variables that hold jobs: which names may, and waiting for what they hold."""

from __future__ import annotations

import builtins
import keyword
from typing import TYPE_CHECKING

from wan_notebook.engine.job import Job
from wan_notebook.engine.jobset import JobSet
from wan_notebook.errors import Problem
from wan_notebook.ledger.statements import Statement
from wan_notebook.windows.preview import DryRun

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["name_problem", "wait"]


def name_problem(name: str | None, variables: Mapping[str, object]) -> Problem | None:
    """Why a job cannot be bound to ``name``; None where it can, or has no name."""
    if name is None:
        return None
    if not name.isidentifier() or keyword.iskeyword(name) or hasattr(builtins, name):
        return Problem("name", name, "no name for a variable", "a Python identifier that is no keyword or builtin")
    held = variables.get(name)
    if held is not None and not isinstance(held, (Job, JobSet, DryRun, Statement)):
        problem = f"this variable already holds something else ({type(held).__name__})"
        return Problem("name", name, problem, fix="Choose another name.")
    return None


def wait(job: Job) -> None:
    """Wait in the cell for a job.

    Raises
    ------
    WanError
        It ended without a clip.
    """
    job.wait()
    if (ended_badly := job.exception()) is not None:
        raise ended_badly
