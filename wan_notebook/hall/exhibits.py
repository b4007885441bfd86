"""Clips to be looked at side by side, whatever they are given as: jobs, results, run ids, records, files.

A record may come from anywhere: of its clip only a file inside the folder is opened, and only if its digest is the
recorded one. What a job of this process, the ledger or the person names is opened as it is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.engine.job import Job
from wan_notebook.engine.revival import revived
from wan_notebook.errors import InvalidRequestError, Problem, WanError
from wan_notebook.hall.restoration import film_of, recorded_cost
from wan_notebook.ledger.runs import told
from wan_notebook.record.footage import probe_clip
from wan_notebook.record.provenance import is_record
from wan_notebook.record.sidefiles import SUFFIX, load_record
from wan_notebook.request.declaration import parameters
from wan_notebook.request.recalled import recalled
from wan_notebook.tasks import JobState, Task, VideoResult
from wan_notebook.windows.player import Film
from wan_notebook.words.addresses import recorded_url
from wan_notebook.words.wording import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wan_notebook.ledger.runs import Run
    from wan_notebook.ledger.store import Ledger
    from wan_notebook.tasks import Clip

__all__ = ["Exhibit", "exhibited", "result_of", "values_of"]

KINDS = "a job, a result, a run id of %wan_jobs, a record, or the path of a clip"
NO_RECORD = "no record lies beside it: what made it is not known"
HIDDEN_DIGITS = 12
GONE = "Put the file back, or run its cell again: while the service has the clip, it is downloaded again, 0 spent."


@dataclass(frozen=True)
class Exhibit:
    """One clip and what made it.

    Parameters
    ----------
    label : str
    film : Film or None
        None where there is no clip to show.
    values : mapping
        Every parameter that is known, by its name, as text.
    problem : str
        Why there is no clip, or what is the matter with it; empty where all is well.
    job : Job or None
        Where it is still under way.
    """

    label: str
    film: Film | None
    values: Mapping[str, str]
    problem: str = ""
    simulated: bool = False
    job: Job | None = None


def exhibited(given: object, *, ledger: Ledger, folder: Path) -> Exhibit:
    """One clip.

    Parameters
    ----------
    given : Job, VideoResult, str, Path or mapping
    ledger : Ledger
        Where run ids are looked up.
    folder : Path
        The notebook's; links are relative to it, and records are believed of files inside it.

    Raises
    ------
    InvalidRequestError
        It is none of these, or nothing is known of it.
    """
    if isinstance(given, Job):
        return _of_job(given, folder)
    if isinstance(given, VideoResult):
        return _of(given.record, given.clip, folder)
    if isinstance(given, dict):
        return _of_record(given, folder)
    if isinstance(given, (str, os.PathLike)):
        return _of_run(str(given), ledger, folder) or _of_file(Path(given), folder)
    raise InvalidRequestError([Problem("jobs", shown(given), "it is no clip", KINDS)])


def result_of(run: Run, *, now: float) -> VideoResult:
    """The saved clip of a run of the ledger, as its job gave it.

    Raises
    ------
    WanError
        There is none, or its file is gone.
    """
    update = revived(run, now=now)
    if run.state != JobState.DOWNLOADED or not run.clip_path:
        raise WanError(f"{run.run_id} has no saved clip: it is {run.state}.", hint="%wan_resume follows what is open.")
    try:
        clip = probe_clip(run.clip_path)
    except WanError as error:
        raise WanError(f"the clip of {run.run_id} cannot be shown: {error.message}", hint=GONE) from None
    task = update.task or Task("", "")
    record = told(run.record) | {"run_id": run.run_id}
    return VideoResult(clip.path, "", task.usage, update.cost, clip, task, record)


def values_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Every parameter of a record, as text: as it was sent, else as it was asked for."""
    told = _mapping(record.get("request"))
    sent, asked = _mapping(told.get("sent")), _mapping(told.get("asked"))
    known = recalled(asked, sent=sent or None).effective()
    texts = {**asked, **_mapping(sent.get("input"))}
    values = {info.name: known.get(info.name) for info in parameters() if info.kind not in ("image", "sound")}
    values |= {name: texts.get(name) for name in ("prompt", "negative_prompt")}
    values["region"] = record.get("region")
    inputs = record.get("inputs")
    told_of = {info.name: asked.get(info.name) for info in parameters() if info.kind in ("image", "sound")}
    media = {name: _mapping(value).get("name") for name, value in told_of.items()}  # before they are prepared
    media |= {
        str(item.get("role")): _medium(item)
        for item in (inputs if isinstance(inputs, list) else ())
        if isinstance(item, dict)
    }
    return {name: _text(value) for name, value in {**media, **values}.items() if value not in (None, "")}


