"""The window that remembers: records from a notebook's outputs into the metadata of their cells.

In JupyterLab and Notebook 7 the plugin does this while a job runs (``labextension/plugin.js`` holds the same rule once
more, in JavaScript; one table of cases tests both). Here it is done for notebooks without such a front end: executed by
nbclient or papermill, or saved by an editor that knows no plugins.

A notebook may come from anywhere: what is found in it is bounded and checked, and never more than copied.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.record.documents import Document
from wan_notebook.record.provenance import MIME, SCHEMA_VERSION, is_record, parts
from wan_notebook.tasks import JobState

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

__all__ = ["ENDED", "KEY", "SyncReport", "is_record", "merge", "records", "stamp", "sync"]

Latest = Callable[[str], Mapping[str, Any] | None]
KEY = "wan_notebook"  # of the cell's metadata
MAX_RUNS = 1000  # of one cell
ENDED = {state.value for state in JobState if state.ended}


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


def stamp(notebook: Mapping[str, Any], latest: Latest | None = None) -> int:
    """Copy the records of a notebook's outputs into the metadata of their cells, in place.

    Parameters
    ----------
    notebook : mapping
        An nbformat node or plain JSON, format 4; nothing else in it is changed.
    latest : callable, optional
        Gives what the output of a run holds, by its id, where it has ended; otherwise None. Runs that the notebook
        shows as under way are then shown as they ended.

    Returns
    -------
    int
        How many cells changed.
    """
    changed = 0
    for _, cell in _code_cells(notebook):
        renewed = latest is not None and _renew(cell, latest)
        metadata = _metadata(cell)
        merged = merge(_output_records(cell), metadata.get(KEY))
        if merged is not None:
            metadata[KEY] = _like(metadata, merged)
            cell["metadata"] = metadata
        changed += renewed or merged is not None
    return changed


def sync(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    latest: Latest | None = None,
) -> SyncReport:
    """Stamp a saved notebook: atomically, changing nothing else in it.

    Parameters
    ----------
    path : path
        The notebook.
    output : path, optional
        Where the result goes instead; it is then written in any case and ``path`` stays untouched.
    latest : callable, optional
        As for :func:`stamp`.

    Returns
    -------
    SyncReport

    Raises
    ------
    WanError
        Not a notebook of format 4, unreadable or too large, or changed by someone else meanwhile.
    """
    document = Document.read(path)
    cells = stamp(document.notebook, latest)
    found = [record for _, cell in _code_cells(document.notebook) for record in _output_records(cell)]
    target = document.path if output is None else Path(output)
    needed = cells > 0 or output is not None
    if needed:
        document.write(target)
    return SyncReport(target, cells, sum(is_record(part) for one in found for part in parts(one)), written=needed)


# The document


def _renew(cell: dict[str, Any], latest: Latest) -> bool:
    """Put the end of runs where a cell still says that they are under way: into its outputs, and metadata alone."""
    outputs, renewed = cell.get("outputs"), False
    for output in outputs if isinstance(outputs, list) else []:
        data = output.get("data") if isinstance(output, dict) else None
        bundle = _newer(data.get(MIME), latest) if isinstance(data, dict) else None
        if data is not None and bundle is not None:
            output["data"] = _like(data, {mime: _lines(mime, content) for mime, content in bundle.items()})
            renewed = True
    held: Any = _metadata(cell).get(KEY)
    for place, run in enumerate(held["runs"] if _runs(held) else ()):
        bundle = _newer(run, latest)
        if bundle is not None:
            held["runs"][place] = _like(run, json.loads(json.dumps(bundle[MIME])))
            renewed = True
    return renewed


def _newer(record: object, latest: Latest) -> Mapping[str, Any] | None:
    """What a run's output holds now; of the document only the id is believed."""
    if not isinstance(record, dict) or not is_record(record) or record["state"] in ENDED or record.get("sweep"):
        return None  # the entry of a sweep's run is short, and told of together with the others
    bundle = latest(record["run_id"])
    return bundle if bundle is not None and bundle[MIME]["rev"] > record["rev"] else None


def _lines(mime: str, content: Any) -> Any:
    """Text as notebook files hold it."""
    return content.splitlines(keepends=True) if mime.startswith("text/") and isinstance(content, str) else content


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
