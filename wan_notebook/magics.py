"""The door: ``%%wan_i2v``. Loading it imports nothing beyond IPython; the rest comes on first use."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from IPython.core.magic import no_var_expand
from traitlets import Any as Anything
from traitlets import Bool, Unicode
from traitlets.config import Configurable

from wan_notebook.doors.linemagics import LINES

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from wan_notebook.doors.options import Line
    from wan_notebook.errors import Problem
    from wan_notebook.request.declaration import I2VRequest

__all__ = ["WanMagics", "register", "unregister"]

INTRODUCTION = """Turn the picture given with --image into a video; the cell's body is the prompt.

    %%wan_i2v cat --image images/chelsea.png --duration 5 --no-audio --seed 12345
    The cat slowly turns its head towards the window.

The cell returns at once. Its card becomes the video, the variable (here `cat`) holds the Job: cat.status, cat.result(),
await cat, cat.cancel(), cat.request, cat.record. $name and {expression} stand for values of the notebook in the line;
the body is taken as it is. As a line, `%wan_i2v` works without a prompt. With --dry-run nothing is sent and no key is
needed: it shows the exact request, the same for curl and for the vendor's SDK, the clip to expect and the price.

With --sweep a field takes several values, and each combination makes a clip; the variable then holds a JobSet:

    %%wan_i2v grid --image images/chelsea.png --no-audio --sweep seed=1..4 --sweep resolution=720P,1080P
    The cat slowly turns its head towards the window.

"""


class WanMagics(Configurable):
    """Settings of this notebook: ``%config WanMagics.region = "beijing"``."""

    region = Unicode("", help="singapore, beijing, virginia, frankfurt, simulator, or a vendor id.").tag(config=True)
    base_url = Unicode("", help="Base URL that stands above the region's own.").tag(config=True)
    workspace = Unicode("", help="Workspace id.").tag(config=True)
    output_dir = Unicode("", help="Folder for the clips, relative to the notebook.").tag(config=True)
    embed = Bool(default_value=False, help="Put clips up to 5 MB into the notebook.").tag(config=True)
    private = Bool(default_value=False, help="Keep prompts out of cards, records, ledger and log.").tag(config=True)
    budget = Anything("", help="The most this kernel may spend: '5 USD'.").tag(config=True)
    project_budget = Anything("", help="The most the project may spend, ever: '20 USD'.").tag(config=True)
    project = Unicode("", help="Its folder, with all below; otherwise the notebook's.").tag(config=True)


class VideoMagic:
    """``%%wan_i2v``, callable by IPython; its help is generated when it is asked for."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        no_var_expand(self)
        self.__name__ = "wan_i2v"

    def getdoc(self) -> str:
        """What ``%%wan_i2v?`` shows."""
        from wan_notebook.doors.options import help_text

        return INTRODUCTION + help_text()

    def __call__(self, line: str, cell: str | None = None) -> None:
        from wan_notebook.doors.options import parse
        from wan_notebook.doors.variables import name_problem, wait
        from wan_notebook.errors import InvalidRequestError, Problem
        from wan_notebook.media.intake import look_in
        from wan_notebook.notebook import cells, frontend
        from wan_notebook.request.declaration import I2VRequest

        look_in(frontend.notebook_folder())
        said = parse(line, self.shell.ev)
        problems = [problem for problem in (name_problem(said.name, self.shell.user_ns),) if problem]
        prompt = (cell or "").strip()
        if cell is not None and not prompt and not {"template"} & said.fields.keys() and "prompt" not in said.sweep:
            fix = "Write there what should happen in the video."
            problems.append(Problem("prompt", "", "the cell is empty below the line", fix=fix))
        if said.sweep:
            self._sweep(said, problems, {"prompt": prompt} if prompt else {})
            return
        try:
            request = I2VRequest(**({"prompt": prompt} if prompt else {}), **said.fields)
        except InvalidRequestError as error:
            raise InvalidRequestError([*problems, *error.problems]) from None
        if problems:
            raise InvalidRequestError(problems)
        if said.dry_run:
            self._rehearse(request, said)
            return
        job = cells.launch(request, variable=said.name, embed=said.embed, **_how(said))
        if said.name:
            self.shell.user_ns[said.name] = job
        if said.wait if said.wait is not None else frontend.run_mode() == "blocking":
            wait(job)

    def _sweep(self, said: Line, problems: list[Problem], prompt: dict[str, str]) -> None:
        """Start many from one; the name holds them."""
        from IPython.display import display

        from wan_notebook.errors import InvalidRequestError
        from wan_notebook.notebook import frontend, sweeps

        if problems:
            raise InvalidRequestError(problems)
        fields = {**prompt, **said.fields}
        if said.dry_run:
            display(sweeps.rehearse(fields, said.sweep, region=said.region, private=said.private))
            return
        jobs = sweeps.launch(fields, said.sweep, **_how(said))
        if said.name:
            self.shell.user_ns[said.name] = jobs
        if said.wait if said.wait is not None else frontend.run_mode() == "blocking":
            jobs.wait()

    def _rehearse(self, request: I2VRequest, said: Line) -> None:
        """Show the dry run, and bind it where the name is free; a Job is never let go for it."""
        from IPython.display import display

        from wan_notebook.engine.job import Job
        from wan_notebook.notebook.rehearsal import rehearse

        taken = isinstance(self.shell.user_ns.get(said.name or ""), Job)
        notes = [f"{said.name} still holds its Job: this dry run is not bound to the name"] if taken else []
        dry = rehearse(
            request,
            name=said.name,
            region=said.region,
            output_dir=said.output_dir,
            max_cost=said.max_cost,
            private=said.private,
            notes=notes,
        )
        if said.name and not taken:
            self.shell.user_ns[said.name] = dry
        display(dry)


def _how(said: Line) -> dict[str, Any]:
    """What a line says of one job and of a sweep alike."""
    from wan_notebook.config import Settings
    from wan_notebook.notebook import frontend

    names = ("name", "output_dir", "yes", "force", "max_cost", "private")
    settings = Settings.resolve(region=said.region, preferences=frontend.preferences())
    return {name: getattr(said, name) for name in names} | {"settings": settings}


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
    from wan_notebook.ledger.owners import payer

    payer()  # named before anything is forked: a pool of workers spends this kernel's budget
    _pick_up()


def _pick_up() -> None:
    """Follow the jobs that an earlier kernel of this notebook left open, and say so; or why that cannot be known."""
    from wan_notebook.notebook.leftovers import left_over

    runs, complaint = left_over()
    if complaint:
        sys.stdout.write(f"wan_notebook: {complaint}\n")
    if runs:
        from wan_notebook.doors.resumption import at_load

        sys.stdout.write(f"{at_load(runs)}\n")


def unregister(ip: InteractiveShell) -> None:
    """Take the magics away again; jobs go on."""
    ip.configurables[:] = [known for known in ip.configurables if not isinstance(known, WanMagics)]
    for kind in ("line", "cell"):
        for name in ("wan_i2v", *(call.__name__ for call in LINES)):
            ip.magics_manager.magics[kind].pop(name, None)
    if _body_for_empty_cells in ip.input_transformers_cleanup:
        ip.input_transformers_cleanup.remove(_body_for_empty_cells)
