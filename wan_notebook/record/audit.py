"""Is a notebook still what its records say? Every claim that can be checked on this computer is checked.

A notebook may come from anywhere: only files that its records name by relative paths inside its own folder are opened,
and nothing of it is executed. What is checked: the record against the schema and against itself, the copies of it
(output, metadata, side file) against each other, the source of the cell, inputs and clips against their digests, and
the clip against its claimed length, size and sound. What the outputs show is looked at from above, in the hall.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wan_notebook.record.claims import (
    another_entry,
    another_run,
    wrong_cost,
    wrong_course,
    wrong_request,
    wrong_sweep,
)
from wan_notebook.record.documents import Document
from wan_notebook.record.evidence import ELSEWHERE, clip_of, elsewhere, inputs_of
from wan_notebook.record.findings import DIFFERS, OK, UNKNOWN, Finding, Report
from wan_notebook.record.model import faults
from wan_notebook.record.provenance import MIME, digest, parts
from wan_notebook.record.recorder import ENDED, KEY, MAX_RUNS
from wan_notebook.record.redaction import SEALED
from wan_notebook.record.swept import MEMBER, SWEEP, told_otherwise, whole_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    Look = Callable[[Finding, Mapping[str, Any], Mapping[str, Any], Path], Iterator[Finding]]

__all__ = ["audited"]

CLIP_CELL = re.compile(r"%%?wan_i2v\b(?!.*(--dry-run|--help|\s-[nh]\b))")
APART = "the record in the output and the one in the metadata are not the same"


def audited(path: str | os.PathLike[str], look: Look) -> Report:
    """Check every record of a saved notebook.

    Parameters
    ----------
    path : path
        A notebook of format 4; it is only read.
    look : callable
        Given each output of a run with the record in it and the notebook's folder, it says what it finds shown there.

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
    sources = {_source_of(cell) for cell in document.notebook["cells"] if isinstance(cell, dict)}
    for number, cell in enumerate(document.notebook["cells"], 1):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            found += _cell(number, cell, document.path.parent, sources, look)
        elif isinstance(cell, dict) and any(True for _ in _kept(cell)):
            words = "this is no code cell any more, and a run is recorded in it"
            found.append(Finding(number, None, None, "record", UNKNOWN, words))
    found += _swapped(document.notebook["cells"])
    return Report(document.path, tuple(found))


def _cell(number: int, cell: dict[str, Any], folder: Path, sources: set[str], look: Look) -> Iterator[Finding]:
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
    yield from _missing(here, cell, kept, shown)
    yield from _sweeps(here, valid, folder)
    for run_id, copies in valid.items():
        at = replace(here, run_id=run_id)
        record = max(copies, key=lambda one: int(one["rev"]))
        yield _copies(at, copies)
        if "source_sha256" in record:
            yield _source(at, cell, record, sources)
        if "kind" in record:
            yield _unedited(at, record)
            if record["kind"] == MEMBER:
                yield from _member(at, record, folder)
        else:
            yield from _claims(at, record)
            yield from inputs_of(at, record, folder)
            yield from clip_of(at, record, folder)
        yield from _looked_at(at, cell, copies, look, folder)


def _looked_at(
    at: Finding, cell: dict[str, Any], copies: list[dict[str, Any]], look: Look, folder: Path
) -> Iterator[Finding]:
    """What the outputs show of a run, against the record in them and every other that tells of the same end."""
    for data in _outputs(cell):
        held = data.get(MIME)
        if isinstance(held, dict) and (any(one is held for one in copies) or _is_sweep(held, copies[0]["run_id"])):
            yield from look(at, data, held, folder)
            for other in copies if held["state"] in ENDED and "kind" not in held else ():
                if other != held and "kind" not in other and other["state"] == held["state"]:
                    yield from (one for one in look(at, data, other, folder) if one.result == DIFFERS)


def _is_sweep(held: dict[str, Any], run_id: str) -> bool:
    """Whether an output holds the summary of a sweep, with its entries."""
    return held.get("kind") == SWEEP and held.get("run_id") == run_id


def _missing(here: Finding, cell: dict[str, Any], kept: list[Any], shown: list[Any]) -> Iterator[Finding]:
    """Runs that should be recorded, and are not, or in one place only: nobody can tell who took them away."""
    ids = [{one.get("run_id") for one in held if isinstance(one, dict)} for held in (kept, shown)]
    unknown = replace(here, what="record", result=UNKNOWN)
    if shown and ids[1] - ids[0]:
        yield replace(unknown, words="a run is recorded in the output only: wan-notebook sync copies it")
    if kept and shown and ids[0] - ids[1]:
        yield replace(unknown, words="a run is recorded in the metadata, and the output does not show it")
    first = _source_of(cell).lstrip().partition("\n")[0]
    if not kept and not shown and CLIP_CELL.match(first) and cell.get("execution_count") is not None:
        yield replace(unknown, words="this cell was run, and no run is recorded in it")


