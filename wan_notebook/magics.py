"""The door: ``%%wan_i2v`` and ``%wan_form``. Loading it imports nothing beyond IPython; the rest comes on first use."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from IPython.core.magic import no_var_expand
from traitlets import Any as Anything
from traitlets import Bool, Unicode
from traitlets.config import Configurable

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from wan_notebook.options import Line
    from wan_notebook.request import I2VRequest

__all__ = ["WanMagics", "register", "unregister"]

INTRODUCTION = """Turn the picture given with --image into a video; the cell's body is the prompt.

    %%wan_i2v cat --image images/chelsea.png --duration 5 --no-audio --seed 12345
    The cat slowly turns its head towards the window.

The cell returns at once. Its card becomes the video, the variable (here `cat`) holds the Job: cat.status, cat.result(),
await cat, cat.cancel(), cat.request, cat.record. $name and {expression} stand for values of the notebook in the line;
the body is taken as it is. As a line, `%wan_i2v` works without a prompt. With --dry-run nothing is sent and no key is
needed: it shows the exact request, the same for curl and for the vendor's SDK, the clip to expect and the price.

"""


class WanMagics(Configurable):
    """Settings of this notebook: ``%config WanMagics.region = "beijing"``."""

    region = Unicode("", help="singapore, beijing, virginia, frankfurt, simulator, or a vendor id.").tag(config=True)
    base_url = Unicode("", help="Base URL that stands above the region's own.").tag(config=True)
    workspace = Unicode("", help="Workspace id.").tag(config=True)
    output_dir = Unicode("", help="Folder for the clips, relative to the notebook.").tag(config=True)
    embed = Bool(default_value=False, help="Put clips up to 5 MB into the notebook.").tag(config=True)
    budget = Anything("", help="The most this kernel may spend: 5, or '5 USD'.").tag(config=True)
    project_budget = Anything("", help="The most this notebook's folder may spend, over all time.").tag(config=True)


class VideoMagic:
    """``%%wan_i2v``, callable by IPython; its help is generated when it is asked for."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        no_var_expand(self)
        self.__name__ = "wan_i2v"

    def getdoc(self) -> str:
        """What ``%%wan_i2v?`` shows."""
        from wan_notebook.options import help_text

        return INTRODUCTION + help_text()

    def __call__(self, line: str, cell: str | None = None) -> None:
        from wan_notebook import cells, frontend
        from wan_notebook.config import Settings
        from wan_notebook.errors import InvalidRequestError, Problem
        from wan_notebook.intake import look_in
        from wan_notebook.options import parse
        from wan_notebook.request import I2VRequest
        from wan_notebook.variables import name_problem, wait

        look_in(frontend.notebook_folder())
        said = parse(line, self.shell.ev)
        problems = [problem for problem in (name_problem(said.name, self.shell.user_ns),) if problem]
        prompt = (cell or "").strip()
        if cell is not None and not prompt and "template" not in said.fields:
            fix = "Write there what should happen in the video."
            problems.append(Problem("prompt", "", "the cell is empty below the line", fix=fix))
        try:
            request = I2VRequest(**({"prompt": prompt} if prompt else {}), **said.fields)
        except InvalidRequestError as error:
            raise InvalidRequestError([*problems, *error.problems]) from None
        if problems:
            raise InvalidRequestError(problems)
        if said.dry_run:
            self._rehearse(request, said)
            return
        job = cells.launch(
            request,
            name=said.name,
            variable=said.name,
            settings=Settings.resolve(region=said.region, preferences=frontend.preferences()),
            output_dir=said.output_dir,
            embed=said.embed,
            yes=said.yes,
            force=said.force,
            max_cost=said.max_cost,
        )
        if said.name:
            self.shell.user_ns[said.name] = job
        if said.wait if said.wait is not None else frontend.run_mode() == "blocking":
            wait(job)

    def _rehearse(self, request: I2VRequest, said: Line) -> None:
        """Show the dry run, and bind it where the name is free; a Job is never let go for it."""
        from IPython.display import display

        from wan_notebook.job import Job
        from wan_notebook.rehearsal import rehearse

        taken = isinstance(self.shell.user_ns.get(said.name or ""), Job)
        notes = [f"{said.name} still holds its Job: this dry run is not bound to the name"] if taken else []
        dry = rehearse(
            request,
            name=said.name,
            region=said.region,
            output_dir=said.output_dir,
            max_cost=said.max_cost,
            notes=notes,
        )
        if said.name and not taken:
            self.shell.user_ns[said.name] = dry
        display(dry)


