"""The runs a saved notebook tells of, as far as they can be believed: valid records that nobody edited, each once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import WanError
from wan_notebook.record.documents import Document, inside
from wan_notebook.record.model import altered_body, faults
from wan_notebook.record.provenance import digest
from wan_notebook.record.recorder import records
from wan_notebook.record.sidefiles import SUFFIX, load_record
from wan_notebook.record.swept import SWEEP, whole_of
from wan_notebook.words.phrases import clean

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["Chronicle", "Entry", "beside", "chronicle", "distrusted"]


@dataclass(frozen=True)
class Entry:
    """One run.

    Parameters
    ----------
    cell : int
        Place of its cell in the notebook, from 1.
    cell_id : str or None
        The id the cell has now.
    record : dict
    """

    cell: int
    cell_id: str | None
    record: dict[str, Any]

    def value(self, name: str) -> Any:
        """A parameter as it was sent, or as it was asked where nothing was sent."""
        request = self.record["request"]
        sent = (request["sent"] or {}).get("parameters") or {}
        return sent.get(name, request["asked"].get(name))

    @property
    def prompt(self) -> str | None:
        """The prompt as recorded; None where it is private."""
        request = self.record["request"]
        said = ((request["sent"] or {}).get("input") or request["asked"]).get("prompt")
        return said if isinstance(said, str) else None


@dataclass(frozen=True)
class Chronicle:
    """The runs of one notebook, in the order of its cells, and what was left out with the reason."""

    document: Document
    entries: tuple[Entry, ...]
    left_out: tuple[str, ...]

    def paid(self) -> Iterator[Entry]:
        """Those that were made here; not those that only show an earlier clip."""
        return (entry for entry in self.entries if entry.record["from_run"] is None)


def chronicle(path: str | os.PathLike[str]) -> Chronicle:
    """Read a saved notebook.

    Raises
    ------
    WanError
        It is no notebook, or tells of no run that can be believed.
    """
    document = Document.read(path)
    entries: dict[str, Entry] = {}
    left_out = []
    for index, found in records(document.notebook):
        named = document.notebook["cells"][index].get("id")
        record, why = _whole(found, document.path.absolute().parent)
        if record is None:
            continue
        why = why or distrusted(record)
        if why:
            left_out.append(f"cell {index + 1}, {clean(record['run_id'])}: {why}")
        elif record["run_id"] not in entries or entries[record["run_id"]].record["rev"] < record["rev"]:
            entries[record["run_id"]] = Entry(index + 1, named if isinstance(named, str) else None, record)
    if not entries:
        raise WanError(f"{document.path.name} tells of no run{_why(left_out)}.", hint="wan-notebook verify shows more.")
    return Chronicle(document, tuple(entries.values()), tuple(left_out))


def _whole(found: dict[str, Any], folder: Path) -> tuple[dict[str, Any] | None, str]:
    """A run's record; of a member of a sweep the one beside its clip. None for what is no run, or was never made."""
    kind = found.get("kind")
    if kind is None:
        return found, ""
    if faults(found):
        return found, "it is no record of schema 1"
    if kind == SWEEP or found["clip"] is None:
        return None, ""
    record, why = whole_of(found, folder)
    return record or found, why


def distrusted(record: dict[str, Any]) -> str:
    """Why a record is not believed; empty if it is valid and as it was written."""
    wrong = faults(record)
    if wrong:
        return f"it is no record of schema 1 ({clean(wrong[0])[:200]})"
    if digest({name: value for name, value in record.items() if name != "record_sha256"}) != record["record_sha256"]:
        return "the record was edited"
    if "kind" not in record and altered_body(record):
        return "the body in the record is not the one that was sent"
    return ""


def beside(record: dict[str, Any], folder: Path) -> Path | None:
    """The side file of a record's clip, in the notebook's folder, if it can be believed and tells no more than that."""
    path = inside(folder, record["clip"]["path"] + SUFFIX)
    try:
        held = load_record(path) if path is not None else {}
    except WanError:
        return None
    if distrusted(held) or "kind" in held or (held["clip"] or {}).get("sha256") != record["clip"]["sha256"]:
        return None
    return None if record["private"] and not held["private"] else path


def _why(left_out: Iterable[str]) -> str:
    said = "; ".join(left_out)
    return f" that can be believed ({said[:500]})" if said else ""
