"""The window that remembers: records from a notebook's outputs into the metadata of their cells.

In JupyterLab and Notebook 7 the plugin does this while a job runs (``labextension/plugin.js`` holds the same rule once
more, in JavaScript; one table of cases tests both). Here it is done for notebooks without such a front end: executed by
nbclient or papermill, or saved by an editor that knows no plugins.

A notebook may come from anywhere: what is found in it is bounded and checked, and never more than copied.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.record.documents import Document
from wan_notebook.record.provenance import MIME, SCHEMA_VERSION, is_record, parts

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

__all__ = ["KEY", "SyncReport", "is_record", "merge", "records", "stamp", "sync"]

KEY = "wan_notebook"  # of the cell's metadata
MAX_RUNS = 1000  # of one cell


@dataclass(frozen=True)
class SyncReport:
    """What :func:`sync` did.

    Parameters
    ----------
    path : Path
        The file that holds the result.
    cells : int
        How many cells got new metadata; 0 means there was nothing to do.
    records : int
        How many valid records the notebook's outputs hold.
    written : bool
        Whether ``path`` was written.
    """

    path: Path
    cells: int
    records: int
    written: bool

    def __str__(self) -> str:
        return f"{self.path}: records in the outputs: {self.records}, cells whose metadata changed: {self.cells}"


def merge(found: Iterable[object], metadata: object) -> dict[str, Any] | None:
    """What a cell's ``metadata.wan_notebook`` should become.

    The runs are those of the cell's outputs, in their order; of two records of one run the one with the higher ``rev``
    wins, and on a tie the one that is already in the metadata. Cleared outputs leave the metadata as they are.

    Parameters
    ----------
    found : iterable
        The records of the cell's outputs, in the order of the outputs, that of a sweep with its members; anything that
        is no record is ignored.
    metadata : object
        What ``metadata.wan_notebook`` holds now, if anything.

    Returns
    -------
    dict or None
        ``{"schema": 1, "runs": [record, ...]}``, or None where nothing has to change.
    """
    if isinstance(metadata, dict) and isinstance(metadata.get("schema"), int) and metadata["schema"] > SCHEMA_VERSION:
        return None  # a later version wrote it, and knows more
    latest: dict[str, dict[str, Any]] = {}
    for record in (part for one in found for part in parts(one)):
        if not isinstance(record, dict) or not is_record(record):
            continue
        seen = latest.get(record["run_id"])
        if len(latest) < MAX_RUNS if seen is None else record["rev"] > seen["rev"]:
            latest[record["run_id"]] = record
    if not latest:
        return None
    known = _runs(metadata)
    for record in known:
        seen = latest.get(record["run_id"])
        if seen is not None and record["rev"] >= seen["rev"]:
            latest[record["run_id"]] = record
    runs = list(latest.values())
    if _marks(known) == _marks(runs) and isinstance(metadata, dict) and len(metadata["runs"]) == len(runs):
        return None
    return {"schema": SCHEMA_VERSION, "runs": json.loads(json.dumps(runs))}


def records(notebook: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """Every valid record of a notebook: those of its outputs, and those of the metadata where the outputs are gone.

    Parameters
    ----------
    notebook : mapping
        An nbformat node or plain JSON, format 4.

    Returns
    -------
    list of (int, dict)
        Index of the cell and the record, as :func:`stamp` would leave them; in order.
    """
    found = []
    for index, cell in _code_cells(notebook):
        metadata = _metadata(cell).get(KEY)
        found += [(index, record) for record in _runs(merge(_output_records(cell), metadata) or metadata)]
    return found


def stamp(notebook: Mapping[str, Any]) -> int:
    """Copy the records of a notebook's outputs into the metadata of their cells, in place.

    Parameters
    ----------
    notebook : mapping
        An nbformat node or plain JSON, format 4; nothing else in it is changed.

    Returns
    -------
    int
        How many cells changed.
    """
    changed = 0
    for _, cell in _code_cells(notebook):
        metadata = _metadata(cell)
        merged = merge(_output_records(cell), metadata.get(KEY))
        if merged is None:
            continue
        metadata[KEY] = _like(metadata, merged)
        cell["metadata"] = metadata
        changed += 1
    return changed


def sync(path: str | os.PathLike[str], output: str | os.PathLike[str] | None = None) -> SyncReport:
    """Stamp a saved notebook: atomically, changing nothing else in it.

    Parameters
    ----------
    path : path
        The notebook.
    output : path, optional
        Where the result goes instead; it is then written in any case and ``path`` stays untouched.

    Returns
    -------
    SyncReport

    Raises
    ------
    WanError
        Not a notebook of format 4, unreadable or too large, or changed by someone else meanwhile.
    """
    document = Document.read(path)
    cells = stamp(document.notebook)
    found = [record for _, cell in _code_cells(document.notebook) for record in _output_records(cell)]
    target = document.path if output is None else Path(output)
    needed = cells > 0 or output is not None
    if needed:
        document.write(target)
    return SyncReport(target, cells, sum(is_record(part) for one in found for part in parts(one)), written=needed)


# The document


def _code_cells(notebook: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        return []
    return [(i, cell) for i, cell in enumerate(cells) if isinstance(cell, dict) and cell.get("cell_type") == "code"]


def _output_records(cell: Mapping[str, Any]) -> list[object]:
    outputs = cell.get("outputs")
    bundles = [o.get("data") for o in outputs if isinstance(o, dict)] if isinstance(outputs, list) else []
    return [data[MIME] for data in bundles if isinstance(data, dict) and MIME in data]


def _metadata(cell: dict[str, Any]) -> dict[str, Any]:
    metadata = cell.get("metadata")
    return metadata if isinstance(metadata, dict) else _like(cell, {})


def _runs(metadata: object) -> list[dict[str, Any]]:
    if not isinstance(metadata, dict) or metadata.get("schema") != SCHEMA_VERSION:
        return []
    runs = metadata.get("runs")
    return [run for run in runs[:MAX_RUNS] if is_record(run)] if isinstance(runs, list) else []


def _marks(runs: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(run["run_id"], run["rev"]) for run in runs]


def _like(model: dict[str, Any], value: dict[str, Any]) -> Any:
    """``value`` as the same kind of mapping as its neighbours: nbformat nodes are read by attribute, too."""
    if type(model) is dict:
        return value
    from nbformat import from_dict

    return from_dict(value)
