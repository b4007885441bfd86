"""Looking at what was made: ``wan.compare``, the gallery, and a clip by its run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wan_notebook.engine.clips import bring
from wan_notebook.engine.job import Job
from wan_notebook.errors import InvalidRequestError, Problem, WanError
from wan_notebook.hall.exhibits import exhibited
from wan_notebook.hall.session import session
from wan_notebook.notebook import arguments, frontend
from wan_notebook.notebook.cards import EMBED_BYTES
from wan_notebook.windows.comparison import Comparison

if TYPE_CHECKING:
    from wan_notebook.hall.exhibits import Exhibit

__all__ = ["compare"]

MOST = 16  # players in one page; a browser gives out at several dozens
MOST_COLUMNS = 8
PAGELESS = ("script", "terminal")


def compare(jobs: Iterable[Any], /, *more: Any, columns: int = 4, embed: bool | None = None) -> Comparison:
    """Show clips side by side: players that start, pause and seek together, and a table of what differs.

    In a notebook that is not trusted each player works by itself. Costs nothing.

    Parameters
    ----------
    jobs : iterable
        Jobs (a :class:`JobSet`, too), results, run ids of ``%wan_jobs``, records, or paths of clips, whose record lies
        beside them; or the first of several of these. A job that is under way joins when its clip is there.
    columns : int
        Players in a row where there is room, from 1 to 8.
    embed : bool, optional
        Put clips up to 5 MB into the notebook instead of linking them.

    Returns
    -------
    Comparison
        ``.differing`` holds the parameters that are not the same for all.

    Raises
    ------
    InvalidRequestError
        One of them is no clip and nothing is known of it.

    Examples
    --------
    >>> compare(first, second)  # doctest: +SKIP
    >>> compare(jobs())  # doctest: +SKIP
    """
    arguments.check_types(embed=embed)
    single = isinstance(jobs, (str, Mapping)) or not isinstance(jobs, Iterable)
    given = [jobs, *more] if single or more else list(jobs)
    if not isinstance(columns, int) or isinstance(columns, bool) or not 1 <= columns <= MOST_COLUMNS:
        raise InvalidRequestError([Problem("columns", str(columns)[:20], "it is out of range", f"1 to {MOST_COLUMNS}")])
    if not given:
        raise InvalidRequestError([Problem("jobs", "", "there is nothing to compare", "at least one clip")])
    if frontend.run_mode() == "blocking":  # nobody would see what comes later
        for job in given[:MOST]:
            if isinstance(job, Job):
                job.wait()
    embed = embed if embed is not None else bool(frontend.preferences().get("embed")) or frontend.front_end() == "colab"
    made = Comparison(
        _exhibits(given[:MOST]),
        columns=min(columns, len(given)),
        embed_limit=EMBED_BYTES if embed else 0,
        left_out=max(0, len(given) - MOST),
    )
    return replace(made, publish=lambda shown: _follow(shown, given[:MOST])) if _open(made) else made


def _exhibits(given: list[Any]) -> tuple[Exhibit, ...]:
    problems: list[Problem] = []
    found = []
    for one in given:
        try:
            found.append(_near(exhibited(one, ledger=session().ledger, folder=_folder())))
        except InvalidRequestError as error:
            problems += error.problems
    if problems:
        raise InvalidRequestError(problems)
    return tuple(found)


def _folder() -> Any:
    return frontend.notebook_folder()


def _near(exhibit: Exhibit) -> Exhibit:
    """The clip where a page can link to it: a clip of another folder gets a second name beside the notebook's own."""
    film = exhibit.film
    if film is None or frontend.front_end() in PAGELESS:
        return exhibit
    try:
        path = bring(film.clip.path, arguments.outputs(None), _folder())
    except WanError:
        return exhibit
    return replace(exhibit, film=replace(film, clip=replace(film.clip, path=path)))


def _open(shown: Comparison) -> list[Job]:
    return [exhibit.job for exhibit in shown.exhibits if exhibit.job is not None]


def _follow(shown: Comparison, given: list[Any]) -> None:
    """Show a comparison whose jobs are not all done, and once more whenever one is."""
    display = frontend.Display.open(shown._repr_mimebundle_(), "comparison")
    place = frontend.here()

    def again(_: Job) -> None:
        exhibits = place(lambda: _exhibits(given))
        display.update(replace(shown, exhibits=exhibits)._repr_mimebundle_())

    for job in _open(shown):
        job.add_done_callback(again)
