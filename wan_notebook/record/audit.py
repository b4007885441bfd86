"""Is a notebook still what its records say? Every claim that can be checked on this computer is checked.

A notebook may come from anywhere: only files that its records name by relative paths inside its own folder are opened,
and nothing of it is executed. What is checked: the record against the schema and against itself, the copies of it
(output, metadata, side file) against each other, the source of the cell, inputs and clips against their digests, and
the clip against its claimed length, size and sound.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import WanError
from wan_notebook.record.claims import another_run, another_story, wrong_cost, wrong_course, wrong_request
from wan_notebook.record.documents import Document, genuine, inside
from wan_notebook.record.embeds import plays
from wan_notebook.record.findings import DIFFERS, OK, UNKNOWN, Finding, Report
from wan_notebook.record.footage import probe_clip
from wan_notebook.record.model import faults
from wan_notebook.record.provenance import MIME, digest, parts
from wan_notebook.record.recorder import KEY
from wan_notebook.record.redaction import SEALED
from wan_notebook.record.sidefiles import SUFFIX, load_record
from wan_notebook.record.swept import MEMBER, whole_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from wan_notebook.tasks import Clip

__all__ = ["verify"]

SLACK_SECONDS, SLACK_FPS = 0.05, 0.01  # an MP4's own rounding
APART = "the record in the output and the one in the metadata are not the same"
SLACK_BILLED = 0.5  # seconds: the service reports whole ones
MEASURED = ("width", "height", "video_codec", "audio_codec", "audio")


def verify(path: str | os.PathLike[str]) -> Report:
    """Check every record of a saved notebook.

    Parameters
    ----------
    path : path
        A notebook of format 4; it is only read.

    Returns
    -------
    Report

    Raises
    ------
    WanError
        Not a notebook, or unreadable.
    """
    document = Document.read(path)
    found: list[Finding] = []
    for number, cell in enumerate(document.notebook["cells"], 1):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            found += _cell(number, cell, document.path.parent)
    return Report(document.path, tuple(found))


def _cell(number: int, cell: dict[str, Any], folder: Path) -> Iterator[Finding]:
    named = cell.get("id")
    here = Finding(number, named if isinstance(named, str) else None, None, "", OK)
    kept, shown = list(_kept(cell)), list(_shown(cell))
    valid: dict[str, list[dict[str, Any]]] = {}
    for value in [*kept, *shown]:
        wrong = faults(value)
        run_id = value.get("run_id") if isinstance(value, dict) else None
        at = replace(here, run_id=run_id if isinstance(run_id, str) else None)
        if wrong:
            yield replace(at, what="record", result=DIFFERS, words="; ".join(wrong))
        else:
            valid.setdefault(value["run_id"], []).append(value)
    for run_id, copies in valid.items():
        at = replace(here, run_id=run_id)
        record = max(copies, key=lambda one: int(one["rev"]))
        yield _copies(at, copies)
        if "source_sha256" in record:
            yield _source(at, cell, record)
        if "kind" in record:
            yield _unedited(at, record)
            if record["kind"] == MEMBER:
                yield from _member(at, record, folder)
            continue
        yield from _claims(at, record)
        yield from _inputs(at, record, folder)
        yield from _clip(at, record, folder)
        yield from _played(at, cell, record)


def _kept(cell: dict[str, Any]) -> Iterator[Any]:
    metadata = cell.get("metadata")
    held = metadata.get(KEY) if isinstance(metadata, dict) else None
    if held is None:
        return
    runs = held.get("runs") if isinstance(held, dict) and held.get("schema") == 1 else None
    yield from runs if isinstance(runs, list) else [held]


def _shown(cell: dict[str, Any]) -> Iterator[Any]:
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        data = output.get("data") if isinstance(output, dict) else None
        if isinstance(data, dict) and MIME in data:
            yield from parts(data[MIME])


def _copies(at: Finding, copies: list[dict[str, Any]]) -> Finding:
    at = replace(at, what="copies")
    by_rev: dict[int, dict[str, Any]] = {}
    for one in copies:
        if by_rev.setdefault(one["rev"], one) != one:
            return replace(at, result=DIFFERS, words=APART)
        if digest({key: value for key, value in one.items() if key != "record_sha256"}) != one["record_sha256"]:
            return replace(at, result=DIFFERS, words=f"the one of revision {one['rev']} was edited")
        if "kind" not in one and "kind" not in copies[0] and (names := another_run(one, copies[0])):
            return replace(at, result=DIFFERS, words=f"{APART}: {names}")
    return at


def _source(at: Finding, cell: dict[str, Any], record: dict[str, Any]) -> Finding:
    at = replace(at, what="source")
    said = cell.get("source")
    text = "".join(map(str, said)) if isinstance(said, list) else str(said)
    if text == SEALED:
        return replace(at, result=UNKNOWN, words="the cell's source is private and was left out")
    if record["source_sha256"] is None:
        return replace(at, result=UNKNOWN, words="the record does not know the cell's source")
    if record["cell_id"] and at.cell_id and record["cell_id"] != at.cell_id:
        at = replace(at, words="the record came from another cell (this one is a copy)")
    if hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() != record["source_sha256"]:
        return replace(at, result=DIFFERS, words="the cell was edited after the run")
    return at


def _unedited(at: Finding, record: dict[str, Any]) -> Finding:
    whole = digest({key: value for key, value in record.items() if key != "record_sha256"})
    edited = whole != record["record_sha256"]
    return replace(at, what="record", result=DIFFERS if edited else OK, words="it was edited" if edited else "")


def _member(at: Finding, entry: dict[str, Any], folder: Path) -> Iterator[Finding]:
    """What a sweep's entry says of a run, against the whole record beside the run's clip."""
    if entry["clip"] is None:
        if entry["state"] == "downloaded":
            yield replace(at, what="clip", result=DIFFERS, words="it is said to be saved, but the record names no file")
        return
    record, problem = whole_of(entry, folder)
    if record is None:
        yield replace(at, what="side file", result=DIFFERS, words=problem)
        return
    yield from _claims(at, record)
    yield from _inputs(at, record, folder)
    yield from _clip(at, record, folder)


def _claims(at: Finding, record: dict[str, Any]) -> Iterator[Finding]:
    """What a record says about itself."""
    edited = _unedited(at, record)
    course = wrong_course(record)
    yield edited if edited.result == DIFFERS or not course else replace(edited, result=DIFFERS, words=course)
    problem = wrong_request(record)
    yield replace(at, what="request", result=DIFFERS if problem else OK, words=problem)
    if record["cost"] is not None:
        problem = wrong_cost(record)
        yield replace(at, what="cost", result=DIFFERS if problem else OK, words=problem)


def _inputs(at: Finding, record: dict[str, Any], folder: Path) -> Iterator[Finding]:
    at = replace(at, what="input")
    sent = str(record["request"]["sent"])
    for item in record["inputs"]:
        name = item["name"] or item["role"]
        if item["sha256"] is None:
            yield replace(at, result=UNKNOWN, words=f"{name}: given by its address and not kept")
            continue
        problem = "" if record["request"]["sent"] is None or item["sha256"] in sent else "it is not what was sent"
        problem = problem or genuine(folder, item)[1]
        yield replace(at, result=DIFFERS if problem else OK, words=f"{name}: {problem}" if problem else name)


def _clip(at: Finding, record: dict[str, Any], folder: Path) -> Iterator[Finding]:
    claimed, at = record["clip"], replace(at, what="clip")
    if claimed is None:
        if record["state"] == "downloaded":
            yield replace(at, result=DIFFERS, words="it is said to be saved, but the record names no file")
        return
    film, problem = genuine(folder, claimed)
    problem = _measured(film, claimed, record) if film else problem
    yield replace(
        at, result=DIFFERS if problem else OK, words=f"{claimed['path']}: {problem}" if problem else claimed["path"]
    )
    path = inside(folder, claimed["path"] + SUFFIX)
    if path is not None:
        yield _side_file(replace(at, what="side file"), path, record)
    elif film:
        yield replace(at, what="side file", result=UNKNOWN, words="there is no record beside the clip")


def _played(at: Finding, cell: dict[str, Any], record: dict[str, Any]) -> Iterator[Finding]:
    """Whether the player in a run's output plays the clip of its record; a replay's plays an earlier one beside it."""
    if record["clip"] is None:
        return
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        data = output.get("data") if isinstance(output, dict) else None
        if not isinstance(data, dict) or not isinstance(held := data.get(MIME), dict):
            continue
        if held.get("run_id") != record["run_id"]:
            continue
        mine = plays(data, record["clip"])
        if mine is not None:
            words = "" if mine else "the player shows another file than the record's clip"
            yield replace(at, what="player", result=OK if mine else DIFFERS, words=words)


def _measured(path: Path, claimed: dict[str, Any], record: dict[str, Any]) -> str:
    try:
        clip = probe_clip(path)
    except WanError as error:
        return error.message
    return next(_misfits(clip, claimed, record["usage"] or {}), "")


def _misfits(clip: Clip, claimed: dict[str, Any], usage: dict[str, Any]) -> Iterator[str]:
    for name in MEASURED:
        if getattr(clip, name) != claimed[name]:
            yield f"its {name} is {getattr(clip, name)}, not {claimed[name]}"
    if abs(clip.duration - claimed["duration"]) > SLACK_SECONDS:
        yield f"it lasts {clip.duration:g} s, not {claimed['duration']:g} s"
    if abs(clip.fps - claimed["fps"]) > SLACK_FPS:
        yield f"it has {clip.fps:g} frames per second, not {claimed['fps']:g}"
    billed = usage.get("output_video_duration") or usage.get("duration")
    if billed is not None and abs(clip.duration - billed) > SLACK_BILLED:
        yield f"it lasts {clip.duration:g} s, the service reported {billed:g} s"


def _side_file(at: Finding, path: Path, record: dict[str, Any]) -> Finding:
    try:
        side = load_record(path)
    except WanError as error:
        return replace(at, result=DIFFERS, words=error.message)
    wrong = faults(side)
    if wrong:
        return replace(at, result=DIFFERS, words=wrong[0])
    if digest({key: value for key, value in side.items() if key != "record_sha256"}) != side["record_sha256"]:
        return replace(at, result=DIFFERS, words="it was edited")
    other = another_story(side, record)
    return replace(at, result=DIFFERS, words=f"it tells another story than the notebook: {other}") if other else at