def _mapping(value: object) -> dict[str, Any]:
    """``value``, of a record that anybody may have written, if it is an object; else an empty one."""
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    if isinstance(value, dict):  # a private text: its digest
        return f"private (sha256 {str(value.get('sha256', ''))[:HIDDEN_DIGITS]}…)"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _medium(item: Mapping[str, Any]) -> str:
    """A name, and a digest that tells two files of one name apart."""
    name = item.get("name") or recorded_url(str(item.get("url") or "")) or item.get("how")
    digest = item.get("sha256")
    return f"{name} ({str(digest)[:8]}…)" if digest else str(name)


def _of(record: Mapping[str, Any], clip: Clip | None, folder: Path, problem: str = "") -> Exhibit:
    simulated = bool(record.get("simulated"))
    try:
        cost = recorded_cost(record.get("cost"))
    except (KeyError, TypeError, ArithmeticError):
        cost = None
    film = Film(clip, cost, None, record.get("name"), folder, simulated) if clip else None
    label = record.get("name") or (clip and clip.path.stem) or str(record.get("run_id"))
    return Exhibit(str(label), film, values_of(record), problem, simulated)


def _of_job(job: Job, folder: Path) -> Exhibit:
    update = job.update
    made = _of(job.record, update.clip if update.state is JobState.DOWNLOADED else None, folder)
    if made.film is not None:
        return made
    if update.state.ended:
        return replace(made, problem=update.error or f"it ended without a clip ({update.state.value})")
    return replace(made, problem=f"under way: {job.status}", job=job)


def _of_record(record: Mapping[str, Any], folder: Path) -> Exhibit:
    if not is_record(record):
        raise InvalidRequestError([Problem("jobs", shown(record), "it is no record", KINDS)])
    try:
        film, problem = film_of(record, folder, folder)
    except (WanError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        film, problem = None, getattr(error, "message", "") or "its record is not whole"
    return _of(record, film.clip if film else None, folder, problem)


def _of_run(run_id: str, ledger: Ledger, folder: Path) -> Exhibit | None:
    run = ledger.run(run_id)
    if run is None:
        return None
    clip, problem = None, f"it is {run.state}: there is no clip"
    if run.clip_path:
        try:
            clip, problem = probe_clip(run.clip_path), ""
        except WanError:
            problem = f"its file is gone: {Path(run.clip_path).name}"
        else:
            problem = "" if clip.sha256 == run.clip_sha256 else "its file has changed since it was saved"
    return _of(told(run.record), clip, folder, problem)


def _of_file(path: Path, folder: Path) -> Exhibit:
    path = path.expanduser()
    path = path if path.is_absolute() else folder / path
    clip_path = path.with_suffix("") if path.suffix == SUFFIX else path
    try:
        clip = probe_clip(clip_path)
    except WanError as error:
        fix = "" if clip_path.exists() else "Is it a run id? %wan_jobs --all lists them"
        raise InvalidRequestError([Problem("jobs", shown(path), error.message, KINDS, fix)]) from None
    try:
        record = load_record(clip_path)
    except WanError:
        return _of({"name": None}, clip, folder, NO_RECORD)
    same = _mapping(record.get("clip")).get("sha256") == clip.sha256
    return _of(record, clip, folder, "" if same else "it has changed since it was saved")