def wan_form(line: str = "") -> None:  # noqa: ARG001  IPython passes the line
    """``%wan_form``: a form with the same fields; *Generate* starts a job whose card appears below it."""
    from IPython.display import display

    from wan_notebook.forms import form

    display(form())


def wan_errors(line: str = "") -> None:
    """``%wan_errors [CODE]``: what an error code (or message) of the service means, and what to do about it."""
    from wan_notebook.explanations import listing

    sys.stdout.write(f"{listing(line)}\n")


def wan_doctor(line: str = "") -> None:
    """``%wan_doctor [--region REGION]``: why does it not work here? Looks at everything a submit needs, at no cost."""
    from IPython.display import display

    from wan_notebook import arguments, frontend
    from wan_notebook.doctor import examine
    from wan_notebook.options import Parser, add, read

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
    from wan_notebook.login import login

    sys.stdout.write(f"{login(line)}\n")


def wan_jobs(line: str = "") -> None:
    """``%wan_jobs [--all] [--limit N]``: the runs of this user that are not finished, in whichever notebook."""
    _show_books("jobs", line)


def wan_resume(line: str = "") -> None:
    """``%wan_resume [ID|all]``: follow what is left of this notebook, of one run or task, or of everything."""
    from wan_notebook.resumption import resume

    sys.stdout.write(f"{resume(line)}\n")


def wan_costs(line: str = "") -> None:
    """``%wan_costs [--by day|model|notebook] [--since DATE]``: what was spent; simulated runs apart."""
    _show_books("spent", line)


def wan_cache(line: str = "") -> None:
    """``%wan_cache [--prune DAYS] [--gone]``: the saved clips that are shown again; forgets runs, deletes no clip."""
    _show_books("cached", line)


def _show_books(what: str, line: str) -> None:
    from IPython.display import display

    from wan_notebook import bookkeeping
    from wan_notebook.session import session

    found = getattr(bookkeeping, what)(session().ledger, line)
    sys.stdout.write(f"{found}\n") if isinstance(found, str) else display(found)


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
    from IPython.display import display

    from wan_notebook import taskmagics

    found = getattr(taskmagics, what)(line, get_ipython())
    if found is not None:
        display(found)


LINES = (
    wan_form,
    wan_login,
    wan_errors,
    wan_doctor,
    wan_jobs,
    wan_resume,
    wan_costs,
    wan_cache,
    wan_tasks,
    wan_cancel,
    wan_attach,
)


def _body_for_empty_cells(lines: list[str]) -> list[str]:
    """Let an empty ``%%wan_i2v`` cell reach us: IPython's own message would advise the line magic."""
    if lines and lines[0].startswith("%%wan_i2v") and not "".join(lines[1:]).strip():
        return [lines[0].rstrip("\n") + "\n", "\n"]
    return lines


def register(ip: InteractiveShell) -> None:
    """Add the magics to ``ip``; doing it twice is harmless."""
    if any(isinstance(known, WanMagics) for known in ip.configurables):
        return
    configurables: list[Any] = ip.configurables
    configurables.append(WanMagics(parent=ip))
    add: Callable[..., None] = ip.register_magic_function
    add(VideoMagic(ip), "line_cell", "wan_i2v")
    for call in LINES:
        add(call, "line", call.__name__)
    steps: list[Callable[[list[str]], list[str]]] = ip.input_transformers_cleanup
    before = next((i for i, step in enumerate(steps) if getattr(step, "__name__", "") == "cell_magic"), 0)
    steps.insert(before, _body_for_empty_cells)
    _pick_up()


def _pick_up() -> None:
    """Follow the jobs that an earlier kernel of this notebook left open, and say so."""
    from wan_notebook.leftovers import left_over

    if runs := left_over():
        from wan_notebook.resumption import at_load

        sys.stdout.write(f"{at_load(runs)}\n")


def unregister(ip: InteractiveShell) -> None:
    """Take the magics away again; jobs go on."""
    ip.configurables[:] = [known for known in ip.configurables if not isinstance(known, WanMagics)]
    for kind in ("line", "cell"):
        for name in ("wan_i2v", *(call.__name__ for call in LINES)):
            ip.magics_manager.magics[kind].pop(name, None)
    if _body_for_empty_cells in ip.input_transformers_cleanup:
        ip.input_transformers_cleanup.remove(_body_for_empty_cells)
