"""A saved notebook that tells of runs which really were made (by a simulator on loopback, into its folder)."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import nbformat

from wan_notebook.record.provenance import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def notebook(folder: Path, *cells: tuple[str, Iterable[Mapping[str, Any]]], name: str = "n.ipynb") -> Path:
    """A notebook of cells, each with its source and the records of its runs."""
    made = nbformat.v4.new_notebook()
    for number, (source, records) in enumerate(cells, 1):
        cell = nbformat.v4.new_code_cell(source, id=f"cell-{number}")
        told = [
            sealed({**record, "cell_id": cell.id, "source_sha256": hashlib.sha256(source.encode()).hexdigest()})
            for record in records
        ]
        cell.metadata["wan_notebook"] = {"schema": 1, "runs": told}
        made.cells.append(cell)
    path = folder / name
    path.write_text(json.dumps(made), encoding="utf-8")
    return path


def sealed(record: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A record with its digest made anew, as an able forger does."""
    new = {name: value for name, value in {**record, **changes}.items() if name != "record_sha256"}
    return {**new, "record_sha256": digest(new)}
