"""What happens in a cell: submit, show the card, and wait where nobody would look later.

The door from Python (``wan.submit``, ``wan.generate``, ``wan.agenerate``), which the magic and the form use too. Works
the same in a plain script, only without cards.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from wan_notebook.hall.session import session
from wan_notebook.keys import seal
from wan_notebook.notebook import arguments, cards, frontend, lines
from wan_notebook.windows import rendering
from wan_notebook.words import phrases

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from wan_notebook.config import Settings
    from wan_notebook.engine.job import Job
    from wan_notebook.keys import Secret
    from wan_notebook.request.declaration import I2VRequest
    from wan_notebook.tasks import JobUpdate, VideoResult
    from wan_notebook.windows.player import Film

__all__ = ["agenerate", "generate", "jobs", "submit"]


def submit(
    request: I2VRequest | None = None,
    /,
    *,
    name: str | None = None,
    region: str | None = None,
    api_key: str | Secret | None = None,
    base_url: str | None = None,
    workspace: str | None = None,
    output_dir: str | Path | None = None,
    embed: bool | None = None,
    yes: bool = False,
    force: bool = False,
    max_cost: float | str | None = None,
    private: bool = False,
    **parameters: Any,
) -> Job:
    """Submit a request and return its Job at once; a notebook shows its card in the running cell.

    Parameters
    ----------
    request : I2VRequest, optional
        Instead of ``parameters``.
    name : str, optional
        Used for the card and the clip's file name.
    region : {"singapore", "beijing", "virginia", "frankfurt", "simulator"}, optional
        The vendor's ids (``ap-southeast-1``, ...) work too.
    api_key : str, optional
        Used for this request and never recorded; refused where it is written out in a notebook's cell. Otherwise
        ``%wan_login``, ``DASHSCOPE_API_KEY``, the key file, the keyring or the secrets of Colab.
    base_url, workspace : str, optional
        As ``DASHSCOPE_HTTP_BASE_URL`` and ``DASHSCOPE_WORKSPACE_ID``.
    output_dir : path, optional
        Where clips are kept; relative to the notebook. Default ``wan_outputs``.
    embed : bool, optional
        Put clips up to 5 MB into the notebook instead of linking them.
    yes : bool
        Submit even where the price is unknown, or where the ledger cannot be used.
    force : bool
        Make and pay for a new clip even where the very same request was paid for already. Without it that run's clip is
        shown at once, or the job that is still under way is followed, and 0 is spent.
    max_cost : float or str, optional
        The most this clip may cost: ``0.5``, or ``"0.5 USD"``.
    private : bool
        Keep the prompts out of card, record, side file, ledger and log; their digests stay.
    **parameters
        The fields of :class:`I2VRequest` (``prompt=``, ``image=`` or ``img_url=``, ``model=``, ...).

    Returns
    -------
    Job

    Raises
    ------
    InvalidRequestError
        All problems of the request at once; nothing was sent.
    ConfigurationError
        No key, unknown region, unusable folder.
    BudgetError
        It would cost more than ``max_cost`` or a budget allows, or the price is unknown, or the ledger cannot be used,
        and that was not confirmed.

    Examples
    --------
    >>> job = submit(prompt="The cat turns its head.", image="cat.png", region="simulator")  # doctest: +SKIP
    """
    api_key = seal(api_key)
    job = launch(
        arguments.requested(request, parameters),
        **arguments.taken(
            region,
            api_key,
            base_url,
            workspace,
            name=name,
            output_dir=output_dir,
            embed=embed,
            yes=yes,
            force=force,
            max_cost=max_cost,
            private=private,
        ),
    )
    frontend.wait_unattended(job.wait)
    return job


def generate(request: I2VRequest | None = None, /, *, timeout: float | None = None, **parameters: Any) -> VideoResult:
    """Submit and wait for the clip.

    Parameters
    ----------
    timeout : float, optional
        Seconds to wait at most; the job goes on after it.
    request, **parameters
        As :func:`submit`.

    Returns
    -------
    VideoResult
        ``.path``, ``.url``, ``.usage``, ``.cost``; an ``os.PathLike`` that shows itself as a video.

    Raises
    ------
    WanError
        As :func:`submit` and :meth:`Job.result`.
    """
    parameters["api_key"] = seal(parameters.get("api_key"))
    arguments.check_types(timeout=timeout)
    job = submit(request, **parameters)
    return replace(job.result(lines.wait_showing(job, timeout)), show=show_once)


async def agenerate(request: I2VRequest | None = None, /, **parameters: Any) -> VideoResult:
    """Submit and await the clip; the event loop stays free. Parameters and errors as :func:`submit`."""
    parameters["api_key"] = seal(parameters.get("api_key"))
    return replace(await submit(request, **parameters), show=show_once)


def show_once(result: VideoResult) -> dict[str, Any]:
    """What a result shows of itself: its video, or one line in the very cell whose card has become that video."""
    shown = rendering.video_bundle(result)
    execution = cards.executions.get(result.record["run_id"])
    return {"text/plain": shown["text/plain"]} if execution and execution == frontend.execution() else shown


def jobs() -> list[Job]:
    """The jobs of this process, oldest first."""
    return list(session().jobs)


def launch(
    request: I2VRequest,
    *,
    name: str | None,
    settings: Settings,
    output_dir: str | Path | None = None,
    embed: bool | None = None,
    yes: bool = False,
    force: bool = False,
    max_cost: float | str | None = None,
    budget: str | None = None,
    project_budget: str | None = None,
    project: str | Path | None = None,
    private: bool = False,
    variable: str | None = None,
    scope: str | None = None,
    watch: Sequence[Callable[[JobUpdate], None]] = (),
) -> Job:
    """Start a job and show its card here; what the magic, the form and :func:`submit` have in common.

    Parameters
    ----------
    variable : str, optional
        The notebook's variable that will hold the job.
    scope : str, optional
        What identical requests are counted in, where it is not the execution of the cell or the script.
    watch : sequence of callable
        More observers of the job, told on the runner's thread.
    """
    hall, notes = session(), arguments.check_key(settings)
    notes += phrases.unpriced(hall.check(request, settings)[1])
    terms = arguments.terms(
        force=force, yes=yes, max_cost=max_cost, budget=budget, project_budget=project_budget, project=project
    )
    return begun(
        partial(hall.submit, request, settings, terms=terms, ask=frontend.ask, scope=scope or frontend.scope()),
        name=name,
        output_dir=output_dir,
        embed=embed,
        private=private,
        variable=variable,
        notes=notes,
        watch=watch,
    )


def begun(
    start: Callable[..., Job],
    *,
    name: str | None,
    output_dir: str | Path | None,
    embed: bool | None,
    variable: str | None,
    notes: Sequence[str] = (),
    private: bool = False,
    watch: Sequence[Callable[[JobUpdate], None]] = (),
    beside: Film | None = None,
) -> Job:
    """Let a job begin in this cell; ``start`` is what the session does, the rest as for :func:`launch`.

    ``beside`` is an earlier clip to show side by side with this one's.
    """
    hall = session()
    hall.front_end = frontend.front_end()
    embed = embed if embed is not None else bool(frontend.preferences().get("embed")) or hall.front_end == "colab"
    cell_id, execution = frontend.cell_id(), frontend.execution()
    earlier = [
        _goes_on(job, number)
        for number, job in enumerate(hall.jobs)
        if cell_id == job.update.cell_id
        and execution != cards.executions.get(job.run_id)
        and job.running()
        and cell_id
        and job.update.sweep is None  # it has a card of its own
    ]
    job = start(
        name=name,
        variable=variable,
        folder=frontend.notebook_folder(),
        outputs=arguments.outputs(output_dir),
        notebook=frontend.notebook_path(),
        cell_id=cell_id,
        source_sha256=frontend.source_sha256(),
        notes=[*earlier, *notes],
        private=private or bool(frontend.preferences().get("private")),
        watch=lambda job: [*cards.card(job, embed=embed, beside=beside), *watch],
        show=cards.shown_again,
    )
    cards.executions[job.run_id] = execution
    return job


def _goes_on(job: Job, number: int) -> str:
    what = f"an earlier job of this cell (task {job.task_id or 'not submitted yet'}) went on when this one was started"
    if not job.update.simulated:
        what += ", and is billed"
    if job.task is not None and job.status != "PENDING":
        return what
    return f"{what}; wan_notebook.jobs()[{number}].cancel() stops it while it is PENDING"
