"""The line magics. Importing them imports nothing beyond IPython; the rest comes when one is used."""

from __future__ import annotations

import sys
from typing import Any

from IPython.core.magic import no_var_expand

__all__ = ["LINES"]


@no_var_expand
def wan_form(line: str = "") -> None:
    """``%wan_form [--region REGION] [--OPTION VALUE]``: a form with the magic's fields, filled in with what is given.

    *Generate* starts a job whose card appears below it.
    """
    from IPython.display import display

    from wan_notebook.doors.options import Parser, add, read
    from wan_notebook.forms.panel import form
    from wan_notebook.notebook.surroundings import shell
    from wan_notebook.request.declaration import parameters

    running = shell()
    parser = Parser("%wan_form", "only options, as of %%wan_i2v: --region simulator --image cat.png.")
    add(parser, "region", flag=False, text="the region that is chosen at first")
    for info in parameters():
        add(parser, info.name, flag=info.kind == "flag", text=info.help)
    display(form(**read(parser, line, running.ev if running else str)))


def wan_errors(line: str = "") -> None:
    """``%wan_errors [CODE]``: what an error code (or message) of the service means, and what to do about it."""
    from wan_notebook.facts.explanations import listing

    sys.stdout.write(f"{listing(line)}\n")


def wan_doctor(line: str = "") -> None:
    """``%wan_doctor [--region REGION]``: why does it not work here? Looks at everything a submit needs, at no cost."""
    from IPython.display import display

    from wan_notebook.doors.options import Parser, add, read
    from wan_notebook.hall.doctor import examine
    from wan_notebook.notebook import arguments, frontend

    parser = Parser("%wan_doctor")
    add(parser, "region", flag=False, text="the region to look at; otherwise the one that is set")
    report = examine(
        **read(parser, line, str),
        preferences=frontend.preferences(),
        outputs=arguments.outputs(None),
        front_end=frontend.front_end(),
        plugin_answered=frontend.plugin_present(),
    )
    display(report)


@no_var_expand
def wan_login(line: str = "") -> None:
    """``%wan_login [--forget]``: type in the API key, unseen; it stays in this kernel's memory only."""
    from wan_notebook.doors.login import login

    sys.stdout.write(f"{login(line)}\n")


def wan_jobs(line: str = "") -> None:
    """``%wan_jobs [--all] [--limit N]``: the runs of this user that are not finished, in whichever notebook."""
    _show_books("jobs", line)


def wan_resume(line: str = "") -> None:
    """``%wan_resume [ID|all] [--yes]``: follow what is left of this notebook, of one run or sweep, or of all."""
    from wan_notebook.doors.resumption import resume

    sys.stdout.write(f"{resume(line)}\n")


def wan_costs(line: str = "") -> None:
    """``%wan_costs [--by day|model|notebook|project] [--since DATE]``: what was spent; simulated runs apart."""
    _show_books("spent", line)


def wan_cache(line: str = "") -> None:
    """``%wan_cache [--prune DAYS] [--gone] [--yes]``: saved clips that are shown again; forgets runs, not clips."""
    _show_books("cached", line)


def _show_books(what: str, line: str) -> None:
    from wan_notebook.doors import bookkeeping
    from wan_notebook.hall.session import session

    ledger = session().ledger
    if ledger.trouble:
        ledger.tried()
    _show(getattr(bookkeeping, what)(ledger, line))
    if ledger.trouble:
        sys.stdout.write(f"{ledger.complaint}\n")


def _show(found: object) -> None:
    from IPython.display import display

    if isinstance(found, str):
        sys.stdout.write(f"{found}\n")
    elif found is not None:
        display(found)


@no_var_expand
def wan_gallery(line: str = "") -> None:
    """``%wan_gallery [--page N] [--name N] [--model M] [--notebook P] [--since D] [--simulated]``: saved clips."""
    from wan_notebook.doors.looking import shown

    _show(shown(line))


@no_var_expand
def wan_tasks(line: str = "") -> None:
    """``%wan_tasks [--status S] [--model M] [--hours N] [--limit N] [--region R]``: the account's tasks, as a table."""
    _about_tasks("listed", line)


@no_var_expand
def wan_cancel(line: str = "") -> None:
    """``%wan_cancel TASK_ID|VARIABLE [--region R]``: cancel a PENDING task; a RUNNING one cannot be stopped."""
    _about_tasks("canceled", line)


@no_var_expand
def wan_attach(line: str = "") -> None:
    """``%wan_attach TASK_ID [NAME] [--region R] [--output-dir D] [--embed] [--wait]``: follow a task made elsewhere."""
    _about_tasks("attached", line)


def _about_tasks(what: str, line: str) -> None:
    from IPython import get_ipython

    from wan_notebook.doors import taskmagics

    _show(getattr(taskmagics, what)(line, get_ipython()))


def wan_verify(line: str = "") -> None:
    """``%wan_verify [NOTEBOOK]``: is this notebook, as it was saved last, still what its records say?"""
    _show(_saved().verify(line))


def wan_methods(line: str = "") -> None:
    """``%wan_methods [NOTEBOOK]``: a methods paragraph, a BibTeX entry and a table of all runs."""
    _show(_saved().methods(line))


@no_var_expand
def wan_replay(line: str = "") -> Any:
    """``%wan_replay [NOTEBOOK] [--cell …] [--run …] [--yes] [--image …]``: a run again, from its record; asks first."""
    return _saved().replay(line)


def _saved() -> Any:
    from wan_notebook.doors import saved

    return saved


LINES = (
    wan_form,
    wan_login,
    wan_errors,
    wan_doctor,
    wan_jobs,
    wan_resume,
    wan_costs,
    wan_cache,
    wan_gallery,
    wan_tasks,
    wan_cancel,
    wan_attach,
    wan_verify,
    wan_methods,
    wan_replay,
)