def _swapped(cells: list[Any]) -> Iterator[Finding]:
    """Outputs that another cell's metadata tell of, below a cell whose own metadata tell of others of its source."""
    runs = [(cell, _ids(_kept(cell)), _ids(_shown(cell))) for cell in cells if isinstance(cell, dict)]
    for number, (cell, kept, shown) in enumerate(runs, 1):
        others = set().union(*(ids for other, ids, _ in runs if other is not cell))
        its = any(one.get("source_sha256") == _sha256(_source_of(cell)) for one in _kept(cell) if isinstance(one, dict))
        if its and shown and not kept & shown and shown <= others:
            words = (
                "its output is another cell's: the metadata of that cell tell of the run, and of this cell of another"
            )
            yield Finding(
                number, cell.get("id") if isinstance(cell.get("id"), str) else None, None, "copies", DIFFERS, words
            )


def _ids(held: Iterator[Any]) -> set[str]:
    return {one["run_id"] for one in held if isinstance(one, dict) and isinstance(one.get("run_id"), str)}


def _sweeps(here: Finding, valid: dict[str, list[dict[str, Any]]], folder: Path) -> Iterator[Finding]:
    """Whether the entries of a sweep are those its summary counts, and it says of them what their records say."""
    latest = [max(copies, key=lambda one: int(one["rev"])) for copies in valid.values()]
    members: dict[str, list[dict[str, Any]]] = {}
    for one in latest:
        if one.get("kind") == MEMBER:
            members.setdefault(one["sweep"], []).append(one)
    heads = {one["run_id"]: one for one in latest if one.get("kind") == SWEEP}
    for sweep in heads.keys() | members.keys() if len(latest) < MAX_RUNS else ():
        head = heads.get(sweep)
        held = members.get(sweep, [])
        problem = (
            (wrong_sweep(head, held) or told_otherwise(head, held, folder))
            if head
            else "the summary of its sweep is not there"
        )
        yield replace(here, run_id=sweep, what="sweep", result=DIFFERS if problem else OK, words=problem)


def _kept(cell: dict[str, Any]) -> Iterator[Any]:
    metadata = cell.get("metadata")
    held = metadata.get(KEY) if isinstance(metadata, dict) else None
    if held is None:
        return
    runs = held.get("runs") if isinstance(held, dict) and held.get("schema") == 1 else None
    yield from runs if isinstance(runs, list) else [held]


def _outputs(cell: dict[str, Any]) -> Iterator[dict[str, Any]]:
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        data = output.get("data") if isinstance(output, dict) else None
        if isinstance(data, dict):
            yield data


def _shown(cell: dict[str, Any]) -> Iterator[Any]:
    for data in _outputs(cell):
        if MIME in data:
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


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _source_of(cell: dict[str, Any]) -> str:
    said = cell.get("source")
    return "".join(map(str, said)) if isinstance(said, list) else str(said)


def _source(at: Finding, cell: dict[str, Any], record: dict[str, Any], sources: set[str]) -> Finding:
    at = replace(at, what="source")
    text = _source_of(cell)
    if text == SEALED:
        return replace(at, result=UNKNOWN, words="the cell's source is private and was left out")
    if record["source_sha256"] is None:
        return replace(at, result=UNKNOWN, words="the record does not know the cell's source")
    same = _sha256(text) == record["source_sha256"]
    moved = record["cell_id"] and at.cell_id and record["cell_id"] != at.cell_id
    if moved or (not same and record["source_sha256"] in map(_sha256, sources)):
        words = "the record came from another cell (this one is a copy, or shows its output)"
        return replace(at, result=OK if same else UNKNOWN, words=words)
    return at if same else replace(at, result=DIFFERS, words="the cell was edited after the run")


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
    if elsewhere(folder, entry["clip"]):
        yield replace(at, what="clip", result=UNKNOWN, words=f"{entry['clip']['path']}: {ELSEWHERE}")
        return
    record, problem = whole_of(entry, folder)
    if record is None:
        yield replace(at, what="side file", result=DIFFERS, words=problem)
        return
    if other := another_entry(entry, record):
        yield replace(at, what="side file", result=DIFFERS, words=f"it tells another story than the notebook: {other}")
    yield from _claims(at, record)
    yield from inputs_of(at, record, folder)
    yield from clip_of(at, record, folder)


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
