"""Looking at what was made: ``wan.compare``, the gallery, and a clip by its run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.doors.options import Parser, add, read
from wan_notebook.engine.clips import bring
from wan_notebook.engine.job import Job
from wan_notebook.errors import InvalidRequestError, Problem, WanError
from wan_notebook.facts.catalog import catalog
from wan_notebook.hall.exhibits import exhibited, result_of
from wan_notebook.hall.session import session
from wan_notebook.ledger.statements import count, price_of, select
from wan_notebook.notebook import arguments, frontend
from wan_notebook.notebook.cards import EMBED_BYTES
from wan_notebook.record.footage import poster_of
from wan_notebook.windows import rendering
from wan_notebook.windows.comparison import Comparison
from wan_notebook.windows.gallery import Gallery, Tile
from wan_notebook.windows.player import relative_link, relative_path
from wan_notebook.words import phrases, wording

if TYPE_CHECKING:
    from wan_notebook.hall.exhibits import Exhibit
    from wan_notebook.ledger.runs import Run
    from wan_notebook.tasks import VideoResult

__all__ = ["clip", "compare", "gallery", "shown"]

MOST = 16  # players in one page; a browser gives out at several dozens
MOST_COLUMNS = 8
PER_PAGE, MOST_POSTERS, LAST_PAGE = 12, 48, 10_000
POSTER_SIZE = 384, 256
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


def gallery(
    *,
    page: int = 1,
    per_page: int = PER_PAGE,
    name: str | None = None,
    model: str | None = None,
    notebook: str | None = None,
    since: str | None = None,
    simulated: bool | None = None,
) -> Gallery:
    """The saved clips of the ledger, newest first, as posters: from all notebooks and scripts of this user.

    Parameters
    ----------
    page, per_page : int
        Which page, and how many clips it has, from 1 to 48.
    name, model : str, optional
        Only those of this name, of this model.
    notebook : str, optional
        A notebook's file, or a folder with everything below it.
    since : str, optional
        ISO-8601 date or time.
    simulated : bool, optional
        Only simulated clips, or only real ones.

    Returns
    -------
    Gallery
        Iterates over the ids of its runs, which :func:`clip` and :func:`compare` take.

    Raises
    ------
    InvalidRequestError
    """
    problems = [
        Problem(what, str(value)[:20], "it is out of range", f"1 to {most}")
        for what, value, most in (("page", page, LAST_PAGE), ("per_page", per_page, MOST_POSTERS))
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most
    ]
    if problems:
        raise InvalidRequestError(problems)
    where, values = select(
        state="downloaded", name=name, model=model, notebook=notebook, since=since, simulated=simulated
    )
    where = f"{where} AND clip_path IS NOT NULL"
    if notebook is None:
        where = f"{where} AND from_run IS NULL"
    else:  # what a notebook shows need not be paid there; each clip once
        once = f"SELECT MAX(rowid) FROM runs WHERE {where} GROUP BY COALESCE(from_run, run_id)"  # noqa: S608  our own
        where = f"rowid IN ({once})"
    first = (page - 1) * per_page
    runs = session().ledger.runs(where, values, limit=first + per_page + 1)
    found, more = runs[first : first + per_page], len(runs) > first + per_page
    remarks = [f"There are more: --page {page + 1} (page={page + 1})."] if more else []
    title = f"{count(len(found), 'saved clip').capitalize()}{', newest first' if len(found) > 1 else ''}"
    if found and (page > 1 or more):
        title = f"Saved clips {first + 1} to {first + len(found)}, newest first"
    elif not found:
        asked = {"name": name, "model": model, "notebook": notebook, "since": since, "simulated": simulated}
        title, remarks = _nothing(
            page, per_page, len(runs), {what: said for what, said in asked.items() if said is not None}
        )
    return Gallery(tuple(map(_tile, found)), title, tuple(remarks))


def _nothing(page: int, per_page: int, there: int, asked: Mapping[str, object]) -> tuple[str, list[str]]:
    """What is said of a page without clips: how many there are, and what was asked for."""
    words = ", ".join(f"{what} {wording.shown(said)}" for what, said in asked.items())
    which = f" with {words}" if words else ""
    if there:
        last = -(-there // per_page)
        return f"No page {page}: there {'is' if last == 1 else 'are'} {count(last, 'page')} of saved clips{which}", []
    known = {*catalog().models, *(run.model for run in session().ledger.runs("state = 'downloaded'") if run.model)}
    model = asked.get("model")
    if model is None or model in known:
        return f"No saved clips{which}", []
    close = wording.suggest(str(model), known)
    meant = f" Did you mean {wording.shown(close)}?" if close else ""
    return f"No saved clips{which}", [f"Nothing is known of a model {wording.shown(model)}.{meant}"]


def clip(run_id: str, /) -> VideoResult:
    """A saved clip of the ledger, whichever notebook made it; shows itself as a video. Costs nothing.

    Parameters
    ----------
    run_id : str
        As ``%wan_gallery`` and ``%wan_jobs --all`` show it.

    Raises
    ------
    WanError
        There is no such run, it has no clip, or the clip's file is gone.
    """
    run = session().ledger.run(run_id) if isinstance(run_id, str) else None
    if run is None:
        raise WanError(f"the ledger knows no run {wording.shown(run_id)}.", hint="%wan_gallery shows those with clips.")
    made = result_of(run, now=time.time())
    path, folder = _brought(made.path), frontend.notebook_folder()
    made = replace(made, path=path, clip=replace(made.clip, path=path))
    return replace(made, show=lambda result: rendering.video_bundle(result, folder))


def shown(line: str) -> Gallery:
    """``%wan_gallery``."""
    parser = Parser("%wan_gallery", "It takes options only.")
    add(parser, "page", flag=False, text="which page (1)")
    add(parser, "per_page", flag=False, text=f"clips on a page ({PER_PAGE})")
    for what in ("name", "model"):
        add(parser, what, flag=False, text=f"of this {what} only")
    add(parser, "notebook", flag=False, text="of this notebook, or of all below this folder")
    add(parser, "since", flag=False, text="made since this date")
    add(parser, "simulated", flag=True, text="simulated clips only; --no-simulated: real ones only")
    said = read(parser, line, str)
    for what in ("page", "per_page"):
        if str(said.get(what, "")).isdecimal():
            said[what] = int(said[what])
    return gallery(**said)


def _tile(run: Run) -> Tile:
    path, folder = Path(run.clip_path or ""), frontend.notebook_folder()
    near = path.is_relative_to(folder)
    poster, problem = None, ""
    try:
        poster = poster_of(path, POSTER_SIZE)
    except WanError:
        problem = f"its file is gone: {path.name}" if not path.exists() else f"its file cannot be read: {path.name}"
    paid = "nothing billed" if run.simulated else price_of(run)
    kind = (paid, run.resolution, run.duration and f"{run.duration} s")
    return Tile(
        run.run_id,
        run.name or path.stem,
        (phrases.moment(run.created_at), run.model or "model unknown", " · ".join(str(part) for part in kind if part)),
        bool(run.simulated),
        poster,
        relative_link(path, folder) if near and not problem else "",
        relative_path(path, folder) or path.name if near else str(path),
        problem,
    )


def _exhibits(given: list[Any]) -> tuple[Exhibit, ...]:
    problems: list[Problem] = []
    found = []
    for one in given:
        try:
            found.append(_near(exhibited(one, ledger=session().ledger, folder=frontend.notebook_folder())))
        except InvalidRequestError as error:
            problems += error.problems
    if problems:
        raise InvalidRequestError(problems)
    return tuple(found)


def _near(exhibit: Exhibit) -> Exhibit:
    """The clip where a page can link to it: a clip of another folder gets a second name beside the notebook's own."""
    film = exhibit.film
    if film is None:
        return exhibit
    return replace(exhibit, film=replace(film, clip=replace(film.clip, path=_brought(film.clip.path))))


def _brought(path: Path) -> Path:
    if frontend.front_end() in PAGELESS:
        return path
    try:
        return bring(path, arguments.outputs(None), frontend.notebook_folder())
    except WanError:  # a folder that cannot be written
        return path


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
